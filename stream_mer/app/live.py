"""``stream-mer live``: camera, address, or a file played as if it were a camera."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stream_mer.app.camera import Camera
from stream_mer.app.cameras import CameraConfig, Delivery, FleetConfig
from stream_mer.app.console import counted
from stream_mer.app.dashboard import dashboard
from stream_mer.app.fleet import Fleet, Place
from stream_mer.app.logs import start_logging, teller
from stream_mer.app.notice import give_notice
from stream_mer.app.outputs import require_writable, set_aside_outputs
from stream_mer.app.sources import open_source, require_apart
from stream_mer.capture.redact import redact
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.timing import StageTimes
from stream_mer.sinks.history import DrawSettings, Status
from stream_mer.sinks.preview import PreviewWindow, require_display
from stream_mer.sinks.progress import ProgressSink
from stream_mer.sinks.segments import SegmentSink
from stream_mer.types import Result, RunSummary, SourceInfo

LONGEST_S = 7 * 24 * 3600.0
KEPT_HERE = Path("stream-mer-recording")
"""Where 'r' in the window and snapshots go without ``--record``."""


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """The flags of ``live`` that are not settings of the pipeline."""

    source: str
    window: bool = True
    web: str | None = None
    token: str | None = None
    record: Path | None = None
    seconds: float | None = None
    keep_days: float | None = None
    keep_gb: float | None = None
    keep_thumbnails: bool = False
    webhook: str | None = None
    mqtt: str | None = None
    log: str = "text"


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
    for flag, limit in (("--keep-days", options.keep_days), ("--keep-gb", options.keep_gb)):
        if limit is not None and (options.record is None or not limit > 0):
            raise ConfigError(f"{flag} {limit:g} needs --record DIR and a number above 0.")
    if settings.explain and options.record is None:
        raise ConfigError("--explain writes rejected.jsonl and needs a folder for it: give --record DIR.")
    with ExitStack() as stack:
        stack.callback(logging.getLogger().removeHandler, start_logging(options.log))
        tell = teller(options.log)
        give_notice(tell=tell)
        if options.record is not None:
            require_writable(options.record)
            require_apart(open_source(options.source, paced=True).file, options.record)
            set_aside_outputs(options.record)
        if options.window:
            require_display()
        name = redact(options.source)
        config = FleetConfig(
            (CameraConfig(name, options.source, settings),),
            settings,
            options.web,
            options.token,
            options.record,
            options.keep_days,
            options.keep_gb,
            options.keep_thumbnails,
            Delivery(options.webhook, None, options.mqtt),
        )
        place = Place(options.record, own=False) if options.record is not None else None
        fleet = Fleet(config, place, extra=lambda camera: _extra(options, settings, camera, tell), say=tell)
        stack.callback(fleet.close)
        picked = fleet.networks.networks
        tell(f"super-resolution: {picked.super_resolver.name} ({picked.reason})")
        if options.web is not None:
            tell(f"dashboard: {stack.enter_context(dashboard(options.web, options.token, fleet))}")
        fleet.attend()
        (camera,) = fleet.cameras
        summary = camera.run_once()
        lost = sum(summary.frames_dropped.values())
        counts = f"{counted(summary.frames, 'frame')}, {lost} lost, {counted(summary.events, 'event')}"
        tell(f"{counts}, coverage {summary.coverage:.0%}")
        for warning in summary.warnings:
            tell(f"  note: {warning}")
    return 0


def _extra(
    options: LiveOptions, settings: Settings, camera: Camera, tell: Callable[[str], None]
) -> Sequence[SinkRecipe]:
    """The sinks that only a live run with somebody in front of it has."""
    sinks = [SinkRecipe("progress", ProgressSink)] if options.log == "text" else []
    if options.window:
        look = DrawSettings(threshold=camera.threshold, redact=settings.redact)
        by_hand = _Switch()

        def recorder(info: SourceInfo) -> SegmentSink:
            return SegmentSink(
                (options.record or KEPT_HERE) / "by-hand",
                look,
                fps_hint=info.fps_nominal,
                recording=by_hand.on,
            )

        sinks.append(SinkRecipe("by-hand", recorder))
        sinks.append(
            SinkRecipe(
                "window",
                lambda info: _Window(info.name, look, options.record or Path("."), camera, by_hand, tell),
                main=True,
            )
        )
    if options.seconds is not None:
        seconds = options.seconds
        sinks.append(SinkRecipe("timer", lambda _: _StopAfter(seconds, camera.stop)))
    return sinks


class _Switch:
    """Whether 'r' was pressed; set in one thread, read in another."""

    def __init__(self) -> None:
        self._on = False

    def on(self) -> bool:
        return self._on

    def toggle(self) -> bool:
        self._on = not self._on
        return self._on


class _Window:
    """The preview window; 'q' in it stops the run, also while the camera is away."""

    def __init__(
        self,
        title: str,
        look: DrawSettings,
        snapshots: Path,
        camera: Camera,
        by_hand: _Switch,
        tell: Callable[[str], None],
    ) -> None:
        self._index, self._tell = 0, tell
        self._camera = camera
        self._delays = StageTimes()
        self._preview = PreviewWindow(
            title, look, snapshots=snapshots, status=self._status, record=by_hand.toggle, check_display=False
        )

    def _status(self) -> Status:
        return self._camera.status(self._index)

    def write(self, result: Result) -> None:
        self._index = result.frame.index
        self._preview.write(result)
        run = self._camera.run
        age_ns = run.age_ns(self._index) if run is not None and not result.repeated else None
        if age_ns is not None:
            self._delays.add(age_ns)
        self._obey()

    def idle(self) -> None:
        self._preview.idle()
        self._obey()

    def _obey(self) -> None:
        if self._preview.wants_stop:
            self._camera.stop()

    def close(self, summary: RunSummary | None) -> None:
        self._preview.close(summary)
        if p := self._delays.percentiles():
            self._tell("camera to screen: " + ", ".join(f"{name[:-3]} {ms:.0f} ms" for name, ms in p.items()))
            self._delays = StageTimes()


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
