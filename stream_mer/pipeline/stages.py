"""What each thread of a run does: capture, face, infer, and one sink."""

from __future__ import annotations

from time import perf_counter_ns

from stream_mer.pipeline.channel import Channel, Closed, End
from stream_mer.pipeline.plan import Attentive, SinkRecipe
from stream_mer.pipeline.timing import Stopwatch
from stream_mer.pipeline.wiring import Wiring
from stream_mer.protocols import Sink, Source
from stream_mer.types import Result, RunSummary

IDLE_S = 0.05
"""How often an attentive sink is called while nothing comes."""


def capture(wiring: Wiring) -> None:
    """Read the source to its end; what was captured before a failure is still delivered."""
    source = wiring.plan.source()
    try:
        wiring.attach(source)
        if not wiring.plan.drain:
            wiring.built.wait()
        try:
            _read(wiring, source)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001  (the source's failure is raised at the very end)
            wiring.fail("capture", error)
        wiring.progress.losses = {**source.losses, **wiring.ledger.read().dropped}
        wiring.progress.warnings = tuple(source.warnings)
        wiring.to_face.end()
    finally:
        wiring.detach()
        source.close()


def _read(wiring: Wiring, source: Source) -> None:
    """Deliver the frames; those that come while the stages are still being built are discarded."""
    times, ledger = wiring.progress.stage("capture"), wiring.ledger
    start = perf_counter_ns()
    for frame in source:
        times.add(perf_counter_ns() - start)
        ledger.capture(frame.index, frame.pts_ns)
        if wiring.built.is_set():
            wiring.to_face.put(frame)
        else:
            ledger.drop(frame.index, "loading")
        wiring.beats += 1
        start = perf_counter_ns()


def face(wiring: Wiring) -> None:
    """Find and cut the faces."""
    step = wiring.plan.face(wiring.info())
    try:
        wiring.one_built()
        times = wiring.progress.stage("face")
        while not isinstance(frame := wiring.to_face.get(), End):
            with Stopwatch(times):
                made = list(step.push(frame))
            for item in made:
                wiring.to_infer.put(item)
            wiring.beats += 1
        for item in step.flush():
            wiring.to_infer.put(item)
        wiring.to_infer.end()
    finally:
        step.close()


def infer(wiring: Wiring) -> None:
    """Judge the faces and hand the results to every sink."""
    step, progress = wiring.plan.infer(wiring.info()), wiring.progress
    try:
        wiring.one_built()
        times = progress.stage("infer")
        while not isinstance(faces := wiring.to_infer.get(), End):
            with Stopwatch(times):
                results = list(step.push(faces))
            for result in results:
                _deliver(wiring, result)
            age_ns = wiring.ledger.age_ns(faces.frame.index)
            if age_ns is not None:
                wiring.latency.add(age_ns)
            wiring.ledger.process(faces.frame.index)
        for result in step.flush():
            _deliver(wiring, result)
        progress.finished_ns = perf_counter_ns()
        wiring.summary = wiring.plan.summarise(progress)
        for channel in wiring.to_sinks:
            channel.end()
    finally:
        step.close()


def _deliver(wiring: Wiring, result: Result) -> None:
    progress = wiring.progress
    progress.tally.push(result)
    if progress.first_result_ns is None:
        progress.first_result_ns = perf_counter_ns()
    for channel in wiring.to_sinks:
        channel.put(result)
    wiring.beats += 1


class SinkWork:
    """One sink's share of a run, in steps, so that it can live in a thread of its own or in the caller's.

    Args:
        wiring: of the run.
        recipe: which sink.
        channel: where its results come from.
    """

    def __init__(self, wiring: Wiring, recipe: SinkRecipe, channel: Channel[Result]) -> None:
        self.name = recipe.name
        self._wiring, self._recipe, self._channel = wiring, recipe, channel
        self._sink: Sink | None = None
        self._summary: RunSummary | None = None

    def run(self) -> None:
        """Everything, one step after the other."""
        try:
            while self.step(IDLE_S):
                pass
        finally:
            self.close()

    def step(self, patience_s: float) -> bool:
        """Build the sink, or give it one result, or let it idle; False when it has had the last.

        Raises:
            Closed: the run was aborted.
        """
        if self._sink is None:
            if self._wiring.opened.wait(patience_s):
                self._sink = self._recipe.build(self._wiring.info())
                self._wiring.one_built()
            return True
        attentive = self._sink if isinstance(self._sink, Attentive) else None
        result = self._channel.get() if attentive is None else self._channel.poll(patience_s)
        if isinstance(result, End):
            self._wiring.progress.finished_ns = perf_counter_ns()
            self._summary = self._wiring.summary
            return False
        if result is not None:
            with Stopwatch(self._wiring.progress.stage(self.name)):
                self._sink.write(result)
            self._wiring.beats += 1
        elif attentive is not None:
            attentive.idle()
        return True

    def close(self) -> None:
        """Close the sink; it gets the summary only if it has had every result."""
        if self._sink is not None:
            self._sink.close(self._summary)
