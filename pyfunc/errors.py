"""Everything that a caller can fix, as one family of errors.

The lowest layer holds them, so that the steps, the model and the API say the same things in the same words.
A bug is never dressed as one of these. `code` is stable: clients and tests key on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

NAMES_SHOWN = 5  # more than that in one sentence is not read


@dataclass(frozen=True)
class Problem:
    """What is wrong, where it is, and how to fix it.

    Texts hold column names and row numbers, never cell values: data may be personal.
    """

    code: str
    what: str
    where: str
    fix: str

    def to_dict(self) -> dict[str, str]:
        """The four fields, as JSON answers and tags carry them."""
        return asdict(self)


class ProjectError(Exception):
    """Everything that the caller can fix, all at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)  # positional args, so the error survives pickling
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(f"{p.what} (in {p.where}) {p.fix}" for p in self.problems)

    def to_json(self) -> str:
        """The problems as a JSON list."""
        return json.dumps([p.to_dict() for p in self.problems], ensure_ascii=False)


class FileRefusedError(ProjectError):
    """A file or request body that cannot be read as a table, or is too large."""


class TrainingRefusedError(ProjectError):
    """Data or options that no honest model can be learned from."""


class SchemaMismatchError(ProjectError):
    """Rows that do not fit the model's schema."""


class GateNotPassedError(ProjectError):
    """A model that may not be registered, because it is not what was evaluated."""


class ModelUnavailableError(ProjectError):
    """No such model, version, run or job, or none that can answer now."""


class ArtifactMismatchError(ProjectError):
    """A stored model whose files or format are not what its manifest says."""


class NotCompilableError(ProjectError):
    """A pipeline step that has no compiled form; the pipeline serves instead."""


def quoted(names: Iterable[object]) -> str:
    """Names for a sentence: quoted, in the given order, the rest counted."""
    listed = [f"'{name}'" for name in names]
    if len(listed) > NAMES_SHOWN:
        return f"{', '.join(listed[:NAMES_SHOWN])} and {len(listed) - NAMES_SHOWN} more"
    return ", ".join(listed)


def rows_named(rows: Iterable[int]) -> str:
    """1-based data rows for a sentence: `row 3` or `rows 1, 2 and 12 more`."""
    listed = list(rows)
    if len(listed) == 1:
        return f"row {listed[0]}"
    shown = ", ".join(str(row) for row in listed[:NAMES_SHOWN])
    rest = len(listed) - NAMES_SHOWN
    return f"rows {shown} and {rest} more" if rest > 0 else f"rows {shown}"
