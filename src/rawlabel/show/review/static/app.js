// Looks at photos and answers about them. Texts of strangers become text nodes and never markup.
"use strict";

const ANSWERS = [["keep", "Keep", "k"], ["drop", "Drop", "d"], ["not_sure", "Not sure", "n"]];
const SAID = { keep: "kept", drop: "dropped", not_sure: "not sure" };
const TABS = {
  suspects: "Suspects", classes: "Classes", copies: "Copies", conflicts: "Conflicts", leaks: "Leaks",
  groups: "Off topic", done: "Done",
};
const PAIRS = {
  copies: ["One picture twice: both are left out", "One picture twice: one of them is left out", "Do these show one picture?"],
  conflicts: ["One picture, two labels: both are left out", "One picture, two labels: one of them is left out", "One picture, two labels: which is right?"],
  leaks: "Is the photo a copy of this test picture?",
};
const QUEUES = ["suspects", ...Object.keys(PAIRS)];
const AHEAD = 4;
let about, progress, view, items = [], cursor = 0, grid = null, keyed = [], busy = false, isElsewhere = false;

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const named = (classId) => about.classes[classId] || classId;

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== ""));
  return made;
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; is `rawlabel review` still running? Nothing more is kept.");
  }
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

// One thing at a time: a key pressed before the answer is on the disk and the next question is seen is not taken. The
// address may have changed meanwhile; where it leads is shown then.
async function once(act) {
  if (busy) {
    isElsewhere ||= act === route;
    return;
  }
  busy = true;
  byId("main").setAttribute("aria-busy", "true");
  try {
    await act();
    byId("alarm").textContent = "";
  } catch (error) {
    byId("alarm").textContent = error.message;
  } finally {
    busy = false;
    byId("main").removeAttribute("aria-busy");
  }
  if (isElsewhere) {
    isElsewhere = false;
    await once(route);
  }
}

