"use strict";
const at = (id) => document.getElementById(id);
const made = (tag, text, name) => {
  const one = document.createElement(tag);
  if (text !== undefined) one.textContent = text;
  if (name) one.className = name;
  return one;
};
let last = 0;

fetch("model.json").then((reply) => reply.json()).then((model) => {
  document.title = model.title;
  at("model").textContent = `${model.classes.length} classes: ${model.classes.slice(0, 12).join(", ")}` +
    (model.classes.length > 12 ? ", ..." : "") + `. Run ${model.run}, epoch ${model.epoch}.`;
  at("notes").textContent = model.notes.join(" ");
});

function say(text, isFault = false) {
  at("state").textContent = text;
  at("state").className = isFault ? "fault" : "soft";
}

async function classify(file) {
  const turn = ++last;
  say(`Looking at ${file.name || "the photo"} ...`);
  let reply, answer;
  try {
    reply = await fetch("v1/predict", { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
    answer = await reply.json();
  } catch (error) {
    reply = null;
  }
  if (turn !== last) return;
  if (!reply || !reply.ok) {
    at("result").hidden = at("likeness").hidden = true;
    say(reply ? `Not classified: ${answer.error}.` : "The server does not answer; is it still running?", true);
    return;
  }
  say("");
  show(file, answer);
}

function show(file, answer) {
  URL.revokeObjectURL(at("photo").src);
  at("photo").src = URL.createObjectURL(file);
  const best = answer.classes[0];
  at("found").textContent = answer.none_of_these ? "None of these" : `${best.name}, ${percent(best.probability)}`;
  at("none").hidden = !answer.none_of_these;
  at("classes").replaceChildren(...answer.classes.map((one) => {
    const row = made("tr"), bar = made("td"), track = made("div", "", "track"), fill = made("div", "", "fill");
    const head = made("th", one.name);
    head.scope = "row";
    fill.style.width = `${100 * one.probability}%`;
    track.append(fill);
    bar.setAttribute("aria-hidden", "true");
    bar.append(track);
    row.append(head, bar, made("td", percent(one.probability), "number"));
    return row;
  }));
  at("time").textContent = `${Math.round(answer.milliseconds)} ms`;
  at("nearest").replaceChildren(...answer.nearest.map(neighbour));
  at("result").hidden = false;
  at("likeness").hidden = answer.nearest.length === 0;
  at("found").focus({ preventScroll: true });
}

function neighbour(one) {
  const item = made("li"), picture = made("img"), text = made("div");
  picture.src = `training-photos/${one.number}`;
  picture.alt = `Training photo with the raw label ${one.raw_label}`;
  picture.loading = "lazy";
  text.append(made("strong", one.raw_label), made("span", one.author ? `by ${one.author}` : "author not recorded", "soft"));
  if (one.license) text.append(made("span", one.license, "soft"));
  if (one.page) {
    const link = made("a", "its page");
    link.href = one.page;
    link.rel = "noreferrer noopener";
    text.append(link);
  }
  item.append(picture, text);
  return item;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

at("file").addEventListener("change", () => {
  const file = at("file").files[0];
  at("file").value = "";
  if (file) classify(file);
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind !== "drop") return;
    const file = event.dataTransfer.files[0];
    if (file) classify(file);
    else say("That was no file; drop the photo itself.", true);
  });
}
document.addEventListener("paste", (event) => {
  const file = event.clipboardData.files[0];
  if (file) classify(file);
});
