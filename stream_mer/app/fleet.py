"""Everything a live service consists of: cameras, shared networks, outputs, couriers, and their figures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from stream_mer.app.camera import Camera, folder_of
from stream_mer.app.cameras import CameraConfig, FleetConfig
from stream_mer.app.compose import DetectorFactory, threshold_of
from stream_mer.app.delivering import delivering_sinks, open_couriers
from stream_mer.app.keeping import keeping
from stream_mer.app.relief import Relief, SharedNetworks
from stream_mer.app.trimming import trimming
from stream_mer.core.overload import LevelChange
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.event_log import EventLog
from stream_mer.sinks.event_stream import EventLines
from stream_mer.sinks.history import DrawSettings
from stream_mer.sinks.overlay import Painter
from stream_mer.sinks.rejected import RejectedLog
from stream_mer.sinks.retention import Retention
from stream_mer.sinks.reviews import ReviewLog
from stream_mer.sinks.segments import SegmentSink
from stream_mer.sinks.thumbnails import ThumbnailSink
from stream_mer.types import SourceInfo
from stream_mer.web.live_state import LiveState
from stream_mer.web.sink import WebSink

STEPS = 20
"""Overload steps that the dashboard remembers."""
REVIEWABLE_RUNS = 8
Extra = Callable[[Camera], Sequence[SinkRecipe]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera's run writes; ``own`` is False where the folder is the user's, as given."""

    root: Path
    own: bool = True

    def of(self, camera: str, started: datetime) -> Path:
        """The folder of a run that starts then."""
        return folder_of(self.root, camera, started) if self.own else self.root


