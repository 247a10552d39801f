"""Runs jobs on a Ray cluster; an actor or machine that dies costs only its own job, which is done again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from math import ceil
from typing import Any, TypeVar

from stream_mer.errors import ConfigError, StageError, StreamMerError
from stream_mer.pipeline.plan import stage_failure
from stream_mer.pipeline.workers import ATTEMPTS, NextJob, Outcome, Partial, ReportOf, Work, died

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise ConfigError(
        "--ray needs Ray, which is not installed.\nRun: python -m pip install 'stream-mer[cluster]'"
    ) from error

Job = TypeVar("Job")
LOCAL = "local"
"""The address of a cluster of this process's own, on this machine only."""
ANSWER_S = 5.0


def on_cluster(
    work: Work[Job], next_job: NextJob[Job], report: ReportOf[Job], address: str, workers: int | None
) -> Iterator[Outcome[Job]]:
    """Do jobs on a Ray cluster, in whatever order they get done.

    Every worker is an actor with one CPU, and an equal share of a GPU where the cluster has any. The nodes
    must see the files and the output folder at the same paths.

    Args:
        work: a function the nodes can import.
        next_job: asked whenever a worker is idle.
        report: called when a job ends.
        address: of the cluster, ``auto``, or ``local`` for one inside this process.
        workers: how many; one a CPU of the cluster if None.

    Yields:
        One outcome a job.

    Raises:
        ConfigError: there is no cluster at that address.
        StageError: no worker starts there.
    """
    own = not ray.is_initialized()
    if own:
        _connect(address, workers)
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        count = workers or max(1, int(resources.get("CPU", 1)))
        share = gpu_share(int(resources.get("GPU", 0)), count)
        hire: Callable[[], Any] = ray.remote(num_cpus=1, num_gpus=share)(_Actor).remote
        yield from _spread(work, next_job, report, hire, count)
    finally:
        if own:
            ray.shutdown()


def gpu_share(gpus: int, actors: int) -> float:
    """What an actor asks for, so that all find a place: a share never lies on two GPUs.

    >>> gpu_share(0, 4), gpu_share(1, 4), gpu_share(3, 4), gpu_share(8, 4)
    (0.0, 0.25, 0.5, 1.0)
    """
    return 1.0 / ceil(actors / gpus) if gpus else 0.0


def _connect(address: str, workers: int | None) -> None:
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address == LOCAL:
            # Ray lowers its workers' priority by 15; a cluster that exists for this run alone need not.
            own = {"worker_niceness": 0}
            ray.init(num_cpus=workers, include_dashboard=False, _system_config=own, **quiet)
        else:
            _require_answer(address)
            ray.init(address=address, **quiet)
    except Exception as error:  # what a cluster that does not start in time raises
        why = (str(error) or type(error).__name__).splitlines()[0]
        if address == LOCAL:
            raise ConfigError(
                f"no Ray cluster starts on this machine: {why}\n"
                "It may be too busy or short of memory: try again later, or use --workers without --ray."
            ) from error
        raise ConfigError(
            f"there is no Ray cluster at {address}: {why}\n"
            "Start one with 'ray start --head' and give its address, or use --ray local."
        ) from error


def _require_answer(address: str) -> None:
    """Ray asks an address at which nobody is for minutes; a socket knows at once.

    Raises:
        OSError: nothing listens there.
    """
    host, _, port = address.rpartition(":")
    # Ray itself looks for this machine's cluster at another address than the loopback's.
    if port.isdigit() and "/" not in host and host not in ("", "localhost", "127.0.0.1"):
        socket.create_connection((host, int(port)), ANSWER_S).close()


class _Actor:
    """Lives on a node, keeps its networks loaded between jobs."""

    def ready(self) -> None:
        """Answered once the cluster has found a place for this actor."""

    def do(self, work: Work[object], job: object) -> tuple[str | Partial, int]:
        """The answer, and the number of frames done for it."""
        frames: list[int] = []
        try:
            return work(job, frames.append), sum(frames)
        except StreamMerError as error:
            return Partial("", error), sum(frames)


class _Crew:
    """The actors. One that the cluster has no place for yet is given nothing, so no job waits for it."""

    def __init__(self, hire: Callable[[], Any]) -> None:
        self._hire = hire
        self._failures = 0
        self.starting: dict[Any, Any] = {}
        self.idle: list[Any] = []

    def ask(self, wanted: int) -> None:
        """See to it that so many actors are on their way."""
        while len(self.starting) < wanted:
            actor = self._hire()
            self.starting[actor.ready.remote()] = actor

    def welcome(self, ready: Any) -> None:
        """One of ``starting`` has come to a place, or died on its way there.

        Raises:
            StageError: so many died one after the other that none will live.
        """
        actor = self.starting.pop(ready)
        try:
            ray.get(ready)
        except RayError as error:
            self._failures += 1
            if self._failures >= ATTEMPTS:
                raise StageError(
                    f"no worker starts on the Ray cluster: {str(error).splitlines()[0]}\n"
                    "Every node needs this version of stream-mer. What is done is kept: go on with --resume."
                ) from error
            return
        self._failures = 0
        self.idle.append(actor)


def _spread(
    work: Work[Job], next_job: NextJob[Job], report: ReportOf[Job], hire: Callable[[], Any], count: int
) -> Iterator[Outcome[Job]]:
    crew = _Crew(hire)
    waiting: list[tuple[Job, int]] = []
    running: dict[Any, tuple[Any, Job, int]] = {}
    shared = ray.put(work)
    while True:
        while len(running) + len(waiting) < count and (job := next_job()) is not None:
            waiting.append((job, 0))
        while waiting and crew.idle:
            actor, (job, tries) = crew.idle.pop(), waiting.pop(0)
            running[actor.do.remote(shared, job)] = (actor, job, tries + 1)
        if not running and not waiting:
            return
        crew.ask(len(waiting))
        (ready,), _ = ray.wait([*running, *crew.starting], num_returns=1)
        if ready in crew.starting:
            crew.welcome(ready)
            continue
        actor, job, tries = running.pop(ready)
        outcome, alive = _answer(ready, job, tries, report)
        if alive:
            crew.idle.append(actor)
        if outcome is None:
            waiting.insert(0, (job, tries))
        else:
            yield outcome


def _answer(ready: Any, job: Job, tries: int, report: ReportOf[Job]) -> tuple[Outcome[Job] | None, bool]:
    """What became of a job, None if it is to be done again; and whether its actor lives."""
    try:
        answer, frames = ray.get(ready)
        report(job, frames)
        return Outcome.of(job, answer), True
    except RayTaskError as error:
        return Outcome(job, "", stage_failure("worker", error.cause)), True
    except RayError as error:  # the actor, its node or its answer is gone
        again = tries < ATTEMPTS
        return None if again else Outcome(job, "", died(str(error).splitlines()[0], tries)), False
