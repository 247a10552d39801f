"""What the threads of one run share: the channels between them, the counts, and the first failure."""

from __future__ import annotations

import threading

from stream_mer.pipeline.channel import Channel, Closed, Full
from stream_mer.pipeline.ledger import Ledger
from stream_mer.pipeline.plan import Plan, Progress, stage_failure
from stream_mer.pipeline.timing import StageTimes
from stream_mer.protocols import Source
from stream_mer.types import Frame, FrameFaces, Result, RunSummary, SourceInfo

DEPTH = 4
"""Items waiting between two threads: enough to overlap, small enough for 4k frames."""
BURST_FRAMES, BURST_BYTES = 32, 48_000_000
"""A live source's burst is held back up to so many frames, and so much memory."""


class Wiring:
    """Made for one run of one plan; every method may be called from any thread."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.progress = Progress()
        self.ledger = Ledger()
        self.latency = StageTimes()
        """From a frame's capture to its result."""
        self.summary: RunSummary | None = None
        self.failure: Exception | None = None
        self.stopping = False
        self.beats = 0
        """Grows with every item anywhere: standing still while stopping means that something hangs."""
        self.opened = threading.Event()
        self.built = threading.Event()
        """Frames are delivered only when every stage is built, so that none is lost to loading."""
        full = Full.DROP_OLDEST if plan.lossy else Full.BLOCK
        self.to_face: Channel[Frame] = Channel(
            DEPTH, full, on_drop=lambda frame: self.ledger.drop(frame.index, "overload")
        )
        # Of a live picture that is late anyway, the less waits behind the lossy edge the better.
        self.to_infer: Channel[FrameFaces] = Channel(DEPTH // 2 if plan.lossy else DEPTH)
        self.to_sinks: list[Channel[Result]] = [Channel(DEPTH) for _ in plan.sinks]
        self._building = 2 + len(self.to_sinks)
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._source_losses: dict[str, int] = {}

    def attach(self, source: Source) -> None:
        """The capture's source is open; from now on ``stop`` interrupts it."""
        with self._lock:
            self._source = source
            stopping = self.stopping
        info = self.progress.info = source.info
        fits = BURST_BYTES // max(1, 3 * info.width * info.height)
        self.to_face.burst = max(DEPTH, min(BURST_FRAMES, fits))
        self.opened.set()
        if stopping:
            source.interrupt()

    def detach(self) -> None:
        """The source is about to be closed."""
        self.losses()
        with self._lock:
            self._source = None

    def losses(self) -> dict[str, int]:
        """What the source has lost so far, by its own account."""
        with self._lock:
            if self._source is not None:
                self._source_losses = dict(self._source.losses)
            return self._source_losses

    def info(self) -> SourceInfo:
        """What the source says about itself; waits until it is open.

        Raises:
            Closed: it never was.
        """
        self.opened.wait()
        if self.progress.info is None:
            raise Closed
        return self.progress.info

    def one_built(self) -> None:
        """One of the stages after the capture is ready."""
        with self._lock:
            self._building -= 1
            ready = self._building == 0
        if ready:
            self.built.set()

    def fail(self, stage: str, error: BaseException) -> None:
        """Remember the first failure."""
        with self._lock:
            if self.failure is None:
                self.failure = stage_failure(stage, error)

    def stop(self) -> None:
        """Ask for an orderly end: what was captured is still delivered."""
        with self._lock:
            self.stopping = True
            source = self._source
        if source is not None:
            source.interrupt()

    def abort(self) -> None:
        """End now: what waits between the stages is discarded."""
        self.to_face.abort()
        self.to_infer.abort()
        for channel in self.to_sinks:
            channel.abort()
        self.opened.set()
        self.built.set()
        self.stop()
