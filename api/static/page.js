// The page: asks the server's routes and shows what they answer. Texts go in as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const FINAL = ["FINISHED", "FAILED", "KILLED"];
const POLL_MS = 1000;
let uploaded = null; // what /upload has answered
let watched = 0; // number of the watch; an older one stops

function make(name, options = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function show(id, ...children) {
  $(id).replaceChildren(...children.filter(Boolean));
}

function figure(value) {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : "–";
}

function bounded(metrics, name) {
  const [low, high] = [metrics[`${name}_low`], metrics[`${name}_high`]];
  return figure(metrics[name]) + (low === undefined ? "" : ` (${figure(low)} to ${figure(high)})`);
}

// The names of the figures on the test file: those that a search can be decided by first, in the form's order.
function judged(metrics) {
  const order = Array.from($("metric").options, (option) => `test_${option.value}`);
  const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
  return Object.keys(metrics).filter((name) => name.startsWith("test_") && !/_(low|high)$/.test(name))
    .sort((one, other) => place(one) - place(other) || one.localeCompare(other));
}

function table(headings, rows) {
  const head = make("tr", {}, ...headings.map(([text, kind]) => make("th", { scope: "col", class: kind }, text)));
  const body = rows.map((row) => make("tr", {}, ...row.map((cell, at) =>
    at === 0 ? make("th", { scope: "row" }, cell) : make("td", { class: headings[at][1] }, cell))));
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

function note(level, ...lines) {
  const role = level === "refused" ? "alert" : null;
  return make("div", { class: `note ${level}`, role }, ...lines.map((line) => (typeof line === "string" ? make("p", {}, line) : line)));
}

function refusal(problems) {
  return problems.map((problem) => note("refused",
    make("p", {}, make("span", { class: "level refused" }, "refused "), `${problem.what} `, make("span", { class: "muted" }, `in ${problem.where}`)),
    make("p", {}, problem.fix)));
}

async function ask(path, options = {}) {
  const key = sessionStorage.getItem("key");
  const headers = { ...(options.headers || {}), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw [{ what: "The server does not answer.", where: "network", fix: "Check that it still runs, then try again." }];
  }
  if (answer.status === 401) $("key-form").hidden = false;
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw said.problems || [{ what: `The server answered ${answer.status}.`, where: path, fix: "Try again." }];
  }
  return answer;
}

const askJson = async (path, options) => (await ask(path, options)).json();
const problemsOf = (error) => (Array.isArray(error) ? error : [{ what: String(error), where: "page", fix: "Reload the page." }]);

// Runs what a form does, with its button off and the problems shown where the result would be.
function onSubmit(form, result, work) {
  $(form).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    try {
      await work(event.target);
    } catch (error) {
      show(result, ...refusal(problemsOf(error)));
    } finally {
      button.disabled = false;
    }
  });
}

// Opens a route in a tab; where a key is needed a link cannot send it, so the file is fetched and saved.
function opened(text, path, file) {
  const link = make("a", { href: path, target: "_blank", rel: "noopener" }, text);
  link.addEventListener("click", async (event) => {
    if (!sessionStorage.getItem("key")) return;
    event.preventDefault();
    save(await (await ask(path)).blob(), file).click();
  });
  return link;
}

function save(blob, file) {
  return make("a", { href: URL.createObjectURL(blob), download: file, class: "button" }, `Save ${file}`);
}

async function champion() {
  try {
    const model = await askJson("/model");
    const names = judged(model.metrics);
    show("champion",
      make("p", {}, `Version ${model.version} of ${model.name} predicts ${model.target.name} (${model.target.classes.join(", ")}). ${model.reason || ""}`),
      names.length ? table([["On the test file"], ["Value (95 % bounds)", "figure"]], names.map((name) => [name.slice(5), bounded(model.metrics, name)])) : null);
  } catch (error) {
    const problems = problemsOf(error);
    if (problems.some((problem) => problem.code === "no_champion"))
      show("champion", make("p", {}, "No champion yet. Upload a training file and a test file below, then train."));
    else show("champion", ...refusal(problems));
  }
}

// The figures that both versions have, for somebody who is about to exchange them.
function difference(now, next) {
  const names = judged(next.metrics).filter((name) => name in (now ? now.metrics : {}));
  return names.map((name) => `${name.slice(5)}: ${bounded(now.metrics, name)} now, ${bounded(next.metrics, name)} then`).join("\n");
}

async function promote(next, now, button) {
  const question = `Make version ${next.version} the champion${now ? ` in place of version ${now.version}` : ""}? Every client gets its answers at once.`;
  if (!window.confirm([question, difference(now, next)].filter(Boolean).join("\n\n"))) return;
  button.disabled = true;
  show("moved", make("p", { class: "muted" }, "Checking that the version answers as it was evaluated…"));
  try {
    const moved = await askJson(`/models/${next.version}/promote`, { method: "POST" });
    show("moved", note("ok", moved.reason), ...moved.warnings.map((warning) => note("warning", warning)));
    await Promise.all([versions(), champion(), oneRow()]);
  } catch (error) {
    show("moved", ...refusal(problemsOf(error)));
    button.disabled = false;
  }
}

