"""Per event: the camera's own pictures around it, and everything needed to get the same event again."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stream_mer import __version__
from stream_mer.app.networks import Networks
from stream_mer.app.sources import EVIDENCE
from stream_mer.capture.address import resolve
from stream_mer.capture.container import open_container, pick_video
from stream_mer.capture.excerpt import excerpts, read_excerpt
from stream_mer.capture.index import index_video
from stream_mer.config import Settings
from stream_mer.core.segments import Segment
from stream_mer.sinks.event_log import read_events
from stream_mer.sinks.evidence import AROUND_NS, write_clip
from stream_mer.sinks.manifest import FileEntry
from stream_mer.sinks.summary import write_text
from stream_mer.types import Event

_PACKAGES = ("numpy", "av", "opencv-contrib-python", "mediapipe", "openvino", "onnxruntime")


def write_evidence(
    folder: Path,
    video: Path,
    entry: FileEntry,
    segments: Sequence[Segment],
    settings: Settings,
    networks: Networks,
) -> None:
    """Write ``evidence/<event id>.json`` and, unless faces are to be redacted, ``.mkv`` for every event.

    Raises:
        OutputError: one of them cannot be written.
        SourceError: the recording cannot be read any more.
    """
    events = read_events(folder / "events.jsonl")
    if not events:
        return
    if not settings.redact:
        write_clips(folder / EVIDENCE, video, events)
    for event in events:
        owner = next(s for s in reversed(segments) if s.start_ns <= event.apex_ns)
        text = json.dumps(_facts(event, entry, owner, settings, networks), indent=2) + "\n"
        write_text(folder / EVIDENCE / f"{event.id}.json", text, "the evidence")


def write_clips(folder: Path, video: Path, events: Sequence[Event]) -> None:
    """Write ``<event id>.mkv`` for every event.

    Raises:
        OutputError: one of them cannot be written.
        SourceError: the recording cannot be read any more.
    """
    spans = [(max(0, event.onset_ns - AROUND_NS), event.offset_ns + AROUND_NS) for event in events]
    opening = resolve(video, 1.0)
    for event, part in zip(events, excerpts(video, index_video(video), spans), strict=True):
        container = open_container(opening, None)
        try:
            stream = pick_video(container, opening.name)
            write_clip(stream, read_excerpt(container, stream, part), folder / f"{event.id}.mkv")
        finally:
            container.close()


def versions(names: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"stream-mer": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in names:
        found[name] = _version(name)
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _facts(
    event: Event, entry: FileEntry, segment: Segment, settings: Settings, networks: Networks
) -> dict[str, object]:
    backend, precision = networks.way
    return {
        "event": event.id,
        "label": event.label,
        "probability": round(event.probability, 6),
        "onset_ns": event.onset_ns,
        "apex_ns": event.apex_ns,
        "offset_ns": event.offset_ns,
        "track_id": event.track_id,
        "source_sha256": entry.sha256,
        "source_bytes": entry.size,
        "segment": {
            "index": segment.index,
            "start_ns": segment.start_ns,
            "stop_ns": segment.stop_ns,
            "pipeline_starts_ns": segment.warm_ns,
        },
        "engines": networks.digests(),
        "backend": backend,
        "precision": precision,
        "settings": settings.describe(),
        "versions": versions(),
        "again": f"stream-mer replay {event.id} --run RUN_DIR",
    }
