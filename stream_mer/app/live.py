"""``stream-mer live``: camera, address, or a file played as if it were a camera."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from stream_mer.app.compose import DetectorFactory, build_plan, threshold_of
from stream_mer.app.dashboard import dashboard
from stream_mer.app.networks import pick_networks
from stream_mer.app.outputs import (
    recording_sinks,
    remove_outputs,
    require_writable,
    run_and_report,
    say,
)
from stream_mer.app.sources import open_source, require_apart
from stream_mer.capture.redact import redact
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.history import DrawSettings, Status
from stream_mer.sinks.preview import PreviewWindow, require_display
from stream_mer.sinks.progress import ProgressSink
from stream_mer.types import Result, RunSummary

NOTICE = """\
Notice: inferring emotions at work or in education is prohibited in the EU (AI Act, Art. 5(1)(f)),
and people watched elsewhere must be told (Art. 50(3)). A micro-expression is not a lie.
Nothing is stored unless asked for."""


LONGEST_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The flags of ``live`` that are not settings of the pipeline."""

    source: str
    window: bool = True
    web: str | None = None
    token: str | None = None
    record: Path | None = None
    seconds: float | None = None


def live(options: LiveOptions, settings: Settings) -> int:
    """Watch until the source ends, q is pressed, Ctrl-C, or ``options.seconds`` have passed.

    Raises:
        ConfigError: flags that contradict each other.
        StreamMerError: the source, an engine, an output or a stage failed.
    """
    if options.seconds is not None and not 0 < options.seconds <= LONGEST_S:
        raise ConfigError(
            f"--seconds {options.seconds:g} is not a length of time.\nGive more than 0, at most a week."
        )
    print(NOTICE, file=sys.stderr)
    recipe = open_source(options.source, paced=True)
    networks = pick_networks(settings)
    print(f"super-resolution: {networks.super_resolver.name} ({networks.reason})", file=sys.stderr)
    detectors = DetectorFactory(settings, AssetStore(settings.assets, report=say))
    detectors.fetch()
    look = DrawSettings(threshold=threshold_of(settings, networks), redact=settings.redact)
    runs: list[ThreadedRun] = []  # the run is made last; sinks reach it through this

    def status() -> Status:
        progress, dropped = runs[0].progress, runs[0].dropped
        return Status(coverage=progress.tally.coverage, dropped=dropped)

    with ExitStack() as stack:
        sinks = [SinkRecipe("progress", ProgressSink)]
        if options.record is not None:
            require_writable(options.record)
            require_apart(recipe.file, options.record)
            remove_outputs(options.record)
            sinks += recording_sinks(options.record, settings, networks, utc=_wall_clock)
        if options.window:
            require_display()
            sinks.append(
                SinkRecipe(
                    "window",
                    lambda info: _Window(PreviewWindow(info.name, look, status=status), runs[0].stop),
                )
            )
        if options.web is not None:
            name = redact(options.source)
            sinks.append(stack.enter_context(dashboard(options.web, options.token, name, look, status)))
        if options.seconds is not None:
            seconds = options.seconds
            sinks.append(SinkRecipe("timer", lambda _: _StopAfter(seconds, runs[0].stop)))
        plan = build_plan(recipe.build, settings, networks, detectors, sinks, lossy=True, drain=recipe.drain)
        runs.append(ThreadedRun(plan))
        summary = runs[0].run() if options.record is None else run_and_report(runs[0], options.record)
    lost = sum(summary.frames_dropped.values())
    print(f"{summary.frames} frames, {lost} lost, {summary.events} events, coverage {summary.coverage:.0%}")
    for warning in summary.warnings:
        print(f"  note: {warning}")
    return 0


class _Window:
    """The preview window; 'q' in it stops the run."""

    def __init__(self, preview: PreviewWindow, stop: Callable[[], None]) -> None:
        self._preview = preview
        self._stop = stop

    def write(self, result: Result) -> None:
        self._preview.write(result)
        if self._preview.wants_stop:
            self._stop()

    def close(self, summary: RunSummary | None) -> None:
        self._preview.close(summary)


class _StopAfter:
    """Stops the run so many seconds after its first result: loading does not count."""

    def __init__(self, seconds: float, stop: Callable[[], None]) -> None:
        self._timer = threading.Timer(seconds, stop)
        self._timer.daemon = True

    def write(self, result: Result) -> None:  # noqa: ARG002  (the first one starts the clock)
        if self._timer.ident is None:
            self._timer.start()

    def close(self, summary: RunSummary | None) -> None:  # noqa: ARG002  (the protocol's signature)
        self._timer.cancel()


def _wall_clock() -> Callable[[int], str]:
    """ISO 8601 UTC of a time on the source's clock; its zero is taken to be the first call's moment.

    The source's clock starts with its first frame, the log is made just before that.
    """
    start = datetime.now(timezone.utc)
    return lambda ns: (start + timedelta(microseconds=ns / 1000)).isoformat(timespec="milliseconds")
