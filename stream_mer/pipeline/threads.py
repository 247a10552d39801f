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
from stream_mer.pipeline import stages
from stream_mer.pipeline.channel import Closed
from stream_mer.pipeline.ledger import Flow
from stream_mer.pipeline.plan import Plan, Progress
from stream_mer.pipeline.presses import Presses, counted_presses
from stream_mer.pipeline.stages import SinkWork
from stream_mer.pipeline.timing import StageTimes
from stream_mer.pipeline.wiring import Wiring
from stream_mer.types import RunSummary

DOUBLE_PRESS_S = 2.0
"""Ctrl-C again within this time changes nothing: the outputs are being closed."""
LOOK_S = 0.1
"""How often the waiting thread looks whether it was asked to stop."""


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
        self._wiring = Wiring(plan)
        self._pressed, self._pressed_at = 0, 0.0

    @property
    def progress(self) -> Progress:
        """Counts so far; reading single values from another thread is safe."""
        return self._wiring.progress

    @property
    def dropped(self) -> int:
        """Frames dropped so far because the stages after the capture were too slow."""
        return self._wiring.to_face.dropped

    @property
    def latency(self) -> StageTimes:
        """From a frame's capture to its result."""
        return self._wiring.latency

    @property
    def backlog(self) -> int:
        """Frames waiting for the face stage just now, at most ``pipeline.wiring.DEPTH``."""
        return len(self._wiring.to_face)

    def flow(self) -> Flow:
        """Where every captured frame is, at one moment. Callable from any thread."""
        return self._wiring.ledger.read()

    def age_ns(self, index: int) -> int | None:
        """Time since frame ``index`` was captured; None if that is long ago."""
        return self._wiring.ledger.age_ns(index)

    def utc_ns(self, pts_ns: int) -> int:
        """The wall clock's time, ns since 1970 in UTC, at a time of the source."""
        return self._wiring.ledger.utc_ns(pts_ns)

    def losses(self) -> dict[str, int]:
        """Frames the source knows to have lost before they were captured, by cause."""
        return self._wiring.losses()

    def stop(self) -> None:
        """Ask for an orderly end: what was captured is still delivered. Callable from any thread."""
        self._wiring.stop()

    def abort(self) -> None:
        """End now: what waits between the stages is discarded. Callable from any thread."""
        self._wiring.abort()

    def run(self) -> RunSummary:
        """Run until the source ends or ``stop`` is called.

        In the main thread Ctrl-C is counted, not raised: the first stops in order, a later one (if not
        merely a double press) ends at once, and whatever the number, every output is closed.

        Raises:
            StreamMerError: the first failure. If it was the source's, everything before was delivered.
            KeyboardInterrupt: after the stop that Ctrl-C asked for; ``progress`` holds what was done.
        """
        wiring = self._wiring
        wiring.progress.started_ns = perf_counter_ns()
        here: SinkWork | None = None
        bodies: list[tuple[str, Callable[[], None]]] = [
            ("capture", partial(stages.capture, wiring)),
            ("face", partial(stages.face, wiring)),
            ("infer", partial(stages.infer, wiring)),
        ]
        for recipe, channel in zip(self._plan.sinks, wiring.to_sinks, strict=True):
            work = SinkWork(wiring, recipe, channel)
            if recipe.main and here is None:
                here = work
            else:
                bodies.append((recipe.name, work.run))
        threads = [self._thread(name, body) for name, body in bodies]
        with counted_presses() as presses:
            for thread in threads:
                thread.start()
            if here is not None:
                self._guard(here.name, partial(self._run_here, here, presses))
            hanging = self._wait(threads, presses)
            wiring.ledger.settle("aborted")
        return self._outcome(hanging)

    def summarise(self) -> RunSummary:
        """The summary of what was done so far."""
        return self._plan.summarise(self.progress)

    def _run_here(self, work: SinkWork, presses: Presses) -> None:
        try:
            while work.step(stages.IDLE_S):
                self._look(presses)
        finally:
            work.close()

    def _look(self, presses: Presses) -> None:
        """Act on Ctrl-C: the first one stops in order; a second one, if no double press, ends at once."""
        if presses.count == self._pressed:
            return
        self._pressed = presses.count
        if not self.progress.interrupted:
            self.progress.interrupted, self._pressed_at = True, monotonic()
            self.stop()
        elif monotonic() - self._pressed_at > DOUBLE_PRESS_S:
            self.abort()

    def _wait(self, threads: list[threading.Thread], presses: Presses) -> list[str]:
        """Wait for the threads; once stopping, only while they make progress. Names of those left."""
        wiring = self._wiring
        beats, since = wiring.beats, monotonic()
        while alive := [t for t in threads if t.is_alive()]:
            alive[0].join(LOOK_S)
            self._look(presses)
            ending = wiring.stopping or wiring.failure is not None
            if not ending or beats != wiring.beats:
                beats, since = wiring.beats, monotonic()
            elif monotonic() - since > self._patience_s:
                self.abort()
                for thread in alive:
                    thread.join(self._patience_s / 10)
                break
        return [t.name for t in threads if t.is_alive()]

    def _outcome(self, hanging: list[str]) -> RunSummary:
        if self._wiring.failure is not None:
            raise self._wiring.failure
        if hanging:
            raise StageError(
                f"stage '{hanging[0]}' did not stop within {self._patience_s:g} s and was left behind.\n"
                "Its output may be incomplete."
            )
        if self.progress.interrupted:
            raise KeyboardInterrupt
        return self.summarise()  # once more: the sinks' own times are known only now

    def _thread(self, name: str, body: Callable[[], None]) -> threading.Thread:
        return threading.Thread(target=partial(self._guard, name, body), name=name, daemon=True)

    def _guard(self, name: str, body: Callable[[], None]) -> None:
        """The border of a thread: a failure ends the run and is remembered."""
        try:
            body()
        except Closed:
            self.abort()  # only an aborted run closes channels: make sure that everybody knows
        except BaseException as error:  # noqa: BLE001  (the thread border; SystemExit too ends the run)
            self._wiring.fail(name, error)
            self.abort()
