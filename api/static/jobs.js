// Trainings: the one that is watched, with its candidates as they arrive, and the list of all.
import { curve, isLower } from "./curve.js";
import { $, figure, inMlflow, make, note, refusal, show, t, table, waiting } from "./dom.js";
import { askJson, opened, trying } from "./server.js";

const FINAL = ["FINISHED", "FAILED", "KILLED"];
const SHOWN = 20;
const POLL_MS = 1000;
let watched = 0; // number of the watch; an older one stops

export async function jobs() {
  await trying("jobs", async () => {
    const [{ jobs: found }, { datasets }] = await Promise.all([askJson("/jobs"), askJson("/datasets")]);
    if (!found.length) return show("jobs", waiting(t("jobs.none")));
    const known = new Map(datasets.map((one) => [one.dataset_id, one]));
    return show("jobs", table(t("jobs.title"), [[t("jobs.started")], [t("jobs.what")], [t("jobs.status")], [t("jobs.version")], [t("versions.actions")]],
      found.slice(0, SHOWN).map((job) => {
        const dataset = known.get(job.parameters.dataset);
        const started = new Date(job.created_at_ms).toLocaleString();
        const rows = dataset ? make("small", {}, t("jobs.rows", dataset.rows)) : null;
        return [started, make("span", {}, job.parameters.target || (dataset && dataset.target) || t("none"), rows), job.status, job.version || t("none"),
          make("button", { class: "quiet", type: "button", "aria-label": t("jobs.show_of", { started }), onclick: () => watch(job.job_id) }, t("jobs.show"))];
      })));
  });
}

function searched(search) {
  const count = search.of ? t("job.candidates.of", search) : search.done === 1 ? t("job.candidates.one") : t("job.candidates", search);
  const best = search.best === null ? null : t("job.best", { metric: search.metric, best: figure(search.best), candidate: search.best_candidate });
  const left = search.seconds_left === null ? null : t("job.left", { seconds: Math.round(search.seconds_left) });
  return `${[search.candidate ? t("job.last", { count, candidate: search.candidate }) : count, best, left].filter(Boolean).join("; ")}.`;
}

// The best first, by the figure that decides; what did not come to an end is told apart, and opened on request.
function candidates(job) {
  const metric = `cv_${job.search ? job.search.metric : "log_loss"}`;
  const sign = isLower(metric.slice(3)) ? 1 : -1;
  const isDone = (one) => typeof one.metrics[metric] === "number";
  const done = job.candidates.filter(isDone).sort((one, other) => sign * (one.metrics[metric] - other.metrics[metric]));
  const names = [...new Set([metric, ...done.flatMap((one) => Object.keys(one.metrics))])].filter((name) => name === metric || /^cv_(roc_auc|log_loss|accuracy)$/.test(name));
  const others = job.candidates.filter((one) => !isDone(one));
  return [
    done.length ? table(t("job.candidate"), [[t("job.candidate")], ...names.map((name) => [name.slice(3), "figure"]), [t("job.took"), "figure"], [t("job.row"), "figure"], [t("job.size"), "figure"]],
      done.map((one) => [one.name || one.model || "", ...names.map((name) => figure(one.metrics[name])), figure(one.seconds), figure(one.latency_ms), one.size_bytes ? figure(one.size_bytes / 1000) : t("none")])) : null,
    others.length ? make("details", { open: wasOpen() }, make("summary", {}, t("job.others", { count: others.length })),
      table(t("job.others", { count: others.length }), [[t("job.candidate")], [t("job.state")], [t("job.took"), "figure"]],
        others.map((one) => [one.name || one.model || "", one.stopped ? make("span", { title: one.stopped }, t("job.behind")) : one.status, figure(one.seconds)]))) : null,
  ];
}

// Whether somebody has opened the list: it is made anew every second.
function wasOpen() {
  const before = document.querySelector("#job details");
  return before && before.open ? "" : null;
}

function showJob(job) {
  const isOver = FINAL.includes(job.status);
  const seconds = Math.round(((job.ended_at_ms || Date.now()) - job.created_at_ms) / 1000);
  const said = t(`job.status.${job.status}`, { step: job.step || t("job.starting") });
  show("job",
    make("p", { role: "status" }, t("job.seconds", { said, seconds })),
    make("progress", { max: 1, value: job.progress, "aria-label": t("job.progress") }),
    job.search ? waiting(searched(job.search)) : null,
    make("div", { class: "row" },
      isOver ? null : make("button", { class: "quiet", type: "button", onclick: (event) => cancel(job.job_id, event.target) }, t("job.cancel")),
      job.report_url ? opened(t("job.report"), job.report_url, "report.html") : null,
      opened(t("job.output"), `/jobs/${job.job_id}/log`, "log.txt"),
      inMlflow(t("job.mlflow"), `experiments/${job.experiment_id}/runs/${job.job_id}`),
      inMlflow(t("job.experiment"), `experiments/${job.experiment_id}`)),
    ...refusal(job.problems),
    job.version ? note("ok", job.promoted ? t("job.registered", job) : t("job.not_promoted", { version: job.version, decision: (job.decision || "").replaceAll("_", " ") })) : null,
    curve(job),
    ...candidates(job));
}

// What is done after a watched job has ended: the rest of the page changes with it.
let ended = async () => {};
export function whenEnded(work) {
  ended = work;
}

export async function watch(id) {
  const mine = ++watched;
  $("job-section").hidden = false;
  $("job-title").scrollIntoView({ block: "start" });
  while (mine === watched) {
    const job = await trying("job", () => askJson(`/jobs/${id}`));
    if (mine !== watched) return;
    if (job) {
      redraw(job);
      if (FINAL.includes(job.status)) return void (await ended());
    }
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
  }
}

// The focus stays where it was, by the text of what had it: the button to cancel must not run away from the keyboard.
function redraw(job) {
  const had = $("job").contains(document.activeElement) ? document.activeElement.textContent : null;
  showJob(job);
  if (had !== null) (Array.from($("job").querySelectorAll("button, a")).find((each) => each.textContent === had) || $("job-title")).focus();
}

async function cancel(id, button) {
  button.disabled = true;
  await trying("job", () => askJson(`/jobs/${id}/cancel`, { method: "POST" }));
}
