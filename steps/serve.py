"""Serve the champion over HTTP.

Reads   settings (CRISOL_*), the registry, while it serves.
Writes  a run that has ended before the first request is taken; the jobs of the server have runs of their own.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import threading
import time
from dataclasses import dataclass, field

import click
import uvicorn
from pydantic import ValidationError
from uvicorn.supervisors import Multiprocess

from pyfunc.errors import Problem, ProjectError
from steps import process, tracking
from steps.settings import Settings

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", "8000"
APP = "api.app:create_app"  # by name: steps know nothing of the API
MAX_PORT = 65535
BACKLOG = 256
MOST_WORKERS = 64
SILENT_S = 60  # after which a worker that does not answer is replaced; loading a large model keeps it from answering
FIGURES = "PROMETHEUS_MULTIPROC_DIR"  # where workers count, see `api.metrics`
GRACE_S = 20  # for requests that are being answered when the server is told to end
LAST_S = 3.0  # after that the process ends, whatever its threads compute
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listener:
    """A bound socket, not listening yet, and how to reach it."""

    socket: socket.socket
    url: str
    host: str = field(default=DEFAULT_HOST)


class ServeRefusedError(ProjectError):
    """An address that the server may not or cannot have, or settings that are not understood."""


def bind(host: str, port: str, *, has_key: bool) -> Listener:
    """Take an address.

    Args:
        host: name or address.
        port: number as text; 0 lets the kernel choose.
        has_key: whether CRISOL_API_KEY is set.

    Raises:
        ServeRefusedError: everything that is wrong with the address.
    """
    problems = []
    number = process.whole(port, MAX_PORT)
    if number is None:
        fix = f"Give a whole number from 0 to {MAX_PORT}."
        problems.append(Problem("port_invalid", "'port' is not a port number.", "parameters", fix))
    if not has_key and not _is_loopback(host):
        what = "Without a key the server listens on this machine only."
        fix = "Set CRISOL_API_KEY to a long random text, or leave the host at 127.0.0.1."
        problems.append(Problem("key_missing", what, "parameter host", fix))
    if problems:
        raise ServeRefusedError(*problems)
    assert number is not None
    try:
        listener = _bound(host, number)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror or "not usable").lower() if isinstance(error, OSError) else "no host name"
        what = f"The server cannot have this address: {reason}."
        fix = "Choose another port (or host), or stop the program that has it."
        raise ServeRefusedError(Problem("address_unusable", what, "parameters host and port", fix)) from error
    shown = f"[{host}]" if ":" in host else host
    return Listener(listener, f"http://{shown}:{listener.getsockname()[1]}", host)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the address."""
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def workers_of(text: str) -> int:
    """How many processes answer.

    Args:
        text: a whole number.

    Raises:
        ServeRefusedError: it is none, or more than `MOST_WORKERS`.
    """
    number = process.whole(text, MOST_WORKERS)
    if not number:
        what, fix = "'workers' is not a number of processes.", f"Give a whole number from 1 to {MOST_WORKERS}."
        raise ServeRefusedError(Problem("workers_invalid", what, "parameters", fix))
    return number


def settings() -> Settings:
    """The settings (CRISOL_*).

    Raises:
        ServeRefusedError: all that are not understood, by name.
    """
    try:
        return Settings()
    except ValidationError as error:
        names = [f"CRISOL_{str(fault['loc'][0]).upper()}" for fault in error.errors()]
        raise ServeRefusedError(
            *(
                Problem("setting_invalid", f"{name} is not understood.", "environment", "Mend or unset it.")
                for name in names
            )
        ) from None  # the cause would show the value


def serve(listener: Listener, workers: int = 1) -> None:
    """Answer until told to end (SIGTERM, SIGINT, or the end of `mlflow run`).

    Args:
        listener: the address.
        workers: processes that answer, each with the model in its memory; one that dies is replaced.
    """
    os.environ.pop("MLFLOW_RUN_ID", None)  # else the next run that the server makes would take that run over
    os.environ["CRISOL_HOST"] = listener.host
    config = uvicorn.Config(
        APP,
        factory=True,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,  # the API writes its own line a request
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        workers=workers,
        timeout_worker_healthcheck=SILENT_S,
    )
    log.info("serving %s (page, /docs, /predict)", listener.url)
    try:
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listener.socket])
            return
        with tracking.scratch() as folder:
            os.environ[FIGURES] = str(folder)
            listener.socket.listen(BACKLOG)
            Multiprocess(config, [listener.socket]).run()
    finally:
        end_soon()


def end_soon() -> None:
    """End the process even where a thread still scores: it cannot be interrupted, and nobody waits for it."""

    def end() -> None:
        time.sleep(LAST_S)
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Name or address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Port; 0 lets the kernel choose.")
@click.option("--workers", default="1", show_default=True, help="Processes that answer, each with the model.")
def cli(host: str, port: str, workers: str) -> None:
    """Entry point `serve` of MLproject."""
    with tracking.step_run("serve") as run:
        number = workers_of(workers)
        listener = bind(host, port, has_key=bool(settings().api_key))
        run.params({"host": host, "port": port, "workers": workers})
        run.tags({"crisol.url": listener.url})
    serve(listener, number)


if __name__ == "__main__":
    process.command(cli)
