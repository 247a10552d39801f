"""One camera of a service: what it runs, what it has counted, and how it fares."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter_ns

from stream_mer.app.compose import DetectorFactory, build_plan
from stream_mer.app.relief import SharedNetworks
from stream_mer.app.sources import SourceRecipe, open_source
from stream_mer.app.totals import Totals
from stream_mer.capture.backoff import Backoff, is_final
from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.reconnect import LinkChange
from stream_mer.capture.redact import redact
from stream_mer.config import Settings
from stream_mer.errors import OutputError, SourceError, StreamMerError
from stream_mer.pipeline.plan import Plan, SinkRecipe
from stream_mer.pipeline.sparse import SparseTracker
from stream_mer.pipeline.steps import FaceStep
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.protocols import Step
from stream_mer.sinks.history import Status
from stream_mer.sinks.summary import write_summary
from stream_mer.types import Frame, FrameFaces, RunSummary

FRESH_S = 5.0
"""A camera whose last frame is older does not count as up."""
RUN_FOLDER = "%Y%m%dT%H%M%SZ"


class Camera:
    """Runs one camera, again and again if need be; one thread calls ``keep`` or ``run_once``.

    Args:
        name: for people; also the label of its metrics and its folder's name.
        source: camera number, address or file; never shown as it is.
        settings: its own.
        networks: shared with the others.
        detectors: builds its detector.
        sparse: whether faces are to be looked for less often just now.
        sinks: its sinks, made anew for every run from the run's start in UTC.
        folder: where a run that starts then leaves its summary, if anywhere.
        note: told how it fares, one line, for the dashboard.
        over: told when it has given up for good.
        threshold: probability from which a score counts, for pictures.
        chance: random numbers in 0..1, so that many cameras behind one switch do not all try at once.
    """

    def __init__(
        self,
        name: str,
        source: str,
        settings: Settings,
        networks: SharedNetworks,
        detectors: DetectorFactory,
        sparse: Callable[[], bool],
        sinks: Callable[[Camera, datetime], Sequence[SinkRecipe]],
        *,
        folder: Callable[[datetime], Path | None] = lambda _: None,
        note: Callable[[str], None] = lambda _: None,
        over: Callable[[], None] = lambda: None,
        threshold: float = 0.5,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name, self.settings, self.threshold = name, settings, threshold
        self._networks, self._detectors = networks, detectors
        self._sparse, self._sinks, self._folder = sparse, sinks, folder
        self._note, self._over, self._chance = note, over, chance
        self._log = logging.LoggerAdapter(logging.getLogger("stream_mer.camera"), {"camera": name})
        self.recipe: SourceRecipe = open_source(source, paced=True, observe=self._link)
        self._pause = MonotonicClock()
        self._lock = threading.Lock()
        self._run: ThreadedRun | None = None
        self._past = Totals()
        self._last_ns: int | None = None
        self.reconnects: Counter[str] = Counter()
        self.restarts = 0
        self._stopping = False

    @property
    def run(self) -> ThreadedRun | None:
        """The present run, if there is one."""
        return self._run

    def totals(self) -> Totals:
        """Counts over all runs, of one moment."""
        with self._lock:
            return self._past if self._run is None else self._past.plus(Totals.of(self._run))

    def keep(self) -> None:
        """Run until stopped; after a failure pause (longer each time) and begin again.

        A wrong password is not tried again: many cameras lock the account.
        """
        backoff = Backoff()
        while not self._stopping:
            processed, began_ns = self.totals().processed, self._pause.now_ns()
            try:
                self.run_once()
                self._tell(logging.INFO, "stopped" if self._stopping else "the stream has ended")
                return
            except StreamMerError as error:
                failure = redact(str(error).partition("\n")[0])
                if isinstance(error, SourceError):
                    self.reconnects[error.reason] += 1
                    if is_final(error, was_connected=True):
                        self._tell(logging.ERROR, f"gave up: {failure}")
                        self._over()
                        return
                if self.totals().processed > processed:
                    backoff.connected(began_ns)
                again_ns = backoff.lost(self._pause.now_ns(), self._chance())
                pause_s = (again_ns - self._pause.now_ns()) / 1e9
                self._tell(logging.ERROR, f"{failure}; trying again in {pause_s:.1f} s")
                if not self._pause.wait_until(again_ns):
                    return
                self.restarts += 1

    def run_once(self) -> RunSummary:
        """One run, from opening the source to the end of the stream.

        Raises:
            StreamMerError: the source, an engine, an output or a stage failed.
        """
        started = datetime.now(timezone.utc)
        run, folder = ThreadedRun(self._plan(started)), self._folder(started)
        with self._lock:
            self._run = run
            stopping = self._stopping
        if stopping:
            run.stop()
        try:
            summary = run.run()
        except BaseException:
            self._book(run)
            try:
                _report(run, folder)
            except OutputError as error:  # why the run ended says more, and may mean "never again"
                self._log.warning("%s: %s", self.name, str(error).partition("\n")[0])
            raise
        self._book(run)
        _report(run, folder)
        return summary

    def stop(self) -> None:
        """Ask for an orderly end. Callable from any thread."""
        with self._lock:
            self._stopping = True
            run = self._run
        self._pause.interrupt()
        if run is not None:
            run.stop()

    def abort(self) -> None:
        """End now, whatever waits. Callable from any thread."""
        self.stop()
        run = self._run
        if run is not None:
            run.abort()

    def age_s(self) -> float | None:
        """Time since the last frame was captured; None before the first."""
        run = self._run
        last = (run.flow().last_ns if run is not None else None) or self._last_ns
        return None if last is None else (perf_counter_ns() - last) / 1e9

    @property
    def up(self) -> bool:
        """Whether pictures come."""
        age_s = self.age_s()
        return age_s is not None and age_s < FRESH_S

    def status(self, index: int | None = None) -> Status:
        """What the overlay shows of the pipeline; ``index`` is the frame on screen."""
        run = self._run
        if run is None:
            return Status()
        age_ns = None if index is None else run.age_ns(index)
        dropped = sum(run.flow().dropped.values()) + sum(run.losses().values())
        return Status(run.progress.tally.coverage, dropped, None if age_ns is None else age_ns / 1e6)

    def utc(self, ns: int) -> str:
        """ISO 8601 UTC of a time on the present run's source clock."""
        run = self._run
        at_ns = run.utc_ns(ns) if run is not None else 0
        seconds, rest_ns = divmod(at_ns, 1_000_000_000)
        when = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest_ns // 1000)
        return when.isoformat(timespec="milliseconds")

    def _book(self, run: ThreadedRun) -> None:
        """A run is over: what it counted is kept, whatever becomes of its outputs."""
        with self._lock:
            self._run = None
            self._past = self._past.plus(Totals.of(run))
            self._last_ns = run.flow().last_ns or self._last_ns

    def _plan(self, started: datetime) -> Plan:
        recipe = self.recipe
        plan = build_plan(
            recipe.build,
            self.settings,
            self._networks.networks,
            self._detectors,
            list(self._sinks(self, started)),
            lossy=True,
            drain=recipe.drain,
        )
        return replace(plan, face=lambda info: self._thinned(plan.face(info)))

    def _thinned(self, step: Step[Frame, FrameFaces]) -> Step[Frame, FrameFaces]:
        if isinstance(step, FaceStep):
            return replace(step, tracker=SparseTracker(step.tracker, self._sparse))
        return step

    def _link(self, change: LinkChange) -> None:
        if change.lost:
            self.reconnects[change.reason] += 1
            self._tell(logging.WARNING, f"{change.words}; trying again in {change.pause_s:.1f} s")
        else:
            self._tell(logging.INFO, f"pictures again after {change.outage_s:.1f} s", "")

    def _tell(self, level: int, words: str, note: str | None = None) -> None:
        self._log.log(level, "%s: %s", self.name, words)
        self._note(redact(words if note is None else note))


def _report(run: ThreadedRun, folder: Path | None) -> None:
    if folder is not None and run.progress.tally.frames:
        write_summary(folder / "run.json", run.summarise())


def folder_of(root: Path, camera: str, started: datetime) -> Path:
    """Where one run of one camera writes: ``ROOT/CAMERA/START``."""
    return root / camera / started.strftime(RUN_FOLDER)
