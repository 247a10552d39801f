"""Runs a plan in threads: capture -> face -> infer -> one per sink.

End and failure are different messages: the end of the source travels through the channels and
everything before it is delivered; a failure aborts the channels, and the first one is raised in the
thread that called ``run``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic, perf_counter_ns

from stream_mer.errors import StageError
from stream_mer.pipeline.channel import Channel, Closed, End, Full
from stream_mer.pipeline.plan import Plan, Progress, SinkRecipe, stage_failure
from stream_mer.pipeline.timing import Stopwatch
from stream_mer.protocols import Source
from stream_mer.types import Frame, FrameFaces, Result, RunSummary, SourceInfo

DEPTH = 4
"""Items waiting between two threads: enough to overlap, small enough for 4k frames."""


class ThreadedRun:
    """One run of one plan.

    Args:
        plan: what to run.
        patience_s: how long a stop may take before the threads that hang are named and left behind
            (they are daemons: they cannot keep the process alive).
    """

    def __init__(self, plan: Plan, *, patience_s: float = 10.0) -> None:
        self._plan = plan
        self._patience_s = patience_s
        self._progress = Progress()
        self._summary: RunSummary | None = None
        self._failure: Exception | None = None
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._stopping = False
        self._opened = threading.Event()
        self._to_face: Channel[Frame] = Channel(DEPTH, Full.DROP_OLDEST if plan.lossy else Full.BLOCK)
        self._to_infer: Channel[FrameFaces] = Channel(DEPTH)
        self._to_sinks: list[Channel[Result]] = [Channel(DEPTH) for _ in plan.sinks]
        # Capture starts when every stage is built, so that a live source loses nothing to loading.
        self._ready = threading.Semaphore(0)

    @property
    def progress(self) -> Progress:
        """Counts so far; reading single values from another thread is safe."""
        return self._progress

    @property
    def dropped(self) -> int:
        """Frames dropped so far because the stages after the capture were too slow."""
        return self._to_face.dropped

    def stop(self) -> None:
        """Ask for an orderly end: what was captured is still delivered. Callable from any thread."""
        with self._lock:
            self._stopping = True
            source = self._source
        if source is not None:
            source.interrupt()

    def run(self) -> RunSummary:
        """Run until the source ends or ``stop`` is called.

        Raises:
            StreamMerError: the first failure; sinks have then been closed with None.
            KeyboardInterrupt: after an orderly stop.
        """
        self._progress.started_ns = perf_counter_ns()
        threads = [
            self._thread("capture", self._capture),
            self._thread("face", self._face),
            self._thread("infer", self._infer),
        ]
        for recipe, channel in zip(self._plan.sinks, self._to_sinks, strict=True):
            threads.append(self._thread(recipe.name, partial(self._sink, recipe, channel)))
        for thread in threads:
            thread.start()
        deadline: float | None = None
        while any(thread.is_alive() for thread in threads):
            try:
                next(t for t in threads if t.is_alive()).join(0.1)
            except StopIteration:
                break
            except KeyboardInterrupt:
                if self._progress.interrupted:
                    self._abort()
                self._progress.interrupted = True
                self.stop()
            if deadline is None and (self._stopping or self._failure is not None):
                deadline = monotonic() + self._patience_s
            if deadline is not None and monotonic() > deadline:
                self._abort()
                for thread in threads:
                    thread.join(self._patience_s / 10)
                break
        return self._outcome([t.name for t in threads if t.is_alive()])

    def _outcome(self, hanging: list[str]) -> RunSummary:
        if self._failure is not None:
            raise self._failure
        if hanging:
            raise StageError(
                f"stage '{hanging[0]}' did not stop within {self._patience_s:g} s and was left behind.\n"
                "Its output may be incomplete."
            )
        if self._progress.interrupted or self._summary is None:
            raise KeyboardInterrupt
        # The sinks' own times and the true end are known only now.
        return self._plan.summarise(self._progress)

    def _thread(self, name: str, body: Callable[[], None]) -> threading.Thread:
        def border() -> None:
            try:
                body()
            except Closed:
                pass
            except Exception as error:  # noqa: BLE001  (the thread border)
                self._fail(name, error)

        return threading.Thread(target=border, name=name, daemon=True)

    def _fail(self, stage: str, error: Exception) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = stage_failure(stage, error)
        self._abort()

    def _abort(self) -> None:
        self._opened.set()
        self._to_face.abort()
        self._to_infer.abort()
        for channel in self._to_sinks:
            channel.abort()
        self._ready.release(2 + len(self._to_sinks))
        self.stop()

    def _info(self) -> SourceInfo:
        self._opened.wait()
        if self._progress.info is None:
            raise Closed
        return self._progress.info

    def _capture(self) -> None:
        source = self._plan.source()
        try:
            with self._lock:
                self._source = source
                stopping = self._stopping
            self._progress.info = source.info
            self._opened.set()
            for _ in range(2 + len(self._to_sinks)):
                self._ready.acquire()
            if stopping:
                source.interrupt()
            times = self._progress.stage("capture")
            start = perf_counter_ns()
            for frame in source:
                times.add(perf_counter_ns() - start)
                self._to_face.put(frame)
                start = perf_counter_ns()
            losses = dict(source.losses)
            if self._to_face.dropped:
                losses["overload"] = self._to_face.dropped
            self._progress.losses, self._progress.warnings = losses, tuple(source.warnings)
            self._to_face.end()
        finally:
            with self._lock:
                self._source = None
            source.close()

    def _face(self) -> None:
        step = self._plan.face(self._info())
        try:
            self._ready.release()
            times = self._progress.stage("face")
            while not isinstance(frame := self._to_face.get(), End):
                with Stopwatch(times):
                    made = list(step.push(frame))
                for item in made:
                    self._to_infer.put(item)
            for item in step.flush():
                self._to_infer.put(item)
            self._to_infer.end()
        finally:
            step.close()

    def _infer(self) -> None:
        step = self._plan.infer(self._info())
        try:
            self._ready.release()
            times = self._progress.stage("infer")
            while not isinstance(faces := self._to_infer.get(), End):
                with Stopwatch(times):
                    results = list(step.push(faces))
                for result in results:
                    self._deliver(result)
            for result in step.flush():
                self._deliver(result)
            self._progress.finished_ns = perf_counter_ns()
            self._summary = self._plan.summarise(self._progress)
            for channel in self._to_sinks:
                channel.end()
        finally:
            step.close()

    def _deliver(self, result: Result) -> None:
        self._progress.tally.push(result)
        if self._progress.first_result_ns is None:
            self._progress.first_result_ns = perf_counter_ns()
        for channel in self._to_sinks:
            channel.put(result)

    def _sink(self, recipe: SinkRecipe, channel: Channel[Result]) -> None:
        sink = recipe.build(self._info())
        summary: RunSummary | None = None
        try:
            self._ready.release()
            times = self._progress.stage(recipe.name)
            while not isinstance(result := channel.get(), End):
                with Stopwatch(times):
                    sink.write(result)
            self._progress.finished_ns = perf_counter_ns()
            summary = self._summary
        finally:
            sink.close(summary)
