from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pyfunc.cells import Kind
from pyfunc.model import Scorer
from pyfunc.package import Package
from tests.conformance import model
from tests.conformance.cells import PLAIN, cases
from tests.conformance.doors import INVOCATIONS, PREDICT, TOLERANCE
from tests.conformance.exceptions import DIFFERENCES, differences
from tests.conformance.measure import Measured, measure
from tests.conformance.table import page, reference
from tests.conftest import make_store

PAGE = Path(__file__).parents[1] / "conformance.md"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, store_template: Path) -> Iterator[Measured]:
    """All that the doors say."""
    folder = tmp_path_factory.mktemp("conformance")
    with make_store(folder / "store", store_template).active() as store:
        yield measure(store, folder, model.register())


@pytest.fixture(scope="module")
def kinds(measured: Measured) -> dict[str, Kind]:
    """The kind of each column, as the profile found it."""
    return {column.name: column.kind for column in measured.schema.columns}


@pytest.mark.journey
def test_every_door_says_the_same_in_every_format(measured: Measured, kinds: dict[str, Kind]):
    """One score or one set of problems a cell; what differs is declared, and what is declared differs."""
    surprises, stale = [], []
    for case in cases():
        said = measured.answers[case.id]
        expected, declared = reference(said), differences(case, kinds[case.column] if case.column else None)
        for place, outcome in said.items():
            if expected.agrees(outcome) == (place in declared):
                (stale if place in declared else surprises).append((case.id, place, outcome.scores, outcome.refused))

    assert surprises == []
    assert stale == []
    assert set(range(1, len(DIFFERENCES) + 1)) == {
        number for case in cases() for number in differences(case, kinds.get(case.column)).values()
    }


@pytest.mark.journey
def test_the_plain_row_below_keeps_its_score(measured: Measured):
    """An odd cell changes nothing in other rows."""
    plain = measured.meant["", ""]
    moved = [
        (case.id, place)
        for case in cases()
        for place, outcome in measured.answers[case.id].items()
        if case.column and len(outcome.scores) > 1 and abs(outcome.scores[1] - plain) > TOLERANCE
    ]

    assert moved == []


@pytest.mark.journey
def test_our_server_repeats_no_cell(measured: Measured):
    """What was sent does not come back, neither in a refusal nor in an answer."""
    odd = [(case, case.cell.csv) for case in cases() if case.cell and isinstance(case.cell.csv, str)]
    told = [(case, text) for case, text in odd if len(text.strip()) > 3 and text.lower() not in ("true", "false")]
    repeated = [
        (case.id, place)
        for case, text in told
        for place, outcome in measured.answers[case.id].items()
        if place[1] in (PREDICT, INVOCATIONS) and text[:1000] in outcome.said
    ]

    assert len(told) > 50
    assert repeated == []


@pytest.mark.journey
def test_the_page_is_what_the_doors_say(measured: Measured, kinds: dict[str, Kind]):
    """`tests/conformance.md` is written anew; it fails where it was another."""
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    now = page(measured, kinds)
    PAGE.write_text(now, encoding="utf-8")

    assert now == before


@pytest.fixture(scope="module")
def trained() -> Scorer:
    """The model, not packaged."""
    schema, pipeline = model.trained()
    return Scorer(Package(pipeline, schema, 0.5, {}))


@pytest.mark.parametrize("column", PLAIN)
def test_the_model_moves_with_every_column(column: str, trained: Scorer):
    """A gap in any column changes the score: a cell that is silently lost would show."""
    plain = {name: cell.csv for name, cell in PLAIN.items()}
    answers, _ = trained.answer(pd.DataFrame([plain, {**plain, column: None}]), "rows")

    assert abs(answers["probability_yes"].diff().iloc[1]) > 1e-3