async function versions() {
  try {
    const { models: found } = await askJson("/models");
    if (!found.length) return show("versions", make("p", { class: "muted" }, "No version is registered yet."));
    const now = found.find((one) => one.aliases.includes("champion"));
    const names = ["test_roc_auc", "test_log_loss"].filter((name) => found.some((one) => name in one.metrics));
    show("versions", table([["Version"], ["Known as"], [""], ["Registered"], ["Decision"], ...names.map((name) => [name.slice(5), "figure"])],
      found.map((one) => [`${one.version}`, one.aliases.join(", ") || "–",
        one === now ? "" : make("button", { class: "quiet", type: "button", onclick: (event) => promote(one, now, event.target) }, `Make ${one.version} champion`),
        new Date(one.created_at_ms).toLocaleString(), make("span", { title: one.reason || "" }, (one.decision || "–").replaceAll("_", " ")),
        ...names.map((name) => bounded(one.metrics, name))])));
  } catch (error) {
    show("versions", ...refusal(problemsOf(error)));
  }
}

// One field for each column that the champion reads, filled with an example.
async function oneRow() {
  try {
    const [schema, api] = await Promise.all([askJson("/schema"), askJson("/openapi.json")]);
    const example = api.paths["/predict"].post.requestBody.content["application/json"].example[0];
    show("fields", ...schema.columns.map((column, at) => {
      const id = `field-${at}`;
      const value = example[column.name] ?? "";
      const isChoice = column.kind === "category" && column.categories.length <= 50;
      const input = isChoice
        ? make("select", { id }, make("option", { value: "" }, ""), ...column.categories.map((text) => make("option", text === value ? { selected: "" } : {}, text)))
        : make("input", { id, value: String(value), autocomplete: "off" });
      input.dataset.column = column.name;
      const range = column.minimum === null ? "" : ` from ${column.minimum} to ${column.maximum} in training`;
      return make("div", { class: "field" }, make("label", { for: id }, column.name), input, make("p", { class: "hint" }, `${column.kind}${range}`));
    }));
    $("row-section").hidden = false;
  } catch {
    $("row-section").hidden = true; // without a champion there is nothing to ask; its own section says why
  }
}

function explained(answer) {
  const rows = [];
  for (let at = 1; `explanation_${at}_column` in answer; at += 1)
    rows.push([answer[`explanation_${at}_column`], figure(answer[`explanation_${at}_contribution`])]);
  rows.push(["all other columns", figure(answer.explanation_others)]);
  return table([[`What makes it ${answer.prediction}`], ["Adds to the probability", "figure"]],
    [["as rows usually have it", figure(answer.explanation_base)], ...rows, ["together", figure(answer.probability)]]);
}

async function jobs() {
  try {
    const { jobs: found } = await askJson("/jobs");
    if (!found.length) return show("jobs", make("p", { class: "muted" }, "No training has been started from here."));
    show("jobs", table([["Started"], ["Status"], ["Version"], [""]], found.slice(0, 20).map((job) => [
      new Date(job.created_at_ms).toLocaleString(), job.status, job.version || "–",
      make("button", { class: "quiet", type: "button", onclick: () => watch(job.job_id) }, "Show"),
    ])));
  } catch (error) {
    show("jobs", ...refusal(problemsOf(error)));
  }
}

function showDataset(dataset) {
  const checks = dataset.checks.filter((check) => check.level !== "ok");
  show("dataset",
    note("ok", `${dataset.rows.train} training rows, ${dataset.rows.test} test rows, ${dataset.columns.length} columns.`),
    ...checks.map((check) => note(check.level, make("p", {}, make("span", { class: `level ${check.level}` }, `${check.level} `), check.what), check.fix)),
    table([["Column"], ["Kind"], ["Missing", "figure"], ["Why"]],
      dataset.columns.map((column) => [column.name, column.kind, `${figure(100 * column.missing)} %`, `${column.read ? "" : "Left out. "}${column.reason || ""}`])));
  $("dataset-id").value = dataset.dataset_id;
  const names = [dataset.target, ...dataset.targets].filter((name, at, all) => name && all.indexOf(name) === at);
  $("train-target").replaceChildren(...names.map((name) => make("option", { value: name }, name)));
  $("train-section").hidden = false;
}

function searched(search) {
  const count = search.of ? `${search.done} of ${search.of} candidates` : search.done === 1 ? "1 candidate" : `${search.done} candidates`;
  const best = search.best === null ? null : `best ${search.metric} ${figure(search.best)} (${search.best_candidate})`;
  const left = search.seconds_left === null ? null : `${Math.round(search.seconds_left)} s left`;
  return `${[search.candidate ? `${count}, the last ${search.candidate}` : count, best, left].filter(Boolean).join("; ")}.`;
}

