// Questions to the champion: one row from a form that its schema makes, or a whole file.
import { $, figure, make, note, option, show, t, table, waiting } from "./dom.js";
import { ask, askJson, save, send } from "./server.js";

const MOST_CHOICES = 50; // categories of a select; more are typed
const EXPLAINED = 5;

// One field for each column that the champion reads, filled with an example.
export async function oneRow() {
  try {
    const [schema, api] = await Promise.all([askJson("/schema"), askJson("/openapi.json")]);
    const example = api.paths["/predict"].post.requestBody.content["application/json"].example[0];
    show("fields", ...schema.columns.map((column, at) => field(column, `field-${at}`, example[column.name] ?? "")));
    $("row-section").hidden = false;
  } catch {
    $("row-section").hidden = true; // without a champion there is nothing to ask; its own section says why
  }
}

function field(column, id, value) {
  const range = column.minimum === null ? column.kind : t("row.range", { kind: column.kind, low: column.minimum, high: column.maximum });
  const choices = column.kind === "boolean" ? ["true", "false"] : column.kind === "category" && column.categories.length <= MOST_CHOICES ? column.categories : null;
  const about = { id, "aria-describedby": `${id}-hint` };
  const input = choices
    ? make("select", about, option("", ""), ...choices.map((text) => option(text, text, text === String(value))))
    : make("input", { ...about, value: String(value), autocomplete: "off", inputmode: column.kind === "number" ? "decimal" : null });
  input.dataset.column = column.name;
  return make("div", { class: "field" }, make("label", { for: id }, column.name), input, make("p", { class: "hint", id: `${id}-hint` }, range));
}

function explained(answer) {
  const rows = [];
  for (let at = 1; `explanation_${at}_column` in answer; at += 1)
    rows.push([answer[`explanation_${at}_column`], figure(answer[`explanation_${at}_contribution`])]);
  rows.push([t("row.others"), figure(answer.explanation_others)]);
  const why = t("row.why", answer);
  return table(why, [[why], [t("row.adds"), "figure"]],
    [[t("row.base"), figure(answer.explanation_base)], ...rows, [t("row.together"), figure(answer.probability)]]);
}

export async function answerRow(form) {
  const row = {};
  for (const input of form.querySelectorAll("[data-column]")) row[input.dataset.column] = input.value === "" ? null : input.value;
  const said = await send(`/predict?explain=${EXPLAINED}`, [row]);
  const [answer] = said.predictions;
  const classes = Object.keys(answer).filter((name) => name.startsWith("probability_"));
  show("row-answer",
    note("ok", t("row.said", { prediction: answer.prediction, probability: figure(answer.probability), version: said.model.version })),
    ...said.warnings.map((warning) => note("warning", warning.what)),
    table(t("row.probability"), [[t("row.class")], [t("row.probability"), "figure"]], classes.map((name) => [name.slice("probability_".length), figure(answer[name])])),
    explained(answer));
}

export async function answerFile() {
  const file = $("rows").files[0];
  const threshold = $("threshold").value;
  const type = file.name.toLowerCase().endsWith(".parquet") ? "application/vnd.apache.parquet" : "text/csv";
  show("answers", waiting(t("predict.working")));
  const path = `/predict${threshold ? `?threshold=${encodeURIComponent(threshold)}` : ""}`;
  const answer = await ask(path, { method: "POST", headers: { "Content-Type": type, Accept: "text/csv" }, body: file });
  const text = await answer.text();
  const unusual = answer.headers.get("X-Crisol-Warnings");
  show("answers",
    note("ok", t("predict.done", { rows: text.split("\n").length - 2, version: answer.headers.get("X-Crisol-Model-Version") })),
    unusual ? note("warning", t("predict.unusual", { counts: unusual.replaceAll("_", " ").replaceAll("=", " ") })) : null,
    save(new Blob([text], { type: "text/csv" }), "predictions.csv"));
}
