"""Two files become a dataset: read, described, checked against each other.

Reads   a training file and a test file (paths, URIs or bytes); without any, the sample.
Writes  a dataset run (see `steps/data/datasets.py`); none where the same files and options have one already.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from pyfunc.errors import FileRefusedError, ModelUnavailableError, Problem, TrainingRefusedError
from pyfunc.schema import InputSchema, decimal_comma_names
from steps import process, tracking
from steps.data import datasets, writing
from steps.data.checks import Compared, compare
from steps.data.datasets import Source, Summary, dataset_key, find, get_run, load, load_schema, raw, summary
from steps.data.files import fetch
from steps.data.kinds import EXAMPLE
from steps.data.noticed import reading_checks
from steps.data.options import POLICIES, Options, options_of
from steps.data.profile import AUTO, Features, Labels, features, labels_of, target_of
from steps.data.readers import MAX_COLUMNS, MAX_MIB, Table, read
from steps.data.targets import rank_targets
from steps.records import Dataset
from steps.settings import Settings
from steps.tracking import StepRun

__all__ = [
    "Source", "Summary", "dataset_key", "find", "from_run", "ingest", "ingest_into", "ingest_without_target", "load",
    "load_schema", "raw", "sources", "summary",
]  # fmt: skip

SAMPLE = Path(__file__).parent / "sample"
SAMPLE_TARGET = "diameter narrowing"
DEFAULT_OPTIONS = Options()
log = logging.getLogger(__name__)


def ingest(
    train: Source | str,
    test: Source | str,
    target: str,
    positive: str = AUTO,
    *,
    options: Options = DEFAULT_OPTIONS,
    max_mib: float = MAX_MIB,
    max_columns: int = MAX_COLUMNS,
) -> Dataset:
    """Make a dataset of two files, or find the one that was made of them before.

    A new dataset gets a run of its own, nested where a run is open; one that is found gets none.

    Args:
        train: bytes and name, or a path or URI; both files empty is the sample.
        test: the same for the test file.
        target: the column to predict.
        positive: label of the positive class where there are two; not part of the dataset's identity.
        options: how the files are read; `steps/data/options.py`.
        max_mib: largest accepted file in MiB.
        max_columns: most columns.

    Raises:
        FileRefusedError: files that cannot be read.
        TrainingRefusedError: files that no honest model can be learned from; the run has `raw/` and the checks.
    """
    first, second, target = sources(train, test, target, max_mib)
    dataset = _known(dataset_key(first.sha256, second.sha256, target, options))
    if dataset is None:
        with tracking.step_run("ingest") as run:
            dataset = ingest_into(run, first, second, target, options, max_mib=max_mib, max_columns=max_columns)
    return _with_positive(dataset, positive)


def ingest_into(
    run: StepRun,
    train: Source,
    test: Source,
    target: str,
    options: Options = DEFAULT_OPTIONS,
    *,
    max_mib: float = MAX_MIB,
    max_columns: int = MAX_COLUMNS,
) -> Dataset:
    """`ingest` on an open run, whether or not the dataset exists."""
    first, second, found = _begin(run, train, test, target, options, max_mib, max_columns)
    compared = _compare(first, second, found, target, options)
    _finish_checks(run, compared)
    labels = labels_of(first.frame[target])
    schema = InputSchema(found.columns, target_of(target, labels), found.left_out, options.unseen_category)
    dataset = datasets.dataset_of(
        run.run_id,
        schema,
        first.frame,
        second.frame,
        compared.checks,
        train.sha256,
        test.sha256,
        compared.shared,
        asdict(first.format),
    )
    writing.write_dataset(run, dataset, {writing.TRAINING: train, writing.TESTING: test})
    made = _summary(run, first, second, compared, target, options)
    _end(run, made, dataset_key(train.sha256, test.sha256, target, options))
    return dataset


def ingest_without_target(
    train: Source,
    test: Source,
    *,
    options: Options = DEFAULT_OPTIONS,
    max_mib: float = MAX_MIB,
    max_columns: int = MAX_COLUMNS,
) -> Summary:
    """Keep two files and say what can be said without knowing the target.

    The run is tagged `crisol.target=none`; `train` refuses it, `from_run` ingests its files again with a target.

    Raises:
        FileRefusedError: files that cannot be read.
        TrainingRefusedError: files that no honest model can be learned from, whatever the target.
    """
    key = dataset_key(train.sha256, test.sha256, "", options)
    known = find(key)
    if known is not None:
        return summary(known)
    with tracking.step_run("ingest") as run:
        first, second, found = _begin(run, train, test, None, options, max_mib, max_columns)
        compared = _compare(first, second, found, None, options)
        _finish_checks(run, compared)
        made = _summary(run, first, second, compared, None, options)
        _end(run, made, key)
    return made


def from_run(
    run_id: str, target: str = "", positive: str = AUTO, *, given: Mapping[str, str] = MappingProxyType({})
) -> Dataset:
    """The dataset of a run, or, with another target or other options, a dataset of the same files.

    Args:
        run_id: a dataset run, or a run that has used one.
        target: the dataset's where empty.
        positive: as in `ingest`.
        given: options as users write them; the dataset's own where one is empty or absent.

    Raises:
        ModelUnavailableError: no such run, or one without a dataset.
        TrainingRefusedError: the dataset was made without a target and none is given, or the files do not fit it.
    """
    run = get_run(run_id)
    found, tags = run.info.run_id, run.data.tags
    if not target and not datasets.has_target(run):
        return load(found)  # refuses
    wanted = target or tags[tracking.DATASET_TARGET]
    own = summary(found).options.without(wanted).texts()
    options = options_of({**own, **{name: text for name, text in given.items() if text.strip()}})
    key = dataset_key(tags[tracking.TRAIN_SHA256], tags[tracking.TEST_SHA256], wanted, options)
    if key == tags[tracking.DATASET_KEY]:
        return _with_positive(load(found), positive)
    return ingest(*raw(found), wanted, positive, options=options)


def sources(
    train: Source | str, test: Source | str, target: str, max_mib: float = MAX_MIB
) -> tuple[Source, Source, str]:
    """The two files and the target; the sample where neither file is given.

    Raises:
        FileRefusedError: everything that is wrong with the locations, at once.
    """
    if not train and not test:
        files = [Source((SAMPLE / name).read_bytes(), name) for name in ("train.csv", "test.csv")]
        return files[0], files[1], target or SAMPLE_TARGET
    found: list[Source] = []
    problems: list[Problem] = []
    for where, location in (("train", train), ("test", test)):
        try:
            found.append(Source(*fetch(location, where, max_mib)) if isinstance(location, str) else Source(*location))
        except FileRefusedError as error:
            problems += error.problems
    if problems:
        raise FileRefusedError(*problems)
    return found[0], found[1], target


def _known(key: str) -> Dataset | None:
    """The dataset with an identity; None where there is none, or its files are gone."""
    found = find(key)
    try:
        return load(found) if found is not None else None
    except ModelUnavailableError:
        log.warning("the files of dataset run %s are gone; reading them again", found)
        return None


def _begin(
    run: StepRun, train: Source, test: Source, target: str | None, options: Options, max_mib: float, max_columns: int
) -> tuple[Table, Table, Features]:
    """Log the original bytes and read both files, saying what is wrong with either; and the training columns.

    The test file is read as rows to be predicted will be: as the training file was, where it leaves a choice.
    """
    writing.write_raw(run, train, test)
    tables: list[Table] = []
    problems: list[Problem] = []
    how: dict[str, Any] = {"max_mib": max_mib, "max_columns": max_columns}
    for part, source in (("training", train), ("test", test)):
        where = f"{part} file {writing.safe_name(source.name)}"
        try:
            tables.append(read(source.content, source.name, where, **how))
        except FileRefusedError as error:
            problems += error.problems
            continue
        if part == "training":
            found = features(tables[0].frame, target, options.ignore, options.kinds)
            how |= {"like": tables[0].format, "decimal_comma": decimal_comma_names(found.columns)}
    if problems:
        raise FileRefusedError(*problems)
    return tables[0], tables[1], found


def _compare(train: Table, test: Table, found: Features, target: str | None, options: Options) -> Compared:
    """Ask every question about both tables, and add what was noticed on reading them."""
    compared = compare(
        train.frame,
        test.frame,
        target,
        options.ignore,
        options.accept,
        kinds=options.kinds,
        unseen_category=options.unseen_category,
        found=found,
    )
    return replace(compared, checks=(*reading_checks(train, test), *compared.checks))


def _finish_checks(run: StepRun, compared: Compared) -> None:
    """Log the checks, and stop where one is refused."""
    writing.write_checks(run, compared.checks)
    for check in compared.checks:
        if check.level == "warning":
            log.warning("check %s: %s %s", check.code, check.what, check.fix)
    if compared.problems:
        raise TrainingRefusedError(*compared.problems)


def _summary(
    run: StepRun, train: Table, test: Table, compared: Compared, target: str | None, options: Options
) -> Summary:
    """What `/upload` answers."""
    found = compared.features
    described = {
        name: {"name": name, "kind": kind, "missing": found.missing.get(name, 0.0), "reason": reason, "read": is_read}
        for name, kind, reason, is_read in (
            *((c.name, str(c.kind), c.reason, True) for c in found.columns),
            *((c.name, str(c.kind), c.reason, False) for c in found.left_out),
        )
    }
    columns = tuple(described[name] for name in train.frame.columns if name in described)
    rows = {"train": len(train.frame), "test": len(test.frame)}
    guesses = tuple(name for name in rank_targets(train.frame) if name in test.frame.columns)
    formats = {"train": asdict(train.format), "test": asdict(test.format)}
    return Summary(run.run_id, target, rows, columns, guesses, compared.checks, formats, options)


def _end(run: StepRun, made: Summary, key: str) -> None:
    """Log the summary, figures and identity."""
    writing.write_summary(run, made)
    n_read = sum(column["read"] for column in made.columns)
    levels = Counter(check.level for check in made.checks)
    run.metrics(
        {
            "train_rows": made.rows["train"],
            "test_rows": made.rows["test"],
            "columns": n_read,
            "checks_warning": levels["warning"],
        }
    )
    run.tags(
        {
            tracking.DATASET_TARGET: made.target if made.target is not None else tracking.NO_TARGET,
            tracking.DATASET_RUN: run.run_id,
            tracking.DATASET_KEY: key,
        }
    )
    log.info("ingested train_rows=%d test_rows=%d columns=%d", made.rows["train"], made.rows["test"], n_read)


def _with_positive(dataset: Dataset, positive: str) -> Dataset:
    """The dataset with the asked positive class; the stored one is that of `auto`."""
    if positive == AUTO:
        return dataset
    target = dataset.schema.target
    labels = Labels(target.labels().astype(str).astype(object)[dataset.y_train], target.integer)
    return replace(dataset, schema=replace(dataset.schema, target=target_of(target.name, labels, positive)))


@click.command()
@click.option("--train", default="", help="Training file: a path, or a URI such as runs:/<id>/<path>.")
@click.option("--test", default="", help="Test file, likewise. Without both files: the sample.")
@click.option("--target", default="", help="Name of the column to predict.")
@click.option("--ignore", default="", help="Columns to leave out, separated by commas.")
@click.option("--kinds", default="", help=f"Kinds of columns, in place of those found: {EXAMPLE}.")
@click.option("--unseen-category", default="", help=f"{', '.join(POLICIES)}; the first where empty.")
@click.option("--accept", default="", help="Codes of refused checks to go on with, separated by commas.")
def cli(train: str, test: str, target: str, **given: str) -> dict[str, Any]:
    """Entry point `ingest` of MLproject."""
    settings = Settings()
    limits: dict[str, Any] = {"max_mib": settings.max_mib, "max_columns": settings.max_columns}
    with tracking.step_run("ingest") as run:
        first, second, target = sources(train, test, target, settings.max_mib)
        options = options_of(given)
        dataset = _known(dataset_key(first.sha256, second.sha256, target, options))
        is_reused = dataset is not None
        if dataset is None:
            dataset = ingest_into(run, first, second, target, options, **limits)
        run.tags({tracking.DATASET_RUN: dataset.run_id})
    levels = Counter(check.level for check in dataset.checks)
    return {
        "run_id": run.run_id,
        "dataset_run_id": dataset.run_id,
        "reused": is_reused,
        "rows": {"train": len(dataset.train), "test": len(dataset.test)},
        "columns": len(dataset.schema.columns),
        "target": dataset.schema.target.name,
        "classes": list(dataset.schema.target.classes),
        "checks": {level: levels[level] for level in ("ok", "warning", "refused")},
    }


if __name__ == "__main__":
    process.command(cli)
