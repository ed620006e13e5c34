"""Judge every registered version of a name on one test file: `evaluate` with `model=all`. The registry stays as it is.

Reads   the versions of a registered model and a dataset run.
Writes  on the evaluate run: `comparison.csv`, `comparison.html`, `comparison.json`, `plots/versions.svg`, metrics
        `v<number>_test_<figure>` with bounds.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pyfunc.errors import ModelUnavailableError, Problem
from steps import tracking, versions
from steps.judging import comparison, comparison_page
from steps.judging.document import finite
from steps.judging.lineup import Lineup, lineup
from steps.records import Dataset
from steps.tracking import StepRun

ALL = "all"  # in place of a model's URI
METRICS_AT_ONCE = 900  # MLflow takes 1,000 in a request
log = logging.getLogger(__name__)


def compare(dataset: Dataset, name: str) -> dict[str, Any]:
    """Judge all versions of a registered model on a dataset's test rows.

    Args:
        dataset: whose test rows judge.
        name: the registered model.

    Returns:
        What `comparison.json` holds, as `steps.judging.comparison` describes it.

    Raises:
        ModelUnavailableError: the name has no versions.
    """
    with tracking.step_run("evaluate") as run:
        return compare_into(run, dataset, name)


def compare_into(run: StepRun, dataset: Dataset, name: str) -> dict[str, Any]:
    """`compare` on an open run."""
    run.params({"model": ALL, "dataset": dataset.run_id, "name": name})
    run.tags({tracking.DATASET_RUN: dataset.run_id, tracking.TEST_SHA256: dataset.test_sha256})
    listed = versions.versions_of(name)
    if not listed:
        what = f"'{name}' has no registered versions."
        fix = "Give the name under which models were registered (name=...)."
        raise ModelUnavailableError(Problem("no_versions", what, "registry", fix))
    found = lineup(listed, dataset)
    run.tags({tracking.MODEL_URI: _judged_uris(found)})
    made = {"run_id": run.run_id, "name": name, "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
    doc: dict[str, Any] = finite({**made, **comparison.document(found, dataset)})
    _log(run, doc)
    log.info("compared versions=%d judged=%d", len(listed), len(found.judged))
    return doc


def summary(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON line: ids, the best and the champion with the primary figure, and who was not judged."""
    by_version = {each["version"]: each for each in doc["versions"]}
    said: dict[str, Any] = {
        "run_id": doc["run_id"],
        "dataset_run_id": doc["dataset"]["run_id"],
        "name": doc["name"],
        "metric": doc["metric"],
        "versions": len(by_version),
        "not_judged": [version for version, each in by_version.items() if each["figures"] is None],
        "better": doc["better"],
    }
    for who in ("best", "champion"):
        figures = by_version[doc[who]]["figures"] if doc[who] is not None else None
        said[f"{who}_version"] = doc[who]
        for key, end in comparison.ENDS:
            said[f"{who}_test_{doc['metric']}{end}"] = figures[doc["metric"]][key] if figures else None
    return {**said, "comparison": f"runs:/{doc['run_id']}/{tracking.COMPARISON_PAGE}"}


def _judged_uris(found: Lineup) -> str:
    """The logged models that these rows have judged, a line each, for `judged_before`; as many as a tag holds."""
    uris = [entry.registered.tags.get(tracking.MODEL_URI) or entry.registered.uri for entry in found.judged]
    while len("\n".join(uris)) > tracking.MAX_TAG:
        uris.pop()
    return "\n".join(uris)


def _log(run: StepRun, doc: Mapping[str, Any]) -> None:
    """Table, page, figures and plot onto the run."""
    _log_metrics(run, doc["versions"])
    plot = comparison_page.versions_plot(doc)
    with tracking.scratch() as folder:
        if plot is not None:
            (folder / tracking.PLOTS).mkdir()
            (folder / tracking.PLOTS / f"{plot.name}.svg").write_text(plot.standalone(), encoding="utf-8")
        (folder / tracking.COMPARISON_PAGE).write_text(comparison_page.render(doc, plot), encoding="utf-8")
        (folder / tracking.COMPARISON_TABLE).write_text(comparison.table(doc), encoding="utf-8")
        text = json.dumps(doc, indent=1, ensure_ascii=False, allow_nan=False)
        (folder / tracking.COMPARISON).write_text(text, encoding="utf-8")
        run.files(folder)


def _log_metrics(run: StepRun, listed: Sequence[Mapping[str, Any]]) -> None:
    """The figures of every version, in requests that MLflow takes."""
    named = list(comparison.metrics_of(listed).items())
    for start in range(0, len(named), METRICS_AT_ONCE):
        run.metrics(dict(named[start : start + METRICS_AT_ONCE]))
