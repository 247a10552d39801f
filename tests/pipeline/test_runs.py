"""Threaded and inline runs: equal results, every fault ends the run, nothing is left behind."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from stream_mer.errors import OutputError, StageError, StreamMerError
from stream_mer.pipeline.inline import run_inline
from stream_mer.pipeline.plan import Plan, Progress, SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.types import Frame, FrameFaces, Result, RunSummary, SourceInfo

PICTURE = np.zeros((4, 4, 3), np.uint8)
INFO = SourceInfo("scripted", "0" * 64, 4, 4, 25.0, None, None, live=False)


class Boom(RuntimeError):
    """A fault that is not one of ours."""


@dataclass
class Fault:
    """What goes wrong, where and when: raise, hang until interrupted, or end early."""

    stage: str = "none"
    kind: str = "raise"
    at: int = 0
    reached: bool = False
    release: threading.Event = field(default_factory=threading.Event)

    def strikes(self, stage: str, count: int) -> bool:
        """Raise or hang here if so planned; True if the stage is to end early (give nothing any more)."""
        if stage != self.stage or count < self.at:
            return False
        if self.kind == "end":
            return True
        if count == self.at:
            self.reached = True
            if self.kind == "raise":
                raise (OutputError if stage in ("events", "overlay") else Boom)(stage)
            self.release.wait(30)
        return False

    def hits(self, stage: str, count: int) -> bool:
        return stage == self.stage and count == self.at


@dataclass
class Log:
    """Who was built and closed, and in which thread."""

    opened: list[tuple[str, int]] = field(default_factory=list)
    closed: list[tuple[str, int]] = field(default_factory=list)
    written: dict[str, list[int]] = field(default_factory=dict)
    summaries: dict[str, RunSummary | None] = field(default_factory=dict)


class ScriptedSource:
    info = INFO
    losses: dict[str, int] = {}
    warnings: tuple[str, ...] = ()

    def __init__(self, frames: int, fault: Fault, log: Log) -> None:
        self._frames, self._fault, self._log = frames, fault, log
        self._interrupted = threading.Event()
        if fault.stage == "source" and fault.at < 0:
            raise Boom("source cannot be opened")
        log.opened.append(("source", threading.get_ident()))

    def __iter__(self) -> Iterator[Frame]:
        for i in range(self._frames):
            if self._fault.hits("source", i):
                if self._fault.kind == "raise":
                    self._fault.reached = True
                    raise Boom("source")
                if self._fault.kind == "end":
                    return
                self._fault.reached = True
                self._interrupted.wait(30)
            if self._interrupted.is_set():
                return
            yield Frame(i, i * 40_000_000, PICTURE)

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self._log.closed.append(("source", threading.get_ident()))


class ScriptedStep:
    def __init__(self, name: str, fault: Fault, log: Log) -> None:
        self._name, self._fault, self._log, self._count = name, fault, log, 0
        if fault.stage == name and fault.at < 0:
            raise Boom(f"{name} cannot be built")
        log.opened.append((name, threading.get_ident()))

    def push(self, item: Frame | FrameFaces) -> Iterator[FrameFaces | Result]:
        count, self._count = self._count, self._count + 1
        if self._fault.strikes(self._name, count):
            return
        yield FrameFaces(item, ()) if isinstance(item, Frame) else Result(item.frame, ())

    def flush(self) -> tuple[()]:
        return ()

    def close(self) -> None:
        self._log.closed.append((self._name, threading.get_ident()))


class ScriptedSink:
    def __init__(self, name: str, fault: Fault, log: Log) -> None:
        self._name, self._fault, self._log, self._count = name, fault, log, 0
        if fault.stage == name and fault.at < 0:
            raise OutputError(f"{name} cannot be written")
        log.opened.append((name, threading.get_ident()))
        log.written[name] = []

    def write(self, result: Result) -> None:
        count, self._count = self._count, self._count + 1
        if self._fault.strikes(self._name, count):
            return
        self._log.written[self._name].append(result.frame.index)

    def close(self, summary: RunSummary | None) -> None:
        self._log.summaries[self._name] = summary
        self._log.closed.append((self._name, threading.get_ident()))


def summarise(progress: Progress) -> RunSummary:
    tally = progress.tally
    return RunSummary(
        "scripted", tally.frames, dict(progress.losses), tally.duration_s, 25.0, tally.fps, 0.0, 0, 0, 0.0,
        {}, {}, {}, {}, "test",
    )  # fmt: skip


def plan_with(fault: Fault, log: Log, frames: int = 30, *, lossy: bool = False) -> Plan:
    return Plan(
        source=lambda: ScriptedSource(frames, fault, log),
        face=lambda _: ScriptedStep("face", fault, log),
        infer=lambda _: ScriptedStep("infer", fault, log),
        sinks=[
            SinkRecipe(name, lambda _, n=name: ScriptedSink(n, fault, log)) for name in ("events", "overlay")
        ],
        summarise=summarise,
        lossy=lossy,
    )


def workers() -> set[str]:
    return {t.name for t in threading.enumerate()} & {"capture", "face", "infer", "events", "overlay"}


@pytest.mark.parametrize("run", [run_inline, lambda p: ThreadedRun(p).run()], ids=["inline", "threads"])
def test_everything_arrives_once_in_order(run) -> None:
    log = Log()
    summary = run(plan_with(Fault(), log))
    assert log.written == {"events": list(range(30)), "overlay": list(range(30))}
    assert summary.frames == 30
    assert all(s is not None for s in log.summaries.values())


def test_each_object_lives_in_one_thread() -> None:
    log = Log()
    ThreadedRun(plan_with(Fault(), log)).run()
    assert sorted(log.opened) == sorted(log.closed)
    assert len({thread for _, thread in log.opened}) == 5


@pytest.mark.parametrize("run", [run_inline, lambda p: ThreadedRun(p).run()], ids=["inline", "threads"])
@pytest.mark.parametrize("stage", ["source", "face", "infer", "events", "overlay"])
@pytest.mark.parametrize("at", [-1, 0, 7, 29])
def test_a_failure_is_raised_named_and_cleaned_up(run, stage: str, at: int) -> None:
    log = Log()
    with pytest.raises(StreamMerError) as caught:
        run(plan_with(Fault(stage, "raise", at), log))
    named = "capture" if stage == "source" else stage
    assert named in str(caught.value) or isinstance(caught.value, OutputError)
    assert sorted(n for n, _ in log.opened) == sorted(n for n, _ in log.closed)
    assert all(s is None for n, s in log.summaries.items() if n == stage)
    assert not workers()


def test_three_hundred_random_runs_end() -> None:
    rng = random.Random(20261122)
    for _ in range(300):
        fault = Fault(
            rng.choice(["none", "source", "face", "infer", "events", "overlay"]),
            rng.choice(["raise", "hang", "end"]),
            rng.randrange(0, 45),
        )
        log = Log()
        run = ThreadedRun(plan_with(fault, log, frames=rng.randrange(0, 40), lossy=rng.random() < 0.3))

        def stop(run: ThreadedRun = run, fault: Fault = fault) -> None:
            run.stop()
            fault.release.set()

        stopper = threading.Timer(rng.random() * 0.02, stop)
        stopper.start()
        failed = False
        try:
            run.run()
        except StreamMerError:
            failed = True
        finally:
            stopper.cancel()
            stopper.join()
        assert failed == (fault.kind == "raise" and fault.reached), fault
        assert sorted(n for n, _ in log.opened) == sorted(n for n, _ in log.closed), fault
        assert not workers(), fault
        for written in log.written.values():
            assert written == sorted(set(written))


def test_a_stage_that_never_returns_is_named_in_bounded_time() -> None:
    log, release = Log(), threading.Event()
    plan = plan_with(Fault(), log)

    class Stuck(ScriptedStep):
        def push(self, item):  # type: ignore[no-untyped-def]
            release.wait(60)
            return ()

    stuck = Plan(plan.source, plan.face, lambda _: Stuck("infer", Fault(), log), plan.sinks, summarise)
    run = ThreadedRun(stuck, patience_s=0.3)
    threading.Timer(0.1, run.stop).start()
    with pytest.raises(StageError, match="'infer' did not stop"):
        run.run()
    release.set()


def test_losses_are_counted_when_the_consumer_is_slow() -> None:
    log = Log()
    plan = plan_with(Fault(), log, frames=200, lossy=True)
    gate = threading.Event()

    class Slow(ScriptedStep):
        def push(self, item):  # type: ignore[no-untyped-def]
            gate.wait(0.002)
            return super().push(item)

    slow = Plan(
        plan.source, lambda _: Slow("face", Fault(), log), plan.infer, plan.sinks, summarise, lossy=True
    )
    summary = ThreadedRun(slow).run()
    assert summary.frames + summary.frames_dropped["overload"] == 200
    assert summary.frames_dropped["overload"] > 0


def test_a_source_that_fails_midway_loses_nothing_before() -> None:
    log = Log()
    run = ThreadedRun(plan_with(Fault("source", "raise", 20), log))
    with pytest.raises(StreamMerError, match="capture"):
        run.run()
    assert log.written == {"events": list(range(20)), "overlay": list(range(20))}
    assert all(s is not None and s.frames == 20 for s in log.summaries.values())
    assert run.summarise().frames == 20


def test_a_sink_that_fails_to_close_fails_the_run() -> None:
    log = Log()
    plan = plan_with(Fault(), log)

    class Unclosable(ScriptedSink):
        def close(self, summary: RunSummary | None) -> None:
            super().close(summary)
            raise OutputError("overlay: no space left")

    sinks = [plan.sinks[0], SinkRecipe("overlay", lambda _: Unclosable("overlay", Fault(), log))]
    for run in (run_inline, lambda p: ThreadedRun(p).run()):
        with pytest.raises(OutputError, match="no space"):
            run(Plan(plan.source, plan.face, plan.infer, sinks, summarise))
    assert not workers()


def test_an_exit_inside_a_stage_ends_the_run() -> None:
    log = Log()
    plan = plan_with(Fault(), log)

    class Leaving(ScriptedStep):
        def push(self, item):  # type: ignore[no-untyped-def]
            raise SystemExit(3)

    leaving = Plan(plan.source, plan.face, lambda _: Leaving("infer", Fault(), log), plan.sinks, summarise)
    with pytest.raises(StageError, match="infer"):
        ThreadedRun(leaving).run()
    assert not workers()


def test_aborting_ends_at_once_and_closes_everything() -> None:
    log, aborted = Log(), threading.Event()
    plan = plan_with(Fault("source", "hang", 10), log)
    run = ThreadedRun(plan, patience_s=30)

    def abort() -> None:
        run.abort()
        aborted.set()

    threading.Timer(0.1, abort).start()
    run.run()
    assert aborted.is_set()
    assert sorted(log.opened) == sorted(log.closed)
    assert not workers()


def test_a_camera_is_read_while_the_stages_are_built_and_what_was_missed_is_counted() -> None:
    log, built = Log(), threading.Event()
    plan = plan_with(Fault(), log, frames=60)

    class Counted(ScriptedSource):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                if frame.index == 20:
                    built.wait(10)
                yield frame

    def slow_to_build(_: SourceInfo) -> ScriptedStep:
        step = ScriptedStep("infer", Fault(), log)
        threading.Timer(0.2, built.set).start()
        return step

    camera = Plan(
        lambda: Counted(60, Fault(), log), plan.face, slow_to_build, plan.sinks, summarise, True, True
    )
    summary = ThreadedRun(camera).run()
    assert summary.frames + sum(summary.frames_dropped.values()) == 60


def test_a_sink_may_live_in_the_callers_thread_and_is_called_while_nothing_comes() -> None:
    log, release, idles = Log(), threading.Event(), []
    plan = plan_with(Fault("source", "hang", 10), log)

    class Window(ScriptedSink):
        def idle(self) -> None:
            idles.append(threading.get_ident())
            if len(idles) == 3:
                release.set()
                run.stop()

    window = SinkRecipe("overlay", lambda _: Window("overlay", Fault(), log), main=True)
    run = ThreadedRun(Plan(plan.source, plan.face, plan.infer, [plan.sinks[0], window], summarise))
    run.run()
    here = threading.get_ident()
    assert ("overlay", here) in log.opened
    assert ("overlay", here) in log.closed
    assert set(idles) == {here}, "keys work during an outage"
    assert log.written["overlay"] == list(range(10))
    assert log.summaries["overlay"] is not None


@pytest.mark.parametrize("at", [-1, 0, 7])
def test_a_failing_sink_in_the_callers_thread_ends_the_run(at: int) -> None:
    log = Log()
    plan = plan_with(Fault("overlay", "raise", at), log)
    sinks = [plan.sinks[0], SinkRecipe("overlay", plan.sinks[1].build, main=True)]
    with pytest.raises(OutputError):
        ThreadedRun(Plan(plan.source, plan.face, plan.infer, sinks, summarise)).run()
    assert sorted(log.opened) == sorted(log.closed)
    assert not workers()


@pytest.mark.parametrize("presses", [1, 2, 5])
def test_ctrl_c_however_often_closes_every_output(presses: int) -> None:
    log, pressed, fault = Log(), threading.Event(), Fault("source", "hang", 10)
    plan = plan_with(fault, log)

    class SlowToClose(ScriptedSink):
        def close(self, summary: RunSummary | None) -> None:
            pressed.wait(10)
            super().close(summary)

    sinks = [plan.sinks[0], SinkRecipe("overlay", lambda _: SlowToClose("overlay", Fault(), log))]
    run = ThreadedRun(Plan(plan.source, plan.face, plan.infer, sinks, summarise))

    def press() -> None:
        while not fault.reached:  # not by the clock: the run must be on, and all ten frames be on their way
            time.sleep(0.001)
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.02)
        pressed.set()

    timer = threading.Thread(target=press, daemon=True)
    timer.start()
    # A parent may have had SIGINT ignored (nohup, a shell's background job): say what is to come back.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run.run()
        left = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    timer.join()
    assert sorted(log.opened) == sorted(log.closed)
    assert log.written == {"events": list(range(10)), "overlay": list(range(10))}
    assert run.progress.interrupted
    assert left is signal.default_int_handler
    assert not workers()


def test_frames_are_booked_at_every_moment() -> None:
    log, readings = Log(), []
    plan = plan_with(Fault(), log, frames=300, lossy=True)

    class Slow(ScriptedStep):
        def push(self, item):  # type: ignore[no-untyped-def]
            readings.append(run.flow())
            return super().push(item)

    run = ThreadedRun(
        Plan(plan.source, lambda _: Slow("face", Fault(), log), plan.infer, plan.sinks, summarise, lossy=True)
    )
    run.run()
    readings.append(run.flow())
    for flow in readings:
        assert flow.captured == flow.processed + sum(flow.dropped.values()) + flow.in_flight
        assert flow.in_flight <= 40, (
            "a burst of 32, a channel of four, one in hand in each stage, one being put"
        )
    assert readings[-1].in_flight == 0
    assert readings[-1].captured == 300
