// Heads of tables of the class "sort" become buttons that order the rows: one way, the other, as they came.
// Without scripts they stay heads. Only the first body is ordered: averages stand below it.
"use strict";
const BEGINS = /^(?:below |< )?([+\u2212-]?\d[\d\u202f]*(?:\.\d+)?(?:e[+-]?\d+)?)/i;
const NEXT = { none: ["descending", "ascending"], descending: ["ascending", "none"], ascending: ["none", "descending"] };

function textOf(cell) {
  const parts = [...cell.childNodes].filter((node) => node.nodeName !== "SMALL");
  return parts.map((node) => node.textContent).join(" ").trim();
}

function numberOf(cell) {
  if (cell.dataset.value) return Number(cell.dataset.value);
  const found = BEGINS.exec(textOf(cell));
  return found ? Number(found[1].replace(/\u202f/g, "").replace("\u2212", "-")) : NaN;
}

function order(rows, at, way) {
  if (way === "none") return rows;
  const isSaid = (row) => !["", "not defined", "not kept"].includes(textOf(row.cells[at]));
  const said = rows.filter(isSaid);
  const areNumbers = said.every((row) => !Number.isNaN(numberOf(row.cells[at])));
  const sign = way === "ascending" ? 1 : -1;
  said.sort((one, other) => {
    const [a, b] = [one.cells[at], other.cells[at]];
    const by = areNumbers ? numberOf(a) - numberOf(b) : textOf(a).localeCompare(textOf(b), undefined, { numeric: true });
    return sign * by;
  });
  return [...said, ...rows.filter((row) => !isSaid(row))];
}

function makeSortable(table) {
  const body = table.tBodies[0];
  const asTheyCame = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  for (const [at, head] of heads.entries()) {
    if (head.classList.contains("scale") || asTheyCame.length < 2) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isFigure = head.classList.contains("figure");
      const way = NEXT[head.getAttribute("aria-sort") || "none"][isFigure ? 0 : 1];
      for (const each of heads) each.removeAttribute("aria-sort");
      if (way !== "none") head.setAttribute("aria-sort", way);
      body.append(...order(asTheyCame, at, way));
    });
  }
}

// A frame is a stop of the keyboard only while there is something to scroll to.
const frames = new ResizeObserver((changes) => {
  for (const { target } of changes) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
});
for (const frame of document.querySelectorAll(".scroll")) frames.observe(frame);
for (const table of document.querySelectorAll("table.sort")) makeSortable(table);