function showJob(job) {
  const isOver = FINAL.includes(job.status);
  const elapsed = Math.round(((job.ended_at_ms || Date.now()) - job.created_at_ms) / 1000);
  const said = { SCHEDULED: "Waits for its turn.", RUNNING: `At work: ${job.step || "starting"}.`, FINISHED: "Done.", FAILED: "Failed.", KILLED: "Cancelled." };
  const names = [...new Set(job.candidates.flatMap((one) => Object.keys(one.metrics)))].filter((name) => /^cv_(roc_auc|log_loss|accuracy)$/.test(name));
  show("job",
    make("p", { role: "status" }, `${said[job.status] || job.status} ${elapsed} s.`),
    make("progress", { max: 1, value: job.progress, "aria-label": "Progress" }),
    job.search ? make("p", { class: "muted" }, searched(job.search)) : null,
    make("div", { class: "row" },
      isOver ? null : make("button", { class: "quiet", type: "button", onclick: (event) => cancel(job.job_id, event.target) }, "Cancel training"),
      job.report_url ? opened("Report", job.report_url, "report.html") : null,
      opened("Output", `/jobs/${job.job_id}/log`, "log.txt")),
    ...refusal(job.problems),
    job.version ? note("ok", `Registered as version ${job.version}${job.promoted ? ", the champion now." : `, not promoted (${job.decision}).`}`) : null,
    job.candidates.length ? table([["Candidate"], ["Status"], ...names.map((name) => [name.slice(3), "figure"]), ["Seconds", "figure"], ["ms a row", "figure"], ["kB", "figure"]],
      job.candidates.map((one) => [one.model || "", one.stopped ? make("span", { title: one.stopped }, "fell behind") : one.status,
        ...names.map((name) => figure(one.metrics[name])), figure(one.seconds), figure(one.latency_ms), one.size_bytes ? figure(one.size_bytes / 1000) : "–"])) : null);
}

async function watch(id) {
  const mine = ++watched;
  $("job-section").hidden = false;
  $("job-title").scrollIntoView({ block: "start" });
  while (mine === watched) {
    try {
      const job = await askJson(`/jobs/${id}`);
      if (mine !== watched) return;
      showJob(job);
      if (FINAL.includes(job.status)) {
        await Promise.all([jobs(), champion(), versions()]);
        setTimeout(() => Promise.all([champion(), oneRow()]), 4 * POLL_MS); // a new champion is loaded within seconds
        return;
      }
    } catch (error) {
      show("job", ...refusal(problemsOf(error)));
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function cancel(id, button) {
  button.disabled = true;
  try {
    await askJson(`/jobs/${id}/cancel`, { method: "POST" });
  } catch (error) {
    show("job", ...refusal(problemsOf(error)));
  }
}

onSubmit("key-form", "champion", async () => {
  sessionStorage.setItem("key", $("key").value);
  $("key-form").hidden = true;
  await Promise.all([champion(), jobs(), versions(), oneRow()]);
});

onSubmit("row-form", "row-answer", async (form) => {
  const row = {};
  for (const input of form.querySelectorAll("[data-column]")) row[input.dataset.column] = input.value === "" ? null : input.value;
  const said = await askJson("/predict?explain=5", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify([row]) });
  const [answer] = said.predictions;
  const classes = Object.keys(answer).filter((name) => name.startsWith("probability_"));
  show("row-answer",
    note("ok", `${answer.prediction}, with a probability of ${figure(answer.probability)}, says version ${said.model.version}.`),
    ...said.warnings.map((warning) => note("warning", warning.what)),
    table([["Class"], ["Probability", "figure"]], classes.map((name) => [name.slice("probability_".length), figure(answer[name])])),
    explained(answer));
});

onSubmit("upload-form", "dataset", async (form) => {
  const data = new FormData(form);
  if (!data.get("target")) data.delete("target");
  show("dataset", make("p", { class: "muted" }, "Sending and checking both files…"));
  uploaded = await askJson("/upload", { method: "POST", body: data });
  showDataset(uploaded);
});

onSubmit("train-form", "job", async (form) => {
  $("job-section").hidden = false;
  const fields = Object.fromEntries(new FormData(form));
  const job = await askJson("/train", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) });
  jobs();
  watch(job.job_id);
});

onSubmit("predict-form", "answers", async () => {
  const file = $("rows").files[0];
  const threshold = $("threshold").value;
  const type = file.name.toLowerCase().endsWith(".parquet") ? "application/vnd.apache.parquet" : "text/csv";
  show("answers", make("p", { class: "muted" }, "Predicting…"));
  const path = `/predict${threshold ? `?threshold=${encodeURIComponent(threshold)}` : ""}`;
  const answer = await ask(path, { method: "POST", headers: { "Content-Type": type, Accept: "text/csv" }, body: file });
  const text = await answer.text();
  const rows = text.split("\n").length - 2;
  const warnings = answer.headers.get("X-Crisol-Warnings");
  show("answers",
    note("ok", `${rows} rows answered by version ${answer.headers.get("X-Crisol-Model-Version")}.`),
    warnings ? note("warning", `Unlike training: ${warnings.replaceAll("_", " ").replaceAll("=", " ")}. The JSON answer of /predict names columns and rows.`) : null,
    save(new Blob([text], { type: "text/csv" }), "predictions.csv"));
});

champion();
jobs();
versions();
oneRow();
