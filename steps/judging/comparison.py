"""`comparison.json` and `comparison.csv`: all versions of a registered model on one test file.

    format        1
    run_id, created, name     of the evaluate run; ISO 8601 in UTC; the registered model
    metric        the primary figure: the champion's, else that of the newest version that could be judged
    positive      the class that counts as positive; null for more than two
    champion, best            versions; null without; the best is the one with the best primary figure
    better        versions that are shown to be better than the champion (lower bound above 0)
    dataset       run_id, target, classes, rows, counts, test_sha256
    constant      figures of the constant answer
    versions      the best first, then those that could not be judged: version, aliases, registered, model_uri, learner,
                  size_bytes, reason (why not judged), figures, differences (to the champion; both null without), before
                  (null, or what its own evaluation said: run_id, created, test_sha256, same_file, metric, figure)
    resampling    resamples, seed, level

A difference is positive where the version is better than the champion.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steps.judging import intervals, resampling
from steps.judging.lineup import Entry, Lineup
from steps.judging.metrics import METRICS
from steps.kept import Kept
from steps.records import Dataset

FORMAT = 1
ENDS = (("value", ""), ("low", "_low"), ("high", "_high"))
Doc = Mapping[str, Any]


def document(found: Lineup, dataset: Dataset) -> dict[str, Any]:
    """The findings as JSON values; run and name are added by `compare`."""
    champion, target = found.champion, dataset.schema.target
    judged = [entry for entry in found.judged if entry.judged and entry.judged.figures[found.metric].is_defined]
    return {
        "format": FORMAT,
        "metric": found.metric,
        "positive": None if found.positive_at is None else target.classes[found.positive_at],
        "champion": champion.registered.version if champion else None,
        "best": judged[0].registered.version if judged else None,
        "better": [entry.registered.version for entry in judged if _is_better(found, entry)],
        "dataset": {
            "run_id": dataset.run_id,
            "target": target.name,
            "classes": list(target.classes),
            "rows": len(dataset.y_test),
            "counts": np.bincount(dataset.y_test, minlength=len(target.classes)).tolist(),
            "test_sha256": dataset.test_sha256,
        },
        "constant": {name: found.constant.figures[name].to_dict() for name in METRICS},
        "versions": [_version(found, entry, dataset) for entry in found.entries],
        "resampling": {
            "resamples": resampling.number(len(dataset.y_test), len(target.classes)),
            "seed": resampling.SEED,
            "level": intervals.LEVEL,
        },
    }


def _is_better(found: Lineup, entry: Entry) -> bool:
    """Whether the rows show a version to be better than the champion."""
    difference = found.difference(entry, found.metric)
    return difference is not None and difference.low > 0


def _version(found: Lineup, entry: Entry, dataset: Dataset) -> dict[str, Any]:
    """One version."""
    registered = entry.registered
    differences = {name: found.difference(entry, name) for name in METRICS}
    return {
        "version": registered.version,
        "aliases": list(registered.aliases),
        "registered": registered.created,
        "model_uri": registered.uri,
        "learner": entry.learner,
        "size_bytes": entry.size_bytes,
        "reason": entry.reason,
        "figures": {name: entry.judged.figures[name].to_dict() for name in METRICS} if entry.judged else None,
        "differences": {name: each.to_dict() for name, each in differences.items() if each} or None,
        "before": _before(entry.before, dataset) if entry.before else None,
    }


def _before(own: Kept, dataset: Dataset) -> dict[str, Any]:
    """What its own evaluation said."""
    return {
        "run_id": own.run_id,
        "created": own.created,
        "test_sha256": own.test_sha256,
        "same_file": own.test_sha256 == dataset.test_sha256,
        "metric": own.metric,
        "figure": own.figures[own.metric].to_dict(),
    }


def table(doc: Doc) -> str:
    """`comparison.csv`: one row a version, empty where there is nothing; `difference` is of the primary figure."""
    rows = [_row(doc["metric"], each) for each in doc["versions"]]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row(metric: str, each: Doc) -> dict[str, Any]:
    """One version, flat."""
    before = each["before"] or {}
    row: dict[str, Any] = {"version": each["version"], "aliases": " ".join(each["aliases"]), "learner": each["learner"]}
    for name in METRICS:
        row |= _flat(name, (each["figures"] or {}).get(name))
    return {
        **row,
        "metric": metric,
        **_flat("difference", (each["differences"] or {}).get(metric)),
        "size_bytes": each["size_bytes"],
        "registered": each["registered"],
        "model_uri": each["model_uri"],
        "before_metric": before.get("metric"),
        **_flat("before", before.get("figure")),
        "before_test_sha256": before.get("test_sha256"),
        "before_same_file": str(before["same_file"]).lower() if before else None,
        "evaluation_run_id": before.get("run_id"),
        "reason": each["reason"],
    }


def _flat(name: str, figure: Mapping[str, float | None] | None) -> dict[str, float | None]:
    """A figure and its bounds as three cells."""
    return {f"{name}{end}": figure[key] if figure else None for key, end in ENDS}


def metrics_of(versions: Sequence[Doc]) -> dict[str, float]:
    """`v<number>_test_<figure>` with bounds, as the run logs them; what is not defined is left out."""
    return {
        f"v{each['version']}_test_{name}{end}": figure[key]
        for each in versions
        for name, figure in (each["figures"] or {}).items()
        for key, end in ENDS
        if figure[key] is not None
    }
