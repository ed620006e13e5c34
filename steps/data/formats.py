"""What a file turned out to be, as a record that can be kept and used again for files that resemble it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Kind = Literal["csv", "parquet", "feather", "excel", "json", "jsonl"]


@dataclass(frozen=True)
class FileFormat:
    """What a file turned out to be; None where a fact does not apply.

    `decimal` is the decimal sign of the number columns of a CSV: None where no cell gives it away.
    """

    kind: Kind
    compression: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """The fields, as a model's manifest keeps them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> FileFormat:
        """Read `to_dict` back; fields that a later version may add are passed over.

        Raises:
            KeyError: the kind is missing.
        """
        known = {field.name: stored.get(field.name) for field in fields(cls)}
        return cls(**{**known, "kind": stored["kind"]})

    @classmethod
    def of_model(cls, read_as: Mapping[str, Any]) -> FileFormat | None:
        """The format that a model's manifest keeps; None where it keeps none."""
        return cls.from_dict(read_as) if read_as else None
