"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const viewer = document.querySelector("#viewer");
  document.documentElement.classList.add("js");
  const title = viewer && viewer.querySelector("h2"), body = viewer && viewer.querySelector(".viewer-body");
  const make = (name, text, className) => {
    const element = document.createElement(name);
    if (text) element.textContent = text;
    if (className) element.className = className;
    return element;
  };
  const tilesWhere = test => {
    const seen = new Set();
    return all(".tile[data-kind]").filter(tile => {
      const picture = tile.querySelector("img"), key = picture ? picture.src + tile.dataset.kind : tile;
      if (viewer.contains(tile) || !test(tile.dataset) || seen.has(key)) return false;
      return seen.add(key);
    });
  };
  const add = (heading, tiles, most = 120) => {
    if (!tiles.length) return;
    if (heading) body.append(make("h3", heading));
    const list = make("ul", "", "tiles");
    const some = from => tiles.slice(from, from + most).forEach(tile => list.append(tile.cloneNode(true)));
    some(0);
    body.append(list);
    if (tiles.length > most) {
      const more = make("button", `show all ${tiles.length}`, "more");
      more.type = "button";
      more.addEventListener("click", () => { for (let i = most; i < tiles.length; i += most) some(i); more.remove(); });
      body.append(more);
    }
  };
  const show = (heading, fill) => {
    title.textContent = heading;
    body.replaceChildren();
    fill();
    if (!body.children.length) body.append(make("p", "None of these photos is on this page."));
    viewer.showModal();
    viewer.scrollTop = 0;
    title.focus();
  };
  const inGroup = (data, group) =>
    !group || data.group === group || data.verdict === group || (group === "fetched" && data.verdict !== "failed");
  const counts = button => {
    const { cls, group, count } = button.dataset, wanted = data => (!cls || data.cls === cls) && inGroup(data, group);
    const tiles = tilesWhere(data => data.kind === "photo" && wanted(data));
    show(button.dataset.title, () => {
      const rest = all(".rest a").filter(link => wanted(link.dataset));
      if (tiles.length < Number(count)) {
        body.append(make("p", `${tiles.length} of ${Number(count).toLocaleString("en")} are on this page` +
          (rest.length ? "; all of them:" : "."), "soft"));
        const list = make("ul", "", "rest");
        rest.slice(0, 60).forEach(link => list.append(make("li")) || list.lastChild.append(link.cloneNode(true)));
        if (rest.length) body.append(list);
      }
      add("", tiles);
    });
  };
  const card = button => {
    const cls = button.dataset.card, row = button.closest("tr");
    show(cls, () => {
      body.append(make("p", row.dataset.summary));
      add("Its test photos that were taken for another class", tilesWhere(d => d.kind === "test" && d.true === cls));
      add("Training photos that look most like these",
        tilesWhere(d => d.kind === "responsible" && d.true === cls));
      add("Groups of photos with its label that look like something else",
        tilesWhere(d => d.kind === "group" && d.label === cls));
      add("Photos labeled otherwise that look like it", tilesWhere(d => d.kind === "suspect" && d.like === cls));
      add("Photos with its label that look like another class", tilesWhere(d => d.kind === "suspect" && d.label === cls));
      add("A random sample of its photos",
        tilesWhere(d => d.kind === "photo" && d.cls === cls && d.verdict === "kept").slice(0, 24));
    });
  };
  const cell = button => {
    const { true: from, predicted: to } = button.dataset;
    show(`${from} → ${to}`, () => {
      body.append(make("p", button.getAttribute("aria-label"), "soft"));
      add(`Test photos of ${from} taken for ${to}`,
        tilesWhere(d => d.kind === "test" && d.true === from && d.predicted === to));
      add(`Training photos labeled ${to} that look most like them`,
        tilesWhere(d => d.kind === "responsible" && d.true === from && d.predicted === to));
      add(`Photos labeled ${to} that look like ${from}`,
        tilesWhere(d => d.kind === "suspect" && d.label === to && d.like === from));
    });
  };
  document.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button || !viewer) return;
    if (button.dataset.count) counts(button);
    else if (button.dataset.card) card(button);
    else if (button.dataset.predicted) cell(button);
    else if (button.matches(".close")) viewer.close();
  });
  if (viewer) viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
  const value = cell => {
    const text = cell.textContent.trim(), number = parseFloat(text.replace(/[,\s]/g, ""));
    return Number.isNaN(number) ? text : number;
  };
  all("table.sortable").forEach(table => all("thead th", table).forEach((head, column) => {
    if (head.matches(".picture")) return;
    const button = make("button", head.textContent, "sort");
    button.type = "button";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending", rows = all("tbody tr:not(.total)", table);
      all("th[aria-sort]", table).forEach(one => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.map((row, i) => [value(row.cells[column]), i, row]).sort((a, b) => {
        const order = typeof a[0] === "number" && typeof b[0] === "number" ? a[0] - b[0] : String(a[0]).localeCompare(b[0]);
        return (down ? -order : order) || a[1] - b[1];
      }).forEach(([, , row], i) => table.tBodies[0].insertBefore(row, table.tBodies[0].rows[i]));
    });
  }));
})();
