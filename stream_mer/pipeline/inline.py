"""Runs a plan in one thread: the reference the threaded run must equal, and the easiest to debug."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from time import perf_counter_ns

from stream_mer.pipeline.plan import Plan, Progress, stage_failure
from stream_mer.pipeline.timing import Stopwatch
from stream_mer.protocols import Sink
from stream_mer.types import Result, RunSummary


def run_inline(plan: Plan) -> RunSummary:
    """Run to the end of the source.

    Raises:
        StreamMerError: the first failure; every sink has then been closed with None.
        KeyboardInterrupt: after the outputs were closed properly.
    """
    progress = Progress(started_ns=perf_counter_ns())
    sinks: list[tuple[str, Sink]] = []
    stage = "capture"
    try:
        with ExitStack() as stack:
            source = plan.source()
            stack.callback(source.close)
            info = progress.info = source.info
            stage = "face"
            face = plan.face(info)
            stack.callback(face.close)
            stage = "infer"
            infer = plan.infer(info)
            stack.callback(infer.close)
            for recipe in plan.sinks:
                stage = recipe.name
                sinks.append((recipe.name, recipe.build(info)))

            def deliver(results: Iterable[Result]) -> None:
                nonlocal stage
                for result in results:
                    progress.tally.push(result)
                    if progress.first_result_ns is None:
                        progress.first_result_ns = perf_counter_ns()
                    for name, sink in sinks:
                        stage = name
                        with Stopwatch(progress.stage(name)):
                            sink.write(result)

            frames = iter(source)
            try:
                while True:
                    stage = "capture"
                    start = perf_counter_ns()
                    frame = next(frames, None)
                    if frame is None:
                        break
                    progress.stage("capture").add(perf_counter_ns() - start)
                    stage = "face"
                    with Stopwatch(progress.stage("face")):
                        faces = list(face.push(frame))
                    stage = "infer"
                    with Stopwatch(progress.stage("infer")):
                        results = [r for item in faces for r in infer.push(item)]
                    deliver(results)
            except KeyboardInterrupt:
                progress.interrupted = True
            stage = "infer"
            deliver([r for item in face.flush() for r in infer.push(item)])
            deliver(infer.flush())
            progress.losses, progress.warnings = dict(source.losses), tuple(source.warnings)
            progress.finished_ns = perf_counter_ns()
            summary = plan.summarise(progress)
            while sinks:
                stage, sink = sinks.pop()
                sink.close(summary)
        if progress.interrupted:
            raise KeyboardInterrupt
        return summary
    except Exception as error:  # the thread border: every stage's failure is named
        for _, sink in sinks:
            sink.close(None)
        raise stage_failure(stage, error) from error
