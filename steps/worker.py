"""Work for a Dask cluster: this machine's processors try candidates and score partitions for others.

Reads   nothing by itself.
Writes  a run that has ended before the first task is taken; what workers lay aside goes to the temporary folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Any

import click

from pyfunc.compiled.plan import processors
from pyfunc.errors import Problem
from steps import process, tracking
from steps.cluster import ClusterError, address_problems

REACHED_S = 30.0  # patience with a scheduler that is only starting
MOST_WORKERS = 1024
log = logging.getLogger(__name__)


def work(scheduler: str, workers: int) -> None:
    """Work until told to end, or until the scheduler is gone.

    Args:
        scheduler: its address.
        workers: processes, with one thread each; one that dies is replaced.

    Raises:
        ClusterError: the scheduler cannot be reached.
    """
    import dask  # noqa: PLC0415 (a refusal should not wait for it)
    from distributed import Nanny  # noqa: PLC0415

    async def serve() -> None:
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):  # an exception in the middle of Dask's loop would end it badly
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        nannies = [Nanny(scheduler, nthreads=1, death_timeout=REACHED_S) for _ in range(workers)]
        try:
            async with asyncio.timeout(REACHED_S):
                await asyncio.gather(*nannies)
            log.info("working for %s with %d processes", scheduler, workers)
            all_ended = asyncio.gather(*(nanny.finished() for nanny in nannies))
            ends: list[asyncio.Future[Any]] = [all_ended, asyncio.create_task(told.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, TimeoutError) as error:
            what, fix = f"No Dask scheduler answers at '{scheduler}'.", "Start one with `dask scheduler`."
            raise ClusterError(Problem("scheduler_unreachable", what, "parameter scheduler", fix)) from error
        finally:
            await asyncio.gather(*(nanny.close(timeout=5) for nanny in nannies), return_exceptions=True)

    os.environ.pop("MLFLOW_RUN_ID", None)  # else the next run that is made here would take that run over
    with dask.config.set({"distributed.worker.daemon": False}):  # candidates are processes of their own
        asyncio.run(serve())


def number_of(workers: str) -> int:
    """How many processes; as many as there are processors where the text is empty.

    Raises:
        ClusterError: it is no number, or more than `MOST_WORKERS`.
    """
    if not workers:
        return processors()
    number = process.whole(workers, MOST_WORKERS)
    if not number:
        fix = f"Give a whole number from 1 to {MOST_WORKERS}, or leave it empty."
        raise ClusterError(Problem("workers_invalid", "'workers' is not a number of processes.", "parameters", fix))
    return number


@click.command()
@click.option("--scheduler", required=True, help="Address of the Dask scheduler to work for.")
@click.option("--workers", default="", help="Processes, with one thread each; one a processor by default.")
def cli(scheduler: str, workers: str) -> None:
    """Entry point `worker` of MLproject."""
    with tracking.step_run("worker") as run:
        run.params({"scheduler": scheduler, "workers": workers})
        problems = address_problems(scheduler)
        if problems:
            raise ClusterError(*problems)
        number = number_of(workers)
    work(scheduler, number)


if __name__ == "__main__":
    process.command(cli)
