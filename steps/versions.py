"""The registered versions of a name, as the registry has them. Reads, and changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps import tracking

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # MLflow's codes for no such model, version and alias
PAGE = 1000


@dataclass(frozen=True)
class Registered:
    """One version of a registered model."""

    name: str
    version: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created: str  # ISO 8601 in UTC

    @property
    def uri(self) -> str:
        """As MLflow loads it."""
        return f"models:/{self.name}/{self.version}"

    @property
    def is_champion(self) -> bool:
        """Whether the alias `champion` points to it."""
        return tracking.CHAMPION in self.aliases

    @property
    def has_been_champion(self) -> bool:
        """Whether it is or ever was the champion."""
        known = self.tags.get(tracking.PROMOTED) == "true" or tracking.CHAMPION_AT in self.tags
        return known or self.is_champion or tracking.PREVIOUS in self.aliases


def versions_of(name: str) -> list[Registered]:
    """All versions of a registered model by number; none where the name is not known.

    Raises:
        MlflowException: the store does not answer; that is not the same as no versions.
    """
    client = MlflowClient()
    try:
        aliases = client.get_registered_model(name).aliases  # a list of versions comes without them
    except MlflowException as error:
        if error.error_code in ABSENT:
            return []
        raise
    quoted = name.replace("'", "''")
    found, token = [], None
    while True:
        page = client.search_model_versions(f"name='{quoted}'", max_results=PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            break
    made = [
        Registered(
            name,
            str(each.version),
            tuple(sorted(alias for alias, version in aliases.items() if str(version) == str(each.version))),
            dict(each.tags),
            dt.datetime.fromtimestamp(each.creation_timestamp / 1000, dt.UTC).isoformat(timespec="seconds"),
        )
        for each in found
    ]
    return sorted(made, key=lambda each: int(each.version))


def with_alias(versions: list[Registered], alias: str) -> Registered | None:
    """The version that an alias points to; None without one."""
    return next((each for each in versions if alias in each.aliases), None)
