"""Runs jobs on a Ray cluster; an actor or machine that dies costs only its own job, which is done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from stream_mer.errors import ConfigError, StreamMerError
from stream_mer.pipeline.workers import ATTEMPTS, NextJob, Outcome, Partial, Report, Work, died

try:
    import ray
    from ray.exceptions import RayActorError, RayError
except ImportError as error:
    raise ConfigError(
        "--ray needs Ray, which is not installed.\nRun: python -m pip install 'stream-mer[cluster]'"
    ) from error

Job = TypeVar("Job")
LOCAL = "local"
"""The address of a cluster of this process's own, on this machine only."""


def on_cluster(
    work: Work[Job], next_job: NextJob[Job], report: Report, address: str, workers: int | None
) -> Iterator[Outcome[Job]]:
    """Do jobs on a Ray cluster, in whatever order they get done.

    Every worker is an actor with one CPU, and an equal share of a GPU where the cluster has any. The nodes
    must see the files and the output folder at the same paths.

    Args:
        work: a function the nodes can import.
        next_job: asked whenever a worker is idle.
        report: called with 0 when a job ends; frames inside jobs are not reported.
        address: of the cluster, ``auto``, or ``local`` for one inside this process.
        workers: how many; one a CPU of the cluster if None.

    Yields:
        One outcome a job.

    Raises:
        ConfigError: there is no cluster at that address.
    """
    own = not ray.is_initialized()
    if own:
        _connect(address, workers)
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        count = workers or max(1, int(resources.get("CPU", 1)))
        share = min(1.0, float(resources.get("GPU", 0)) / count)
        hire: Callable[[], Any] = ray.remote(num_cpus=1, num_gpus=share)(_Actor).remote
        yield from _spread(work, next_job, report, hire, count)
    finally:
        if own:
            ray.shutdown()


def _connect(address: str, workers: int | None) -> None:
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address == LOCAL:
            # Ray lowers its workers' priority by 15; a cluster that exists for this run alone need not.
            own = {"worker_niceness": 0}
            ray.init(num_cpus=workers, include_dashboard=False, _system_config=own, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (RayError, OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"there is no Ray cluster at {address}: {str(error).splitlines()[0]}\n"
            "Start one with 'ray start --head' and give its address, or use --ray local."
        ) from error


class _Actor:
    """Lives on a node, keeps its networks loaded between jobs."""

    def do(self, work: Work[object], job: object) -> str | Partial:
        try:
            return work(job, lambda _: None)
        except StreamMerError as error:
            return Partial("", error)


def _spread(
    work: Work[Job], next_job: NextJob[Job], report: Report, hire: Callable[[], Any], count: int
) -> Iterator[Outcome[Job]]:
    idle: list[Any] = []
    again: list[tuple[Job, int]] = []
    running: dict[Any, tuple[Any, Job, int]] = {}
    shared = ray.put(work)
    while True:
        while len(running) < count:
            job, tries = again.pop() if again else (next_job(), 0)
            if job is None:
                break
            actor = idle.pop() if idle else hire()
            running[actor.do.remote(shared, job)] = (actor, job, tries + 1)
        if not running:
            return
        (ready,), _ = ray.wait(list(running), num_returns=1)
        actor, job, tries = running.pop(ready)
        report(0)
        try:
            answer = ray.get(ready)
        except RayActorError as error:
            if tries < ATTEMPTS:
                again.append((job, tries))
            else:
                yield Outcome(job, "", died(str(error).splitlines()[0], tries))
            continue
        idle.append(actor)
        yield Outcome.of(job, answer)
