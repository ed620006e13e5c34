"""Another version becomes the champion over HTTP, and answers at once; what may not is refused with the reason."""

from __future__ import annotations

import httpx
import pytest

from api.app import create_app
from steps.settings import Settings
from tests.api.served import register, running
from tests.api.test_champion import version
from tests.api.test_predict import codes
from tests.conftest import Store


def test_a_version_is_promoted_and_rolled_back(store: Store):
    """The answer says what changed; the next prediction comes from the new champion, and a run says who moved it."""
    register("crisol")
    register("crisol", alias=None, seed=1)
    with running(create_app(Settings(name="crisol", poll_s=60)), "/ready") as client:
        assert version(client) == "1"

        promoted = client.post("/models/2/promote", timeout=120)
        assert promoted.status_code == 200, promoted.text
        said = promoted.json()
        assert (said["champion_before"], said["champion_after"], said["promoted"]) == ("1", "2", True)
        assert "version 2 is champion in place of version 1" in said["reason"]
        assert version(client) == "2"
        assert store.client.get_run(said["run_id"]).info.status == "FINISHED"
        assert client.get("/model").json()["reason"].startswith(said["reason"])

        back = client.post("/models/rollback", timeout=120)
        assert (back.status_code, back.json()["champion_after"]) == (200, "1")
        assert version(client) == "1"
        aliases = {each["version"]: each["aliases"] for each in client.get("/models").json()["models"]}
        assert aliases == {"1": ["champion"], "2": ["previous"]}

        refused = client.post("/models/1/promote")
        assert (refused.status_code, codes(refused)) == (409, ["already_champion"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/models/9/promote", 404, "version_missing"),
        ("/models/x/promote", 404, "version_unknown"),
        ("/models/0/promote", 404, "version_unknown"),
        ("/models/rollback", 404, "no_previous"),
    ],
)
def test_what_is_not_there_is_no_champion(client: httpx.Client, path: str, status: int, code: str):
    """Nothing is moved."""
    answer = client.post(path)

    assert (answer.status_code, codes(answer)) == (status, [code])
    assert version(client) == "1"


def test_a_page_of_another_site_moves_nothing(client: httpx.Client):
    """It may send the request, and is refused."""
    answer = client.post("/models/rollback", headers={"Origin": "http://elsewhere.example"})

    assert answer.status_code == 403
