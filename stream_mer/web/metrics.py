"""What Prometheus may ask for: frames, losses, latencies and connections of every camera.

Labels are bounded: cameras, causes, reasons and stages, never tracks or people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Buckets:
    """A histogram: upper bounds in s, cumulative counts (one more: all), and the sum in s."""

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float


@dataclass(frozen=True, slots=True)
class CameraReading:
    """One camera at one moment; ``captured == processed + sum(dropped) + in_flight``."""

    camera: str
    up: bool
    captured: int
    processed: int
    dropped: Mapping[str, int]
    in_flight: int
    lost: Mapping[str, int] = field(default_factory=dict)
    reconnects: Mapping[str, int] = field(default_factory=dict)
    restarts: int = 0
    queue: int = 0
    last_frame_age_s: float | None = None
    coverage: float = 0.0
    events: int = 0
    stages: Mapping[str, Buckets] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole service at one moment.

    ``outbox`` counts events by where they are, per destination; ``gpu_fallbacks`` the networks that left the
    GPU for the processor.
    """

    cameras: Sequence[CameraReading]
    level: int = 0
    level_name: str = ""
    batches: int = 0
    pictures: int = 0
    outbox: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    version: str = ""
    gpu_fallbacks: int = 0


class Metrics:
    """Turns readings into the text format that Prometheus reads.

    Args:
        read: gives the present reading; called once per scrape, in the server's thread.
    """

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(read))

    def answer(self, accept: str) -> tuple[bytes, str]:
        """The scrape's body and its content type, as the ``Accept`` header wishes."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collector(Collector):
    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        now = self._read()
        yield GaugeMetricFamily("stream_mer_overload_level", "0: nothing is given up", value=now.level)
        yield CounterMetricFamily("stream_mer_sr_batches", "Batches super-resolved", value=now.batches)
        yield CounterMetricFamily("stream_mer_sr_pictures", "Faces super-resolved", value=now.pictures)
        left = "Networks that left the GPU for the processor; the log says why"
        yield CounterMetricFamily("stream_mer_gpu_fallbacks", left, value=now.gpu_fallbacks)
        info = GaugeMetricFamily("stream_mer_build_info", "Version that runs", labels=["version"])
        info.add_metric([now.version], 1)
        yield info
        box = GaugeMetricFamily(
            "stream_mer_outbox_events", "Events sent, waiting or lost", labels=["destination", "state"]
        )
        for destination, counts in now.outbox.items():
            for state, count in counts.items():
                box.add_metric([destination, state], count)
        yield box
        yield from self._gauges(now.cameras)
        yield from self._counters(now.cameras)
        stages = HistogramMetricFamily(
            "stream_mer_stage_seconds", "Time per frame and stage", labels=["camera", "stage"]
        )
        for c in now.cameras:
            for stage, h in c.stages.items():
                bounds = [*(str(bound) for bound in h.bounds_s), "+Inf"]
                stages.add_metric([c.camera, stage], list(zip(bounds, h.counts, strict=True)), h.sum_s)
        yield stages

    def _gauges(self, cameras: Sequence[CameraReading]) -> Iterator[Metric]:
        table: list[tuple[str, str, Callable[[CameraReading], float | None]]] = [
            ("up", "1 while pictures come", lambda c: float(c.up)),
            ("frames_in_flight", "Frames between capture and result", lambda c: c.in_flight),
            ("queue_depth", "Frames waiting for the face stage", lambda c: c.queue),
            ("last_frame_age_seconds", "Since the last frame was captured", lambda c: c.last_frame_age_s),
            ("coverage_ratio", "Classified time over streamed time", lambda c: c.coverage),
        ]
        for name, text, value in table:
            gauge = GaugeMetricFamily(f"stream_mer_{name}", text, labels=["camera"])
            for c in cameras:
                if (now := value(c)) is not None:
                    gauge.add_metric([c.camera], now)
            yield gauge

    def _counters(self, cameras: Sequence[CameraReading]) -> Iterator[Metric]:
        single: list[tuple[str, str, Callable[[CameraReading], int]]] = [
            ("frames_captured", "Frames read from the camera", lambda c: c.captured),
            ("frames_processed", "Frames that gave a result", lambda c: c.processed),
            ("events", "Micro-expressions found", lambda c: c.events),
            ("restarts", "Times the camera's pipeline was started again", lambda c: c.restarts),
        ]
        for name, text, value in single:
            counter = CounterMetricFamily(f"stream_mer_{name}", text, labels=["camera"])
            for c in cameras:
                counter.add_metric([c.camera], value(c))
            yield counter
        several: list[tuple[str, str, str, Callable[[CameraReading], Mapping[str, int]]]] = [
            ("frames_dropped", "cause", "Captured frames that gave no result", lambda c: c.dropped),
            ("frames_lost", "cause", "Frames lost before they were captured", lambda c: c.lost),
            ("reconnects", "reason", "Connections lost", lambda c: c.reconnects),
        ]
        for name, label, text, counts in several:
            counter = CounterMetricFamily(f"stream_mer_{name}", text, labels=["camera", label])
            for c in cameras:
                for word, count in counts(c).items():
                    counter.add_metric([c.camera, word], count)
            yield counter
