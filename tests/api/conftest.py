"""Fixtures of the API's tests: a store with a champion, and a server on it, for all tests that only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from steps.settings import Settings
from tests.api.served import register, running
from tests.conftest import Store, make_store


@pytest.fixture(scope="module")
def champion_store(tmp_path_factory: pytest.TempPathFactory, store_template: Path) -> Iterator[Store]:
    """A store with version 1 of `crisol` as champion, active as long as the module's tests run."""
    with make_store(tmp_path_factory.mktemp("champion") / "store", store_template).active() as opened:
        register("crisol")
        yield opened


@pytest.fixture(scope="module")
def client(champion_store: Store) -> Iterator[httpx.Client]:
    """A client of a server with a champion."""
    with running(create_app(Settings(name="crisol", poll_s=0.2)), "/ready") as opened:
        yield opened
