// The champion, all versions, two of them side by side, and the change from one champion to another.
import { $, bounded, figure, inMlflow, judged, make, note, option, refusal, show, t, table, waiting } from "./dom.js";
import { askJson, problemsOf, trying } from "./server.js";

const COLUMNS = ["test_roc_auc", "test_log_loss"]; // of the list; all figures stand in the comparison
let known = [];
let moved = async () => {};

export function whenMoved(work) {
  moved = work;
}

export async function champion() {
  try {
    const model = await askJson("/model");
    const names = judged(model.metrics);
    show("champion",
      make("p", {}, t("champion.is", { version: model.version, name: model.name, target: model.target.name, classes: model.target.classes.join(", "), reason: model.reason || "" })),
      names.length ? table(t("champion.figures"), [[t("champion.figures")], [t("champion.value"), "figure"]], names.map((name) => [name.slice(5), bounded(model.metrics, name)])) : null,
      inMlflow(t("champion.mlflow"), `models/${encodeURIComponent(model.name)}/versions/${model.version}`));
  } catch (error) {
    const problems = problemsOf(error);
    if (problems.some((problem) => problem.code === "no_champion")) show("champion", make("p", {}, t("champion.none")));
    else show("champion", ...refusal(problems));
  }
}

// The figures that both versions have, for somebody who is about to exchange them.
function difference(now, then) {
  const names = judged(then.metrics).filter((name) => now && name in now.metrics);
  return names.map((name) => t("versions.differ", { figure: name.slice(5), now: bounded(now.metrics, name), then: bounded(then.metrics, name) })).join("\n");
}

async function promote(next, now, button) {
  const question = now ? t("versions.ask_in_place", { version: next.version, now: now.version }) : t("versions.ask", next);
  if (!window.confirm([question, difference(now, next)].filter(Boolean).join("\n\n"))) return;
  button.disabled = true;
  show("moved", waiting(t("versions.checking")));
  const done = await trying("moved", () => askJson(`/models/${next.version}/promote`, { method: "POST" }));
  button.disabled = false;
  if (!done) return;
  show("moved", note("ok", done.reason), ...done.warnings.map((warning) => note("warning", warning)));
  await moved();
}

export async function versions() {
  await trying("versions", async () => {
    known = (await askJson("/models")).models;
    $("compare-part").hidden = known.length < 2;
    if (!known.length) return show("versions", waiting(t("versions.none")));
    const now = known.find((one) => one.aliases.includes("champion"));
    const names = COLUMNS.filter((name) => known.some((one) => name in one.metrics));
    offer(now);
    return show("versions", table(t("versions.title"), [[t("versions.version")], [t("versions.known")], [t("versions.actions")], [t("versions.registered")], [t("versions.decision")], ...names.map((name) => [name.slice(5), "figure"])],
      known.map((one) => [one.version, one.aliases.join(", ") || t("none"),
        one === now ? t("none") : make("button", { class: "quiet", type: "button", onclick: (event) => promote(one, now, event.target) }, t("versions.make", one)),
        new Date(one.created_at_ms).toLocaleString(), make("span", { title: one.reason || "" }, (one.decision || t("none")).replaceAll("_", " ")),
        ...names.map((name) => bounded(one.metrics, name))])));
  });
}

// The newest version beside the champion, until somebody chooses others.
function offer(now) {
  if (known.length < 2) return;
  const other = now && now !== known[0] ? now : known[1];
  const fill = (id, chosen) => {
    const kept = known.find((one) => one.version === $(id).value) || chosen;
    $(id).replaceChildren(...known.map((one) => option(one.version, t("compare.version", one), one === kept)));
  };
  fill("compare-one", known[0]);
  fill("compare-other", other);
  compare();
}

export function compare() {
  const [one, other] = ["compare-one", "compare-other"].map((id) => known.find((each) => each.version === $(id).value));
  if (!one || !other) return;
  const names = [...new Set([...judged(one.metrics), ...judged(other.metrics)])];
  const less = (name) => (name in one.metrics && name in other.metrics ? figure(one.metrics[name] - other.metrics[name]) : t("none"));
  const runs = [one, other].map((each) => each.evaluation_run_id).filter(Boolean);
  show("compared", table(t("compare.title"), [[t("compare.figure")], [t("compare.version", one), "figure"], [t("compare.version", other), "figure"], [t("compare.difference"), "figure"]],
    names.map((name) => [name.slice(5), bounded(one.metrics, name), bounded(other.metrics, name), less(name)])),
  make("p", { class: "muted" }, t("compare.note")),
  runs.length === 2 ? inMlflow(t("compare.mlflow"), `compare-runs?runs=${encodeURIComponent(JSON.stringify(runs))}`) : null);
}
