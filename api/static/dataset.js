// Two files become a dataset: its columns, their kinds, which can be changed, and what the checks have found.
import { $, figure, make, note, option, show, t, table, waiting } from "./dom.js";
import { askJson, trying } from "./server.js";

const SHOWN_ROWS = 3;
let sent = null; // the two files, to be checked again with other kinds
const chosen = new Map(); // what was changed by hand: a kind, or "ignore", by column

// The same as /train takes it.
export function changed() {
  const kinds = Object.fromEntries([...chosen].filter(([, kind]) => kind !== "ignore"));
  return { kinds, ignore: [...chosen.keys()].filter((column) => chosen.get(column) === "ignore") };
}

// A list in one text, as spreadsheets write a line: what has a comma of its own stands in quotes.
const listed = (parts) => parts.map((part) => (/[",\n]|^\s|\s$/.test(part) ? `"${part.replaceAll('"', '""')}"` : part)).join(",");

export async function upload(form) {
  const data = new FormData(form);
  if (!data.get("target")) data.delete("target");
  sent = data;
  chosen.clear();
  $("train-section").hidden = true;
  show("dataset", waiting(t("upload.sending")));
  await check();
}

async function check() {
  const data = new FormData();
  const { kinds, ignore } = changed();
  for (const [name, value] of sent.entries()) data.append(name, value);
  if (Object.keys(kinds).length) data.append("kinds", listed(Object.entries(kinds).map(([column, kind]) => `${column}:${kind}`)));
  if (ignore.length) data.append("ignore", listed(ignore));
  const dataset = await askJson("/upload", { method: "POST", body: data });
  const seen = await askJson(`/datasets/${dataset.dataset_id}/preview`);
  showDataset(dataset, seen.rows.slice(0, SHOWN_ROWS));
}

function showDataset(dataset, rows) {
  const checks = dataset.checks.filter((one) => one.level !== "ok");
  const hint = make("div", { hidden: "" }, make("p", {}, t("dataset.changed")),
    make("button", { class: "quiet", type: "button", onclick: again }, t("dataset.again")), make("div", { id: "checked" }));
  const changing = (event) => {
    const { column } = event.target.dataset;
    if (event.target.value) chosen.set(column, event.target.value);
    else chosen.delete(column);
    hint.hidden = false;
  };
  show("dataset",
    note("ok", t("dataset.size", { train: dataset.rows.train, test: dataset.rows.test, columns: dataset.columns.length })),
    ...checks.map((one) => note(one.level, make("p", {}, make("span", { class: `level ${one.level}` }, `${one.level} `), one.what), one.fix)),
    table(t("upload.title"), [[t("dataset.column")], [t("dataset.kind")], [t("dataset.missing"), "figure"], [t("dataset.first")], [t("dataset.why")]],
      dataset.columns.map((column) => [column.name, chooser(column, dataset.target, changing), t("percent", { value: figure(100 * column.missing) }),
        rows.map((row) => row[column.name] ?? t("none")).join(" · "), column.read ? column.reason || "" : t("dataset.left_out", { reason: column.reason || "" })])),
    hint);
  $("dataset-id").value = dataset.dataset_id;
  const names = [dataset.target, ...dataset.targets].filter((name, at, all) => name && all.indexOf(name) === at);
  $("train-target").replaceChildren(...names.map((name) => option(name, name)));
  $("train-section").hidden = false;
}

// What is shown stays where the files are refused with what was changed.
async function again(event) {
  event.target.disabled = true;
  show("checked", waiting(t("upload.sending")));
  await trying("checked", check);
  event.target.disabled = false;
}

// The kind of a column, to be changed; the target's is what it is.
function chooser(column, target, changing) {
  if (column.name === target) return column.kind;
  const kinds = document.querySelector("main").dataset.kinds.split(" ");
  const now = chosen.get(column.name) || "";
  const select = make("select", { "aria-label": t("dataset.kind_of", { column: column.name }), onchange: changing },
    option("", now ? t("none") : t("dataset.found", { kind: column.kind }), now === ""),
    ...kinds.map((kind) => option(kind, kind, kind === now)), option("ignore", t("dataset.ignore"), now === "ignore"));
  select.dataset.column = column.name;
  return select;
}
