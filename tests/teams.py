"""What a team runs: Postgres, an S3 store, and an MLflow server that asks for a password, all on this machine."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
from moto.server import ThreadedMotoServer

from tests.journeys.servers import free_port

USER, PASSWORD, BUCKET = "admin", "correct horse battery staple", "crisol"
READY_S = 120
OTHERS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
AUTHORIZATION = """
[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = {user}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
"""


def postgres_programs() -> Path | None:
    """Where Postgres' programs are: on the path, or where Debian puts them; None where it is not installed."""
    found = [Path(path).parent for path in [shutil.which("pg_ctl")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(found) if (folder / "initdb").exists()), None)


@dataclass(frozen=True)
class Team:
    """The addresses.

    Attributes:
        postgres: of the database, as MLflow takes it.
        s3: of the S3 server.
        mlflow: of the MLflow server.
        environment: what a process needs to reach the S3 server, without the password of the MLflow server.
    """

    postgres: str
    s3: str
    mlflow: str
    environment: dict[str, str]

    @property
    def through_the_server(self) -> dict[str, str]:
        """Of a process that knows the MLflow server and the password, and neither Postgres nor S3."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MLFLOW_"))}
        user, password = OTHERS
        return {**kept, "MLFLOW_TRACKING_URI": self.mlflow, user: USER, password: PASSWORD}

    @property
    def direct(self) -> dict[str, str]:
        """Of a process that talks to Postgres and S3 itself."""
        return {**self.environment, "MLFLOW_TRACKING_URI": self.postgres}


@contextmanager
def team(folder: Path) -> Iterator[Team]:
    """All three, ended with the block.

    Args:
        folder: for the MLflow server's users and log.
    """
    with ExitStack() as stack:
        postgres = stack.enter_context(_postgres())
        s3 = stack.enter_context(_s3())
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MLFLOW_"))}
        environment = {
            **kept,
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": s3,
        }  # fmt: skip
        mlflow = stack.enter_context(_mlflow(folder, postgres, environment))
        yield Team(postgres, s3, mlflow, environment)


@contextmanager
def _postgres() -> Iterator[str]:
    """A database of its own; the server refuses to be root's, so it runs as the user of Debian's package then."""
    programs = postgres_programs()
    assert programs is not None
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="crisol-postgres-"))
    if user is not None:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    port, data = free_port(), str(home / "data")

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        subprocess.run(command, user=user, cwd="/", check=True, stdout=subprocess.DEVNULL)

    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        run("initdb", "-D", data, "-A", "trust", "-U", "crisol")
        run("pg_ctl", "-D", data, "-w", "-o", options, "-l", str(home / "log"), "start")
        try:
            run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "crisol", "store")
            yield f"postgresql+psycopg2://crisol@127.0.0.1:{port}/store"
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _s3() -> Iterator[str]:
    """An S3 store with one bucket, in memory."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it tells of every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        client = boto3.client(
            "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
            aws_access_key_id="key", aws_secret_access_key="secret",  # noqa: S106 (moto asks for any)
        )  # fmt: skip
        client.create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def _mlflow(folder: Path, postgres: str, environment: dict[str, str]) -> Iterator[str]:
    """An MLflow server on both that asks for a password."""
    (folder / "auth.ini").write_text(AUTHORIZATION.format(folder=folder, user=USER, password=PASSWORD))
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1",
        "--backend-store-uri", postgres, "--artifacts-destination", f"s3://{BUCKET}/served",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip
    own = {"MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests"}
    log = folder / "mlflow.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=folder, env={**environment, **own}, stdout=out, stderr=out, start_new_session=True
        )
    try:
        end = time.monotonic() + READY_S
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert time.monotonic() < end, f"the MLflow server does not start: {log.read_text()[-2000:]}"
            assert process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def _answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False
