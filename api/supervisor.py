"""The thread that looks after jobs: starts the next one, notices the end of each, and says why it ended.

Everything it knows it reads from the runs at every look, so it makes no difference which server's it is, or how often
servers were killed in between.
"""

from __future__ import annotations

import logging
import os
import secrets
import shlex
import socket
import threading
import time
from collections.abc import Callable, Sequence

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from api import endings, jobs, measures, processes
from api.problems import JobEndedError
from pyfunc.errors import Problem
from steps import owners, tracking

LOOK_S = 1.0
CLAIM_S = 0.2  # for another server's claim to show
STOP_S = 2.0
Command = Callable[[Run, dict[str, str]], Sequence[str]]
log = logging.getLogger(__name__)


class Supervisor:
    """Looks after all jobs of the store.

    Args:
        most: trainings at the same time.
        limit_s: longest time for one, in seconds.
        command: what works a job, from its run and its options.
        look_s: seconds between two looks.
        patience_s: seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        most: int,
        limit_s: float,
        command: Command = jobs.command,
        look_s: float = LOOK_S,
        patience_s: float = processes.PATIENCE_S,
    ) -> None:
        self.most = most
        self.limit_s = limit_s
        self.patience_s = patience_s
        self.command = command
        self.look_s = look_s
        self._stopping: set[str] = set()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._watch, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; jobs go on."""
        self._is_over = True
        self._wake.set()
        self._thread.join(STOP_S)

    def wake(self) -> None:
        """Look now: there is a new job."""
        self._wake.set()

    def look(self) -> None:
        """Settle the jobs that have ended and start the ones whose turn it is."""
        with self._lock:
            waiting, working = [], 0
            for run in jobs.open_jobs():
                if run.info.status == jobs.SCHEDULED:
                    waiting.append(run)
                elif self._is_at_work(run):
                    working += 1
                elif run.info.run_id not in self._stopping:
                    self._settle(run.info.run_id)
            for run in waiting[: max(0, self.most - working)]:
                self._begin(run)

    def cancel(self, run_id: str) -> Run:
        """End a job, wait until its processes are gone, and set it KILLED.

        Raises:
            ModelUnavailableError: there is no such job.
            JobEndedError: it has ended already, or runs on another machine.
        """
        client = MlflowClient()
        with self._lock:
            run = jobs.find(run_id)
            if jobs.has_ended(run):
                what = f"The job has ended already ({run.info.status})."
                raise JobEndedError(Problem("job_ended", what, "job", "There is nothing to cancel."))
            owner = jobs.owner_of(run)
            if owner.get(tracking.HOST, socket.gethostname()) != socket.gethostname():
                what = "The job runs on another machine."
                raise JobEndedError(Problem("job_elsewhere", what, "job", "Cancel it at the server that started it."))
            client.set_tag(run_id, jobs.CANCELLED, f"{time.time():.0f}")
            self._stopping.add(run_id)
        try:
            processes.stop(run_id, owner, self.patience_s)
            with self._lock:
                self._settle(run_id)
        finally:
            self._stopping.discard(run_id)
        return client.get_run(run_id)

    def _is_at_work(self, run: Run) -> bool:
        """Whether a job's processes live. Ends those that were cancelled by a server that is gone, or take too long."""
        run_id, owner = run.info.run_id, jobs.owner_of(run)
        tags = run.data.tags
        is_anothers = tags.get(tracking.PID) != str(os.getpid())  # this one starts jobs under the same lock
        if not owner and not jobs.has_ended(run) and is_anothers and tracking.is_process_alive(tags):
            return True  # another server is about to start it
        if not (owner and tracking.is_process_alive(owner)) and not processes.of_run(run_id, owner):
            return False
        if run_id in self._stopping or jobs.has_ended(run):
            return True
        age_s = owners.age_s(float(owner[tracking.STARTED])) if tracking.STARTED in owner else 0.0
        if jobs.CANCELLED not in tags and age_s <= self.limit_s:
            return True
        if age_s > self.limit_s:
            what = f"The job took longer than {self.limit_s:.0f} s and was ended."
            problem = Problem("time_limit", what, "job", "Ask for a smaller budget_s, or raise CRISOL_JOB_LIMIT_S.")
            tracking.record_problems(run_id, (problem,), tracking.REFUSED)
        processes.stop(run_id, owner, self.patience_s)
        return False

    def _begin(self, run: Run) -> None:
        """Start a waiting job, unless another server does."""
        client, run_id = MlflowClient(), run.info.run_id
        if processes.of_run(run_id, jobs.owner_of(run)):
            client.update_run(run_id, status=jobs.RUNNING)  # a server was killed right after it had started it
            return
        claim = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"
        client.set_tag(run_id, jobs.CLAIM, claim)
        time.sleep(CLAIM_S)
        now = client.get_run(run_id)
        if now.data.tags.get(jobs.CLAIM) != claim or now.info.status != jobs.SCHEDULED:
            return
        for key, value in tracking.process_tags().items():
            client.set_tag(run_id, key, value)
        client.update_run(run_id, status=jobs.RUNNING)
        options = {key: next(iter(shlex.split(value)), "") for key, value in now.data.params.items()}
        try:
            pid = jobs.start(now, self.command(now, options))
        except OSError as error:
            what = f"The training's process could not be started: {(error.strerror or 'refused').lower()}."
            problem = Problem("training_not_started", what, "server", "Mend that on the server, then start it again.")
            endings.end(client, run_id, jobs.FAILED, problem)
            client.set_tag(run_id, jobs.JOB, jobs.ENDED)
            return
        log.info("job started run=%s pid=%d", run_id, pid)

    def _settle(self, run_id: str) -> None:
        """Write down how a job ended whose processes are gone."""
        client = MlflowClient()
        run = client.get_run(run_id)
        tags = run.data.tags
        if tags.get(jobs.JOB) != jobs.OPEN:
            return
        endings.end_nested(client, run)
        endings.keep_log(client, run_id)
        code = tags.get(tracking.ERROR_CODE, "")
        if run.info.status != jobs.FINISHED and jobs.CANCELLED in tags and code in endings.STOPPED_CODES:
            endings.end(client, run_id, jobs.KILLED, endings.CANCELLED)
        elif not jobs.has_ended(run):
            endings.end(client, run_id, jobs.FAILED, None if code else endings.GONE)
        elif run.info.status == jobs.FAILED and not code and not endings.reasons(client, run):
            tracking.record_problems(run_id, (endings.WORDLESS,), tracking.BUG)
        client.set_tag(run_id, jobs.JOB, jobs.ENDED)
        status = client.get_run(run_id).info.status
        measures.ENDED.labels(status).inc()
        log.info("job ended run=%s status=%s", run_id, status)

    def _watch(self) -> None:
        """Look until told to stop; before the first look, end what earlier processes have left open."""
        is_first = True
        while not self._is_over:
            try:
                if is_first:
                    tracking.end_orphans()
                    is_first = False
                self.look()
            except Exception as error:  # noqa: BLE001 (the thread's outermost frame: one bad look must not be the last)
                log.error("look at the jobs failed: %s", type(error).__name__)  # noqa: TRY400
            self._wake.wait(self.look_s)
            self._wake.clear()
