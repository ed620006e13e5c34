"""Whether a plan answers as its pipeline does: on rows that are at hand, and on odd ones made from the schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pyfunc.cells import Kind
from pyfunc.compiled.plan import Plan
from pyfunc.enforced import cells_of, columns_of
from pyfunc.schema import InputSchema

SAME = 1e-9  # float64 sums in another order differ by less
ODD_ROWS, ALONE = 500, 100  # made from the schema; also asked one by one, of each kind of rows
GAPS, UNHEARD = 0.3, 0.1  # shares of the odd cells
FAR = (1e-30, 1e-6, 1.0, 1e3, 1e9, 1e30)  # times the largest number of training
LATEST = pd.Timestamp("2200-01-01").value  # ns


def difference(plan: Plan, pipeline: Any, frame: pd.DataFrame, schema: InputSchema) -> float:
    """The largest difference of two probabilities, in a batch and row by row, before the plan is warm and after.

    Until it is warm the trees' library answers, and from then on machine code as a rule.

    Args:
        plan: of the pipeline; it is warm in the end.
        pipeline: as a package holds it.
        frame: enforced rows (n_rows, n_columns).
        schema: of the rows.
    """
    kinds = [column.kind for column in schema.columns]
    wanted = np.asarray(pipeline.predict_proba(frame), dtype=np.float64)
    columns = columns_of(frame, kinds)
    alone = [cells_of(frame.iloc[[at]], kinds) for at in range(min(ALONE, len(frame)))]

    def far() -> float:
        answers = np.vstack([plan.score(columns), *(plan.score_row(row)[None] for row in alone)])
        return float(np.abs(answers - np.vstack([wanted, wanted[: len(alone)]])).max())

    cold = far()
    plan.warm()
    return max(cold, far())


def odd_rows(schema: InputSchema, seed: int = 1) -> pd.DataFrame:
    """Enforced rows (n_rows, n_columns) with gaps, unheard-of texts where they are handed on, and extreme numbers."""
    random = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for column in schema.columns:
        gaps = random.random(ODD_ROWS) < GAPS
        if column.kind in (Kind.CATEGORY, Kind.TEXT):
            known = np.array(column.categories or ("text", "Mr. X 17", "A/5 2", "!"), dtype=object)
            cells = known[random.integers(0, len(known), ODD_ROWS)]
            if column.kind is Kind.TEXT or schema.unseen_category == "warn":
                cells = np.where(random.random(ODD_ROWS) < UNHEARD, "unheard of 99", cells)
            made[column.name] = pd.Series(np.where(gaps, np.nan, cells), dtype=object)
        elif column.kind is Kind.DATETIME:
            times = pd.Series(random.integers(0, LATEST, ODD_ROWS).astype("datetime64[ns]")).mask(gaps)
            made[column.name] = times.dt.tz_localize("UTC") if column.spelling.timezone is not None else times
        elif column.kind is Kind.BOOLEAN:
            made[column.name] = pd.Series(random.integers(0, 2, ODD_ROWS).astype(np.float64)).mask(gaps)
        else:
            low, high = float(column.minimum or 0.0), float(column.maximum or 1.0)
            inside = np.round(random.uniform(low, high, ODD_ROWS), random.integers(0, 4))
            beyond = random.choice([-1.0, 1.0], ODD_ROWS) * max(abs(low), abs(high), 1.0) * random.choice(FAR, ODD_ROWS)
            made[column.name] = pd.Series(np.where(random.random(ODD_ROWS) < 0.8, inside, beyond)).mask(gaps)  # noqa: PLR2004
    return pd.DataFrame(made, columns=schema.names)
