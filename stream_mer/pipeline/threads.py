"""Runs a plan in threads: capture -> face -> infer -> one per sink.

End and failure are different messages. The end of the source travels through the channels and
everything before it is delivered, also when the source ends by failing. A failure of any other stage
aborts the channels. The first failure is raised in the thread that called ``run``.
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
DOUBLE_PRESS_S = 2.0
"""Ctrl-C again within this time changes nothing: the outputs are being closed."""


class ThreadedRun:
    """One run of one plan.

    Args:
        plan: what to run.
        patience_s: how long a stopping run may show no progress before the threads that hang are named
            and left behind (they are daemons: they cannot keep the process alive).
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
        self._beats = 0
        self._interrupted_at = 0.0
        self._opened = threading.Event()
        self._to_face: Channel[Frame] = Channel(DEPTH, Full.DROP_OLDEST if plan.lossy else Full.BLOCK)
        self._to_infer: Channel[FrameFaces] = Channel(DEPTH)
        self._to_sinks: list[Channel[Result]] = [Channel(DEPTH) for _ in plan.sinks]
        # Frames are delivered only when every stage is built, so that none is lost to loading.
        self._building = 2 + len(self._to_sinks)
        self._built = threading.Event()

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

    def abort(self) -> None:
        """End now: what waits between the stages is discarded. Callable from any thread."""
        self._to_face.abort()
        self._to_infer.abort()
        for channel in self._to_sinks:
            channel.abort()
        self._opened.set()
        self._built.set()
        self.stop()

    def run(self) -> RunSummary:
        """Run until the source ends or ``stop`` is called.

        Raises:
            StreamMerError: the first failure. If it was the source's, everything before was delivered.
            KeyboardInterrupt: after an orderly stop; ``progress`` then holds what was done.
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
        while True:
            try:
                return self._outcome(self._wait(threads))
            except KeyboardInterrupt:  # noqa: PERF203  (one turn per Ctrl-C)
                if not any(thread.is_alive() for thread in threads):
                    raise
                self._interrupt()

    def _interrupt(self) -> None:
        """The first Ctrl-C stops in order; a second one, if not merely a double press, ends at once."""
        if not self._progress.interrupted:
            self._progress.interrupted = True
            self._interrupted_at = monotonic()
            self.stop()
        elif monotonic() - self._interrupted_at > DOUBLE_PRESS_S:
            self.abort()

    def summarise(self) -> RunSummary:
        """The summary of what was done so far."""
        return self._plan.summarise(self._progress)

    def _wait(self, threads: list[threading.Thread]) -> list[str]:
        """Wait for the threads; once stopping, only while they make progress. Names of those left."""
        beats, since = self._beats, monotonic()
        while alive := [t for t in threads if t.is_alive()]:
            alive[0].join(0.1)
            ending = self._stopping or self._failure is not None
            if not ending or beats != self._beats:
                beats, since = self._beats, monotonic()
            elif monotonic() - since > self._patience_s:
                self.abort()
                for thread in alive:
                    thread.join(self._patience_s / 10)
                break
        return [t.name for t in threads if t.is_alive()]

    def _outcome(self, hanging: list[str]) -> RunSummary:
        if self._failure is not None:
            raise self._failure
        if hanging:
            raise StageError(
                f"stage '{hanging[0]}' did not stop within {self._patience_s:g} s and was left behind.\n"
                "Its output may be incomplete."
            )
        if self._progress.interrupted:
            raise KeyboardInterrupt
        return self.summarise()  # once more: the sinks' own times are known only now

    def _thread(self, name: str, body: Callable[[], None]) -> threading.Thread:
        def border() -> None:
            try:
                body()
            except Closed:
                self.abort()  # only an aborted run closes channels: make sure that everybody knows
            except BaseException as error:  # noqa: BLE001  (the thread border; SystemExit too ends the run)
                self._fail(name, error)
                self.abort()

        return threading.Thread(target=border, name=name, daemon=True)

    def _fail(self, stage: str, error: BaseException) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = stage_failure(stage, error)

    def _info(self) -> SourceInfo:
        self._opened.wait()
        if self._progress.info is None:
            raise Closed
        return self._progress.info

    def _one_built(self) -> None:
        with self._lock:
            self._building -= 1
            ready = self._building == 0
        if ready:
            self._built.set()

    def _capture(self) -> None:
        source = self._plan.source()
        try:
            with self._lock:
                self._source = source
                stopping = self._stopping
            self._progress.info = source.info
            self._opened.set()
            if stopping:
                source.interrupt()
            if not self._plan.drain:
                self._built.wait()
            missed = 0
            try:
                missed = self._read(source)
            except Closed:
                raise
            except Exception as error:  # noqa: BLE001  (what was captured before is still delivered)
                self._fail("capture", error)
            losses = dict(source.losses)
            if missed:
                losses["loading"] = missed
            if self._to_face.dropped:
                losses["overload"] = self._to_face.dropped
            self._progress.losses, self._progress.warnings = losses, tuple(source.warnings)
            self._to_face.end()
        finally:
            with self._lock:
                self._source = None
            source.close()

    def _read(self, source: Source) -> int:
        """Deliver the frames; returns how many came while the stages were still being built."""
        times, missed = self._progress.stage("capture"), 0
        start = perf_counter_ns()
        for frame in source:
            times.add(perf_counter_ns() - start)
            if self._built.is_set():
                self._to_face.put(frame)
            else:
                missed += 1
            self._beats += 1
            start = perf_counter_ns()
        return missed

    def _face(self) -> None:
        step = self._plan.face(self._info())
        try:
            self._one_built()
            times = self._progress.stage("face")
            while not isinstance(frame := self._to_face.get(), End):
                with Stopwatch(times):
                    made = list(step.push(frame))
                for item in made:
                    self._to_infer.put(item)
                self._beats += 1
            for item in step.flush():
                self._to_infer.put(item)
            self._to_infer.end()
        finally:
            step.close()

    def _infer(self) -> None:
        step = self._plan.infer(self._info())
        try:
            self._one_built()
            times = self._progress.stage("infer")
            while not isinstance(faces := self._to_infer.get(), End):
                with Stopwatch(times):
                    results = list(step.push(faces))
                for result in results:
                    self._deliver(result)
            for result in step.flush():
                self._deliver(result)
            self._progress.finished_ns = perf_counter_ns()
            self._summary = self.summarise()
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
        self._beats += 1

    def _sink(self, recipe: SinkRecipe, channel: Channel[Result]) -> None:
        sink = recipe.build(self._info())
        summary: RunSummary | None = None
        try:
            self._one_built()
            times = self._progress.stage(recipe.name)
            while not isinstance(result := channel.get(), End):
                with Stopwatch(times):
                    sink.write(result)
                self._beats += 1
            self._progress.finished_ns = perf_counter_ns()
            summary = self._summary
        finally:
            sink.close(summary)
