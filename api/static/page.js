// The page: which form does what, and what is looked at again when something has changed.
import { changed, upload } from "./dataset.js";
import { $ } from "./dom.js";
import { jobs, watch, whenEnded } from "./jobs.js";
import { answerFile, answerRow, oneRow } from "./rows.js";
import { onSubmit, send } from "./server.js";
import { champion, compare, versions, whenMoved } from "./versions.js";

const LOADED_MS = 4000; // a new champion answers within seconds
const everything = () => Promise.all([champion(), jobs(), versions(), oneRow()]);
const later = () => setTimeout(() => Promise.all([champion(), oneRow()]), LOADED_MS);

whenEnded(async () => {
  await Promise.all([jobs(), champion(), versions()]);
  later();
});
whenMoved(async () => {
  await Promise.all([versions(), champion(), oneRow()]);
  later();
});

onSubmit("key-form", "champion", async () => {
  sessionStorage.setItem("key", $("key").value);
  $("key-form").hidden = true;
  await everything();
});
onSubmit("upload-form", "dataset", upload);
onSubmit("train-form", "job", async (form) => {
  $("job-section").hidden = false;
  const fields = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  const job = await send("/train", { ...fields, ...changed() });
  jobs();
  watch(job.job_id);
});
onSubmit("row-form", "row-answer", answerRow);
onSubmit("predict-form", "answers", answerFile);
for (const id of ["compare-one", "compare-other"]) $(id).addEventListener("change", compare);

everything();
