"""The page of `tests.bench.budget`: the table, and what it takes for kept and usable."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SLACK, SLACK_S = 0.1, 10.0  # of the budget, and seconds on top
BUSY = "a core that other work is on too makes everything longer"
ABOUT = """\
Seconds. *train run*: from its start to its end in MLflow, so with the wait for PyCaret's import, the laying out of the
table, the blends, the last timing and the model's being logged. *over*: that less the budget, ✗ where it is more than a
tenth of the budget and 10 s. *search*: from the first candidate's start to the last one's end, blends too; *before it*:
the train run until then. *command*: the whole of `python -m steps.main` in an empty store. Candidates: done, stopped
because they fell behind, cut off by the budget, and how many of all learned from fewer rows than there are. The
champion is usable (✓) where the version was promoted and its log loss on the test file is below the constant answer's.
Peak: resident memory of all processes together, looked at every 0.2 s; pages that they share count once for each."""
COLUMNS = (
    "table", "rows x columns", "budget", "train run", "over", "search", "before it", "command", "candidates", "model",
    "figure (constant)", "log loss (constant)", "champion", "peak GB",
)  # fmt: skip


def read(file: Path) -> dict[str, Any]:
    """The outcomes that are kept, by table, budget and cores."""
    return json.loads(file.read_text()) if file.exists() else {}


def is_kept(one: Mapping[str, Any]) -> bool:
    """Whether the train run took no longer than the budget, a tenth of it and ten seconds."""
    return bool(one.get("train_s", float("inf")) <= one["budget_s"] * (1 + SLACK) + SLACK_S)


def is_usable(one: Mapping[str, Any]) -> bool:
    """Whether there is a champion with a lower log loss than the constant answer's."""
    return bool(one.get("promoted")) and bool(one.get("log_loss", 1.0) < one.get("constant_log_loss", 0.0))


def text(outcomes: Mapping[str, Any], cores: str) -> str:
    """The page."""
    shown = [one for one in outcomes.values() if one["cores"] == cores]
    dates = sorted({one["at"][:10] for one in shown})
    kept, usable = sum(map(is_kept, shown)), sum(map(is_usable, shown))
    largest = max((one["peak_bytes"] for one in shown), default=0) / 1e9
    return "\n".join(
        [
            "# The budget, kept or not, and what it buys",
            "",
            f"{', '.join(dates)}, {platform.machine()} with {os.cpu_count()} cores, cores used: {cores or 'all'},",
            f"Python {platform.python_version()}; {BUSY}:",
            "",
            "```sh",
            f"python -m tests.bench.budget FOLDER{f' --cores {cores}' if cores else ''}",
            "```",
            "",
            ABOUT,
            "",
            f"Kept {kept} of {len(shown)}; usable champions {usable} of {len(shown)}; largest peak {largest:.1f} GB.",
            "",
            "| " + " | ".join(COLUMNS) + " |",
            "|---|---|---:|---:|---:|---:|---:|---:|---|---|---|---|---|---:|",
            *(_line(one) for one in sorted(shown, key=lambda one: (one["table"], one["budget_s"]))),
            "",
        ]
    )


def _line(one: Mapping[str, Any]) -> str:
    """An outcome."""
    train_s = one.get("train_s", float("nan"))
    over = f"{train_s - one['budget_s']:+.1f}{'' if is_kept(one) else ' ✗'}"
    counts = f"{one.get('done', 0)} done, {one.get('behind', 0)} behind, {one.get('cut_off', 0)} cut off"
    counts += f", {one.get('on_fewer_rows', 0)} on fewer rows" if one.get("on_fewer_rows") else ""
    counts += "".join(f"; {what}" for what in one.get("failed", ()))
    champion = "✓" if is_usable(one) else f"✗ {one.get('error') or one.get('decision') or one['exit_code']}"
    cells = (
        one["table"], f"{one.get('train_rows', 0)} x {one.get('columns', 0)}", str(one["budget_s"]),
        _number(train_s, 1), over, _number(one.get("search_s"), 1), _number(one.get("before_s"), 1),
        _number(one["seconds"], 1), counts, str(one.get("model")),
        f"{one.get('metric')} {_number(one.get('figure'), 4)} ({_number(one.get('constant_figure'), 4)})",
        f"{_number(one.get('log_loss'), 4)} ({_number(one.get('constant_log_loss'), 4)})", champion,
        _number(one["peak_bytes"] / 1e9, 1),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int) -> str:
    """A number, or a dash where there is none."""
    return "—" if value is None else f"{value:.{digits}f}"