function picture(source, text) {
  const image = el("img", { src: source, alt: text, decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(el("span", { class: "none" }, "no picture can be shown")));
  return image;
}

const photoAddress = (card, size) => `pictures/${card.row}/${size}`;
const described = (card) => `Photo found for “${card.keyword}”${card.title ? `: ${card.title}` : ""}`;

function button(key, kind, text, act, pressed) {
  keyed.push([key, act]);
  const shown = { ArrowRight: "→", ArrowLeft: "←" }[key] || key.toUpperCase();
  return el("button", {
    type: "button", class: kind, "aria-keyshortcuts": key, "aria-pressed": pressed === undefined ? null : String(pressed),
    onclick: () => once(act),
  }, el("kbd", { "aria-hidden": "true" }, shown), text);
}

function show(...children) {
  byId("main").replaceChildren(...children);
}

function say(text) {
  byId("said").textContent = text;
}

function showProgress() {
  const parts = [`${number(progress.looked_at)} photo${progress.looked_at === 1 ? "" : "s"} looked at`];
  for (const [count, text] of [[progress.dropped, "dropped"], [progress.kept, "kept"], [progress.not_sure, "not sure"]]) {
    if (count) parts.push(`${number(count)} ${text}`);
  }
  byId("progress").textContent = parts.join(" · ");
  const names = [...Object.keys(TABS).filter((name) => name in progress.left), "done"];
  byId("tabs").replaceChildren(...names.map((name) => {
    const left = progress.left[name];
    const count = left === undefined ? "" : el("span", { class: "count" }, number(left), el("span", { class: "unseen" }, " left"));
    return el("li", {}, el("a", { href: `#${name}`, "aria-current": name === view ? "page" : null }, TABS[name], count));
  }));
}

function facts(card) {
  const rows = [
    ["Title", card.title], ["By", card.author], ["License", card.license],
    ["Found", `result ${number(card.result)} for “${card.keyword}”`],
    ["Size", card.width ? `${card.width} × ${card.height}` : ""], ["Left out", card.why],
  ].filter(([, value]) => value);
  const list = el("dl", {}, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  if (card.page) {
    list.append(el("dt", {}, "Source"), el("dd", {}, el("a", { href: card.page, target: "_blank", rel: "noopener noreferrer" }, "the photo's page")));
  }
  return list;
}

// Questions, one at a time.

async function more() {
  const after = items.length ? items[items.length - 1].place : 0;
  const found = await ask(`api/queue/${view}?after=${after}`);
  items.push(...found.questions);
}

async function go(to) {
  cursor = Math.max(0, to);
  if (items.length - cursor < AHEAD) await more();
  showQuestion();
}

function showQuestion() {
  keyed = [];
  const question = items[cursor];
  if (!question) return showEnd();
  for (const next of items.slice(cursor + 1, cursor + 3)) new Image().src = photoAddress(next.photos[0], "large");
  if (view === "suspects") showSuspect(question);
  else showPair(question);
}

function steps() {
  return el("div", { class: "steps" },
    cursor > 0 ? button("ArrowLeft", "", "Back", () => go(cursor - 1)) : null,
    button("ArrowRight", "", "Later", () => go(cursor + 1)),
    button("z", "", "Undo", undo));
}

function showSuspect(question) {
  const card = question.photos[0];
  const label = named(card.class_id);
  const buttons = ANSWERS.map(([answer, text, key]) =>
    button(key, answer, text, () => answerQuestion({ [card.row]: answer }), card.answer === answer));
  show(el("section", { class: "question", "aria-labelledby": "asked" },
    el("div", {},
      el("figure", { class: "photo" }, picture(photoAddress(card, "large"), described(card))),
      el("ul", { class: "strip", "aria-hidden": "true" }, items.slice(cursor + 1, cursor + 8).map((next) =>
        el("li", {}, el("img", { src: photoAddress(next.photos[0], "small"), alt: "" }))))),
    el("div", {},
      el("h2", { id: "asked" }, `Is this ${label}?`),
      question.preferred ? el("p", { class: "hint" }, "To the classifier it looks more like ", el("b", {}, named(question.preferred)), ".")
        : el("p", { class: "hint" }, "The classifier does not contradict the label."),
      el("div", { class: "answers" }, buttons), steps(), facts(card))));
}

function showPair(question) {
  const [one, other] = question.photos;
  const cards = other ? [one, other] : [one];
  const all = (answer) => Object.fromEntries(cards.map((card) => [card.row, answer]));
  const figures = cards.map((card, place) => el("figure", { class: "photo" },
    el("div", { class: "frame" }, picture(photoAddress(card, "large"), described(card))), caption(card, cards.length > 1 ? `${place + 1}. ` : "")));
  if (question.has_file) {
    figures.push(el("figure", { class: "photo" },
      el("div", { class: "frame" }, picture(`test-pictures/${question.place}/large`, "Picture of the test set")),
      el("figcaption", {}, "Test picture", el("small", {}, question.note))));
  }
  const drops = cards.map((card, place) => [card, place]).filter(([card]) => card.verdict === "kept").map(([card, place]) =>
    button(cards.length > 1 ? String(place + 1) : "d", "drop", cards.length > 1 ? `Drop photo ${place + 1}` : question.has_file ? "A copy: drop" : "Drop",
      () => answerQuestion({ ...all("keep"), [card.row]: "drop" })));
  const kept = drops.length;
  if (kept > 1) drops.push(button("b", "drop", "Drop both", () => answerQuestion(all("drop"))));
  show(el("section", { "aria-labelledby": "asked" },
    el("h2", { id: "asked" }, question.has_file ? PAIRS.leaks : PAIRS[view][kept]),
    question.note && !question.has_file ? el("p", { class: "hint" }, question.note) : null,
    el("div", { class: "pair" }, figures),
    el("div", { class: "answers row" },
      button("k", "keep", question.has_file ? "No copy: keep" : kept ? "Leave as it is" : "Seen: go on", () => answerQuestion(all("keep"))), drops,
      button("n", "not_sure", "Not sure", () => answerQuestion(all("not_sure")))),
    steps()));
}

function caption(card, before) {
  const where = [card.title, card.author ? `by ${card.author}` : ""].filter(Boolean).join(" ");
  return el("figcaption", {}, before, named(card.class_id),
    el("small", {}, card.why ? `left out: ${card.why}` : "kept"), where ? el("small", {}, where) : null);
}

async function answerQuestion(answers) {
  const question = items[cursor];
  progress = await ask("api/answers", { id: newId(), view, answers });
  for (const card of question.photos) card.answer = answers[card.row];
  const [first] = Object.values(answers);
  await go(cursor + 1);
  showProgress();
  const next = items[cursor];
  say(`${SAID[first]}. ${next ? `Next: ${byId("asked") ? byId("asked").textContent : ""}` : "Nothing is left here."}`);
}

async function undo() {
  const { undone, progress: now } = await ask("api/undo", { id: newId() });
  progress = now;
  if (!undone) say("There is nothing to take back.");
  else if (undone.view === view && QUEUES.includes(view) && undone.place !== null) {
    await backTo(undone);
    say(`Taken back. ${byId("asked") ? byId("asked").textContent : ""}`);
  } else if (grid && grid.cards.some((card) => undone.rows.includes(card.row))) {
    for (const card of grid.cards) if (undone.rows.includes(card.row)) card.answer = null;
    showGrid();
    say("Taken back.");
  } else if (undone.place !== null && QUEUES.includes(undone.view)) {
    history.replaceState(null, "", `#${undone.view}`);
    await start(undone.view, undone.place - 1);
    say("Taken back.");
  } else {
    say(`Taken back: ${undone.rows.length} answer${undone.rows.length === 1 ? "" : "s"} of an earlier page.`);
  }
  showProgress();
}

async function backTo(undone) {
  const place = items.findIndex((question) => question.place === undone.place);
  if (place < 0) return start(view, undone.place - 1);
  for (const card of items[place].photos) card.answer = null;
  return go(place);
}

function showEnd() {
  const skipped = progress.left[view];
  show(el("div", { class: "empty" },
    el("h2", { id: "asked" }, skipped ? "The end of the list" : "Nothing is left here"),
    skipped ? el("p", {}, `${number(skipped)} without an answer.`) : el("p", {}, "Every one has an answer."),
    el("div", { class: "answers" },
      skipped ? button("Enter", "", "Begin with them again", () => start(view)) : null,
      el("p", {}, el("a", { href: "#done" }, "What becomes of the answers"))),
    steps()));
}

// Pages of photos.

async function showClasses() {
  const rows = await ask("api/classes");
  show(el("h2", {}, "Classes"), el("ul", { class: "list" }, rows.map((row) => el("li", {},
    el("a", { href: `#classes/${encodeURIComponent(row.class_id)}` }, named(row.class_id),
      el("small", {}, `${number(row.kept)} kept, ${number(row.answered)} with an answer`))))));
}

async function showGroups() {
  const rows = await ask("api/groups");
  show(el("h2", {}, "Off topic"),
    el("p", { class: "hint" }, "Photos of one label that are doubted for the same reason, so that many can be kept or dropped at a glance."),
    rows.length ? el("ul", { class: "list" }, rows.map((row) => el("li", {}, el("a", { href: `#groups/${row.place}` },
      `${named(row.class_id)}, ${row.preferred ? `like ${named(row.preferred)}` : "like none of the classes"}`,
      el("small", {}, `${number(row.photos)} photos${row.found_by ? ` ${row.found_by}` : ""}, ${number(row.answered)} with an answer`)))))
      : el("p", { class: "hint" }, "Every group has its answers."));
}

async function openGrid(address, title, back, after) {
  const found = await ask(address + (after === undefined ? "" : `${address.includes("?") ? "&" : "?"}after=${after}`));
  const before = grid && grid.address === address ? [...grid.before, grid.after] : [];
  grid = { address, title, back, cards: found.photos, after, next: found.after, total: found.total, before };
  showGrid();
}

function showGrid(focus = 0) {
  keyed = [];
  const rest = grid.cards.filter((card) => !card.answer);
  const isGroup = view === "groups";
  show(el("div", { class: "head" },
    el("div", {}, el("h2", { id: "asked" }, grid.title()),
      el("p", { class: "hint" }, `${number(grid.total)} kept photos. Press on those that are wrong.`)),
    el("a", { href: grid.back }, isGroup ? "All groups" : "All classes")),
  el("ul", { class: "grid" }, grid.cards.map((card, place) => el("li", {}, tile(card, place)))),
  el("div", { class: "answers row" },
    button("a", "keep", rest.length ? `The other ${number(rest.length)} are right` : "Next page", () => answerRest(rest, "keep")),
    isGroup && rest.length ? button("x", "drop", `Drop the other ${number(rest.length)}`, () => answerRest(rest, "drop")) : null),
  el("div", { class: "steps" },
    grid.before.length ? button("PageUp", "", "Page before", pageBefore) : null,
    grid.next !== null ? button("PageDown", "", "Page after", () => openGrid(grid.address, grid.title, grid.back, grid.next)) : null,
    button("z", "", "Undo", undo)));
  keyed.push(["d", () => answerTile("drop")], ["k", () => answerTile("keep")], ["n", () => answerTile("not_sure")]);
  const tiles = document.querySelectorAll(".tile");
  if (tiles.length && document.activeElement === document.body) tiles[Math.min(focus, tiles.length - 1)].focus();
}

function tile(card, place) {
  const text = `${described(card)}${card.answer ? `, ${SAID[card.answer]}` : ""}`;
  const made = el("button", { type: "button", class: "tile", "data-place": place, "data-answer": card.answer,
    "aria-pressed": String(card.answer === "drop"),
    onclick: () => once(() => answerOne(place, grid.cards[place].answer === "drop" ? "keep" : "drop")) },
  picture(photoAddress(card, "small"), text),
  card.answer ? el("span", { class: `mark ${card.answer}`, "aria-hidden": "true" }, SAID[card.answer]) : null);
  return made;
}

async function answerTile(answer) {
  const place = document.activeElement.dataset.place;
  if (place !== undefined) await answerOne(Number(place), answer);
}

async function answerOne(place, answer) {
  const card = grid.cards[place];
  progress = await ask("api/answers", { id: newId(), view, answers: { [card.row]: answer } });
  card.answer = answer;
  document.activeElement.blur();
  showGrid(place);
  showProgress();
  say(`${SAID[answer]}.`);
}

async function answerRest(rest, answer) {
  if (rest.length) {
    progress = await ask("api/answers", {
      id: newId(), view, answers: Object.fromEntries(rest.map((card) => [card.row, answer])),
    });
    for (const card of rest) card.answer = answer;
  }
  showProgress();
  if (grid.next !== null) await openGrid(grid.address, grid.title, grid.back, grid.next);
  else if (rest.length) showGrid();
  else window.location.hash = grid.back;
  say(rest.length ? `${number(rest.length)} ${SAID[answer]}.` : "Next page.");
}

async function pageBefore() {
  const before = grid.before.slice(0, -1), after = grid.before[grid.before.length - 1];
  await openGrid(grid.address, grid.title, grid.back, after);
  grid.before = before;
  showGrid();
}

function moveFocus(step) {
  const tiles = [...document.querySelectorAll(".tile")];
  const place = tiles.indexOf(document.activeElement);
  if (!tiles.length) return;
  const columns = getComputedStyle(document.querySelector(".grid")).gridTemplateColumns.split(" ").length;
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[step];
  tiles[Math.min(tiles.length - 1, Math.max(0, place < 0 ? 0 : place + by))].focus();
}

// What becomes of it.

function showDone() {
  show(el("div", { class: "empty" },
    el("h2", { id: "asked" }, progress.looked_at ? "What becomes of the answers" : "Nothing has an answer yet"),
    el("p", {}, `${number(progress.dropped)} to drop, ${number(progress.kept)} to keep, ${number(progress.not_sure)} not sure. `
      + "They are kept in a file of the project; nothing is left out, and no label is edited, until this is run:"),
    el("code", { class: "command" }, about.next_command),
    el("div", { class: "answers" }, button("z", "", "Undo the newest answer", undo))));
}

async function start(name, after = 0) {
  view = name;
  items = [];
  cursor = 0;
  grid = null;
  keyed = [];
  if (QUEUES.includes(view)) {
    items = (await ask(`api/queue/${view}?after=${Math.max(0, after)}`)).questions;
    showQuestion();
  } else if (view === "classes") await showClasses();
  else if (view === "groups") await showGroups();
  else showDone();
}

async function route() {
  const [name, rest] = decodeURIComponent(window.location.hash.slice(1)).split(/\/(.*)/s);
  const wanted = name in TABS && (name === "done" || name in progress.left) ? name
    : Object.keys(TABS).find((one) => progress.left[one]) || "done";
  if (rest && (wanted === "classes" || wanted === "groups")) {
    view = wanted;
    grid = null;
    if (wanted === "classes") await openGrid(`api/class?name=${encodeURIComponent(rest)}`, () => `Is each of these ${named(rest)}?`, "#classes");
    else await openGrid(`api/groups/${rest}`, () => `Do these belong to ${grid.cards.length ? named(grid.cards[0].class_id) : "the class"}?`, "#groups");
  } else await start(wanted);
  showProgress();
  window.scrollTo(0, 0);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.key.length === 1 && !byId("keys").checked) return;
  if (grid && event.key.startsWith("Arrow")) {
    event.preventDefault();
    moveFocus(event.key);
    return;
  }
  const isControl = /^(BUTTON|A)$/.test(event.target.tagName);
  if (event.key === "Enter" && isControl) return;
  const found = keyed.find(([key]) => key === event.key || key === event.key.toLowerCase());
  if (!found || event.repeat) return;
  event.preventDefault();
  once(found[1]);
}

once(async () => {
  const told = await ask("api/about");
  about = told.shown;
  progress = told.progress;
  document.addEventListener("keydown", press);
  window.addEventListener("hashchange", () => once(route));
  await route();
});
