"""Runs a plan in one thread: the reference the threaded run must equal, and the easiest to debug."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from time import perf_counter_ns

from stream_mer.pipeline.plan import Plan, Progress, stage_failure
from stream_mer.pipeline.timing import Stopwatch
from stream_mer.protocols import Sink
from stream_mer.types import Result, RunSummary


class _Delivery:
    """The sinks, and which stage is at work (to name it if it fails)."""

    def __init__(self, progress: Progress) -> None:
        self.stage = "capture"
        self.summary: RunSummary | None = None
        self.sinks: list[tuple[str, Sink]] = []
        self._progress = progress

    def add(self, name: str, sink: Sink, stack: ExitStack) -> None:
        self.sinks.append((name, sink))
        stack.callback(self._close, name, sink)

    def _close(self, name: str, sink: Sink) -> None:
        if self.summary is not None:  # a failure before keeps its own stage
            self.stage = name
        sink.close(self.summary)

    def deliver(self, results: Iterable[Result]) -> None:
        for result in results:
            self._progress.tally.push(result)
            if self._progress.first_result_ns is None:
                self._progress.first_result_ns = perf_counter_ns()
            for name, sink in self.sinks:
                self.stage = name
                with Stopwatch(self._progress.stage(name)):
                    sink.write(result)


def run_inline(plan: Plan) -> RunSummary:
    """Run to the end of the source.

    Raises:
        StreamMerError: the first failure; every sink has then been closed.
    """
    progress = Progress(started_ns=perf_counter_ns())
    work = _Delivery(progress)
    try:
        with ExitStack() as stack:
            source = plan.source()
            stack.callback(source.close)
            info = progress.info = source.info
            work.stage = "face"
            face = plan.face(info)
            stack.callback(face.close)
            work.stage = "infer"
            infer = plan.infer(info)
            stack.callback(infer.close)
            for recipe in plan.sinks:
                work.stage = recipe.name
                work.add(recipe.name, recipe.build(info), stack)
            frames = iter(source)
            while True:
                work.stage = "capture"
                start = perf_counter_ns()
                frame = next(frames, None)
                if frame is None:
                    break
                progress.stage("capture").add(perf_counter_ns() - start)
                work.stage = "face"
                with Stopwatch(progress.stage("face")):
                    faces = list(face.push(frame))
                work.stage = "infer"
                with Stopwatch(progress.stage("infer")):
                    results = [r for item in faces for r in infer.push(item)]
                work.deliver(results)
            work.stage = "infer"
            work.deliver([r for item in face.flush() for r in infer.push(item)])
            work.deliver(infer.flush())
            progress.losses, progress.warnings = dict(source.losses), tuple(source.warnings)
            progress.finished_ns = perf_counter_ns()
            work.summary = plan.summarise(progress)
        return work.summary
    except Exception as error:  # the thread border: every stage's failure is named
        raise stage_failure(work.stage, error) from error
