// Elements made of texts. Nothing here, or anywhere in these modules, reads HTML out of a text.
const TEXTS = JSON.parse(document.getElementById("texts").textContent);
const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

// A text of the page by its key, with what it says in the places of its {names}.
export function t(key, values = {}) {
  if (!(key in TEXTS)) throw new Error(`no text ${key}`);
  return TEXTS[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

function filled(element, options, children) {
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const make = (name, options = {}, ...children) => filled(document.createElement(name), options, children);
export const draw = (name, options = {}, ...children) => filled(document.createElementNS(SVG, name), options, children);

export function show(id, ...children) {
  $(id).replaceChildren(...children.filter(Boolean));
}

export function figure(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : t("none");
}

export function bounded(metrics, name) {
  const [low, high] = [metrics[`${name}_low`], metrics[`${name}_high`]];
  return figure(metrics[name]) + (low === undefined ? "" : t("bounds", { low: figure(low), high: figure(high) }));
}

// The names of the figures on the test file: those that a search can be decided by first, in the form's order.
export function judged(metrics) {
  const order = Array.from($("metric").options, (option) => `test_${option.value}`);
  const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.keys(metrics).filter((name) => name.startsWith("test_") && !/_(low|high)$/.test(name))
    .sort((one, other) => place(one) - place(other) || one.localeCompare(other));
}

// Headings are [text, class]; the first cell of a row is its heading. Wide tables scroll, also by keys.
export function table(label, headings, rows) {
  const head = make("tr", {}, ...headings.map(([text, kind]) => make("th", { scope: "col", class: kind }, text)));
  const body = rows.map((row) => make("tr", {}, ...row.map((cell, at) =>
    at === 0 ? make("th", { scope: "row" }, cell) : make("td", { class: headings[at][1] }, cell))));
  return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
    make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

export function note(level, ...lines) {
  const role = level === "refused" ? "alert" : null;
  return make("div", { class: `note ${level}`, role }, ...lines.map((line) => (typeof line === "string" ? make("p", {}, line) : line)));
}

export function refusal(problems) {
  return problems.map((problem) => note("refused",
    make("p", {}, make("span", { class: "level refused" }, t("refused")), `${problem.what} `, make("span", { class: "muted" }, t("refused.in", { where: problem.where }))),
    make("p", {}, problem.fix)));
}

export const waiting = (text) => make("p", { class: "muted" }, text);
export const option = (value, text, selected = false) => make("option", { value, selected: selected ? "" : null }, text);

// An address in MLflow's own pages; nothing where nobody has said where they are (CRISOL_MLFLOW_URL).
export function inMlflow(text, path) {
  const base = document.querySelector("main").dataset.mlflow;
  return base ? make("a", { href: `${base}/#/${path}`, target: "_blank", rel: "noopener" }, text) : null;
}