class Fleet:
    """Cameras that share networks; built whole or not at all, and closed by ``close``.

    Args:
        config: what to watch, and what to do with it.
        place: where to record; nothing is stored if None.
        extra: further sinks of every camera.
        say: told what takes a while at the start.

    Raises:
        StreamMerError: a network, model file, destination or setting is not right.
    """

    def __init__(
        self,
        config: FleetConfig,
        place: Place | None,
        *,
        extra: Extra = lambda _: (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._config, self._place, self._extra = config, place, extra
        self.steps: deque[LevelChange] = deque(maxlen=STEPS)
        self._reviews: dict[str, deque[ReviewLog]] = {}
        store = AssetStore(config.settings.assets, report=say)
        DetectorFactory(config.settings, store).fetch()
        with ExitStack() as opened:  # what was opened is closed again if the rest cannot be built
            self.couriers = open_couriers(config.deliver, opened)
            self.networks = opened.enter_context(closing(SharedNetworks(config.settings)))
            self.relief = Relief(self.networks, self.runs, self.steps.append)
            self._trimming = trimming()
            keep = Retention(place.root, config.keep_days, config.keep_gb) if place else Retention(Path())
            self._keeping = keeping(keep)
            look = threshold_of(config.settings, self.networks.networks)
            self.states = {
                camera.name: LiveState(camera.name, threshold=camera.settings.threshold or look)
                for camera in config.cameras
            }
            self.cameras = [self._camera(camera, store) for camera in config.cameras]
            opened.pop_all()
        self._threads = [
            threading.Thread(target=camera.keep, name=f"keep {camera.name}", daemon=True)
            for camera in self.cameras
        ]

    def runs(self) -> list[ThreadedRun]:
        """The cameras' present runs."""
        return [run for camera in self.cameras if (run := camera.run) is not None]

    def start(self) -> None:
        """Run every camera in threads of its own until ``stop``."""
        self.attend()
        for thread in self._threads:
            thread.start()

    def attend(self) -> None:
        """Look after load, memory and recordings from now on; for whoever runs a camera without ``start``."""
        self.relief.start()
        self._trimming.start()
        self._keeping.start()

    def wait(self, seconds: float) -> bool:
        """Wait a while, or until no camera runs any more; whether any still does, or tries to."""
        alive = [thread for thread in self._threads if thread.is_alive()]
        if alive:
            alive[0].join(seconds)
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Ask every camera for an orderly end. Callable from any thread."""
        for camera in self.cameras:
            camera.stop()

    def abort(self) -> None:
        """End now, whatever waits. Callable from any thread."""
        for camera in self.cameras:
            camera.abort()

    def close(self) -> None:
        """Close what the cameras shared, when they have ended."""
        self.relief.close()
        self._trimming.close()
        self._keeping.close()
        self.networks.close()
        for courier in self.couriers.values():
            courier.close()

    def review(self, number: int, event_id: str, verdict: str) -> bool:
        """Save a verdict beside the event; False if nothing is recorded."""
        logs = list(self._reviews.get(self.cameras[number].name, ()))
        return any(log.review(event_id, verdict) for log in reversed(logs))

    def overload(self) -> Mapping[str, Any]:
        """The present level and the last steps, for the dashboard."""
        ladder = self.relief.ladder
        steps = [{"level": step.level, "name": step.name} for step in self.steps]
        return {"level": ladder.level, "name": ladder.name, "steps": steps}

    def _camera(self, config: CameraConfig, store: AssetStore) -> Camera:
        return Camera(
            config.name,
            config.source,
            config.settings,
            self.networks,
            DetectorFactory(config.settings, store),
            lambda: self.relief.sparse,
            lambda camera, started: self._sinks(config, camera, started),
            folder=lambda started: self._folder(config, started),
            note=self.states[config.name].say,
            over=lambda: self.states[config.name].finish(failed=True),
            threshold=self.states[config.name].threshold,
        )

    def _folder(self, config: CameraConfig, started: datetime) -> Path | None:
        return self._place.of(config.name, started) if self._place and config.record else None

    def _sinks(self, config: CameraConfig, camera: Camera, started: datetime) -> list[SinkRecipe]:
        settings, state = config.settings, self.states[config.name]
        look = DrawSettings(threshold=state.threshold, redact=settings.redact)
        folder = self._folder(config, started)
        sinks: list[SinkRecipe] = []
        if folder is not None:
            sinks.append(
                SinkRecipe(
                    "events",
                    lambda _: EventLog(
                        folder / "events.jsonl",
                        self.networks.digests,
                        utc=camera.utc,
                        super_resolver=self.networks.networks.super_resolver.name,
                    ),
                )
            )
            reviews = ReviewLog(folder / "reviews.jsonl")
            self._reviews.setdefault(config.name, deque(maxlen=REVIEWABLE_RUNS)).append(reviews)
            sinks.append(SinkRecipe("reviews", lambda _: reviews))
            if settings.explain:
                sinks.append(SinkRecipe("rejected", lambda _: RejectedLog(folder / "rejected.jsonl")))
            if settings.overlay:
                sinks.append(SinkRecipe("record", lambda info: self._segments(config, camera, folder, info)))
        if self._config.keep_thumbnails:
            sinks.append(
                SinkRecipe(
                    "thumbnails",
                    lambda _: ThumbnailSink(
                        folder / "thumbnails" if folder is not None else None,
                        redact=settings.redact,
                        show=state.keep_thumbnails,
                    ),
                )
            )
        lines = EventLines(
            camera.name, self.networks.digests, camera.utc, self.networks.networks.super_resolver.name
        )
        sinks += delivering_sinks(self.couriers, lines)
        if self._config.web is not None:
            sinks.append(SinkRecipe("web", lambda _: _web_sink(state, look, camera)))
        return [*sinks, *self._extra(camera)]

    def _segments(self, config: CameraConfig, camera: Camera, folder: Path, info: SourceInfo) -> SegmentSink:
        look = DrawSettings(threshold=self.states[config.name].threshold, redact=config.settings.redact)
        return SegmentSink(folder / "segments", look, fps_hint=info.fps_nominal, status=camera.status)


def _web_sink(state: LiveState, look: DrawSettings, camera: Camera) -> WebSink:
    painter = Painter(replace(look, strip=False, insets=False), status=camera.status)

    def figures(index: int) -> dict[str, float | int | None]:
        now = camera.status(index)
        return {"coverage": now.coverage, "dropped": now.dropped, "latency_ms": now.latency_ms}

    return WebSink(state, painter.paint, remember=painter.remember, status=figures)
