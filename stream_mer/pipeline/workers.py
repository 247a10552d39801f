"""Runs jobs in processes of this machine; a process that dies costs only its own job, which is done again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, Protocol, TypeVar

from stream_mer.errors import StageError, StreamMerError

Job = TypeVar("Job")
Given = TypeVar("Given", covariant=True)
ATTEMPTS = 3
"""A job whose worker dies so often is given up: it is probably what kills them."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The answer of a job that failed on the way: what was done before that is worth keeping."""

    answer: str
    failure: StreamMerError


Report = Callable[[int], None]
"""Called by a job with the number of frames done since the last call."""
ReportOf = Callable[[Job, int], None]
"""Called where jobs are handed out: the job, and the frames done since the last call for it."""
Work = Callable[[Job, Report], str | Partial]


class NextJob(Protocol[Given]):
    """Hands out jobs: None if none can be begun now (perhaps one can when another is finished)."""

    def __call__(self) -> Given | None: ...


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Job]):
    """What became of a job: its answer, or why there is none, or not a whole one."""

    job: Job
    answer: str
    failure: StreamMerError | None = None

    @classmethod
    def of(cls, job: Job, answer: str | Partial) -> Outcome[Job]:
        """What a job that returned has become."""
        return cls(job, answer.answer, answer.failure) if isinstance(answer, Partial) else cls(job, answer)


def in_turn(work: Work[Job], next_job: NextJob[Job], report: ReportOf[Job]) -> Iterator[Outcome[Job]]:
    """Do one job after the other in this thread."""
    while (job := next_job()) is not None:
        yield _attempt(work, job, partial(report, job))


def _attempt(work: Work[Job], job: Job, report: Report) -> Outcome[Job]:
    try:
        return Outcome.of(job, work(job, report))
    except StreamMerError as error:
        return Outcome(job, "", error)


def in_processes(
    work: Work[Job], next_job: NextJob[Job], report: ReportOf[Job], workers: int
) -> Iterator[Outcome[Job]]:
    """Do jobs in ``workers`` processes, in whatever order they get done.

    Args:
        work: a function a fresh process can import.
        next_job: asked whenever a worker is idle.
        report: called in this thread.
        workers: how many.

    Yields:
        One outcome a job. A job whose worker died is done again, ``ATTEMPTS`` times in all.
    """
    crew: list[_Worker[Job]] = []
    again: list[tuple[Job, int]] = []
    try:
        while True:
            busy = [worker for worker in crew if worker.job is not None]
            while len(busy) < workers:
                job, tries = again.pop() if again else (next_job(), 0)
                if job is None:
                    break
                worker = next((w for w in crew if w.job is None), None) or _Worker(work)
                if worker not in crew:
                    crew.append(worker)
                worker.begin(job, tries + 1)
                busy.append(worker)
            if not busy:
                return
            ready = wait([worker.pipe for worker in busy])
            for worker in [w for w in busy if w.pipe in ready]:
                job, tries = worker.job, worker.tries
                assert job is not None
                answer = worker.hear()
                if isinstance(answer, int):
                    report(job, answer)
                elif isinstance(answer, (str, Partial)):
                    worker.job = None
                    yield Outcome.of(job, answer)
                elif isinstance(answer, StreamMerError):
                    worker.job = None
                    yield Outcome(job, "", answer)
                else:
                    crew.remove(worker)
                    how = worker.end()
                    if tries < ATTEMPTS:
                        again.append((job, tries))
                    else:
                        yield Outcome(job, "", died(how, tries))
    finally:
        for worker in crew:
            worker.end()


def died(how: str, tries: int) -> StageError:
    """The error of a job that no worker survived."""
    return StageError(
        f"the worker process died {tries} times on the same piece of video ({how}).\n"
        "It may need more memory than there is: use fewer --workers, or look at the system's log."
    )


class _Worker(Generic[Job]):
    """One process and the pipe to it."""

    def __init__(self, work: Work[Job]) -> None:
        # A forked child would inherit the locks of threads that do not exist in it.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(work, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.job: Job | None = None
        self.tries = 0

    def begin(self, job: Job, tries: int) -> None:
        self.job, self.tries = job, tries
        with suppress(OSError):  # it died while idle; the pipe will say so
            self.pipe.send(job)

    def hear(self) -> object:
        """Frames done, an answer, a failure; None if the process is gone."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def end(self) -> str:
        """Make sure it is gone; how it went."""
        self.pipe.close()
        self.process.join(0.2 if self.job is None else 0)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _serve(work: Callable[[object, Report], str | Partial], pipe: Connection) -> None:
    """Body of a worker process: answer jobs until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; only the parent acts on it
    parent = os.getppid()

    def report(frames: int) -> None:
        if os.getppid() != parent:
            os._exit(1)  # nobody is left to take the answer
        pipe.send(frames)

    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: str | Partial | StreamMerError = work(job, report)
        except StreamMerError as error:
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return
