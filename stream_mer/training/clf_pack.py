"""Tables of measured training windows: one file a batch of clips, one column a property.

Only the measured flow of a window is kept: it is what the network sees, and thirteen times smaller
than the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.window_pictures import window_pictures, window_slots
from stream_mer.errors import ConfigError
from stream_mer.training.clf_data import NONE, FaceStrip, Hypothesis, Span
from stream_mer.types import ImageU8

Upscale = Callable[[ImageU8], ImageU8]
"""``(N, 32, 32, 3)`` -> ``(N, 128, 128, 3)`` uint8."""
Measure = Callable[[ImageU8], NDArray[np.float32]]
"""``(N, 3, 128, 128, 3)`` uint8 pictures -> ``(N, 11, 32, 32)`` raw flow."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a clip's windows come from; one text or number per column of the pack."""

    clip: str
    person: str
    part: str
    """``train``, ``choose`` (epoch, temperature), ``tune`` (threshold) or ``test``."""
    real: bool
    fps: float


@dataclass(slots=True)
class WindowPack:
    """Measured windows with their truth, in columns of equal length."""

    raw: list[NDArray[np.float16]] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    clip: list[str] = field(default_factory=list)
    person: list[str] = field(default_factory=list)
    part: list[str] = field(default_factory=list)
    real: list[bool] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)
    face_px: list[float] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    centre_ns: list[int] = field(default_factory=list)
    duration_ns: list[int] = field(default_factory=list)
    event: list[int] = field(default_factory=list)
    onset_ns: list[int] = field(default_factory=list)
    apex_ns: list[int] = field(default_factory=list)
    offset_ns: list[int] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)

    def save(self, file: Path) -> None:
        """Write all columns to one ``.npz``; a pack without windows writes nothing."""
        if self.raw:
            np.savez(file, **{f.name: np.array(getattr(self, f.name)) for f in fields(self)})  # type: ignore[arg-type]


def load_packs(*folders: Path) -> dict[str, NDArray[np.generic]]:
    """All packs of some folders as one table of columns, in the order of file names.

    Raises:
        ConfigError: there is none.
    """
    files = [file for folder in folders for file in sorted(folder.glob("*.npz"))]
    if not files:
        places = ", ".join(map(str, folders))
        raise ConfigError(
            f"no window packs (*.npz) in {places}\nmake them first with scripts/make_windows.py"
        )
    tables = []
    for file in files:
        with np.load(file) as archive:
            tables.append({name: archive[name] for name in archive.files})
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}


def add_strip(
    pack: WindowPack,
    origin: Origin,
    strip: FaceStrip,
    chosen: Sequence[Hypothesis],
    events: Sequence[Span],
    measure: Measure,
    paths: Mapping[str, Upscale | None],
) -> None:
    """Measure the chosen windows of a strip on each path (native: None) and append them to the pack."""
    laid = [(h, window_slots(strip.pts_ns, h.centre_ns, h.duration_ns)) for h in chosen]
    kept = [(h, slots) for h, slots in laid if slots is not None]
    if not kept:
        return
    needed = np.unique([i for _, slots in kept for s in slots for i in range(s.start, s.stop)])
    for path, upscale in paths.items():
        pictures = strip.pictures
        if upscale is not None:
            pictures = np.zeros_like(strip.pictures)
            pictures[needed] = upscale(strip.lr[needed])
        windows = [window_pictures(strip.pts_ns, pictures, h.centre_ns, h.duration_ns) for h, _ in kept]
        pack.raw.extend(measure(np.stack([w for w in windows if w is not None])).astype(np.float16))
        for h, _ in kept:
            event = events[h.event] if h.target != NONE else Span(0, 0, "")
            pack.target.append(h.target)
            pack.kind.append(h.kind)
            pack.centre_ns.append(h.centre_ns)
            pack.duration_ns.append(h.duration_ns)
            pack.event.append(h.event)
            pack.onset_ns.append(event.onset_ns)
            pack.apex_ns.append(event.apex_ns)
            pack.offset_ns.append(event.offset_ns)
            pack.peak.append(event.peak)
            pack.face_px.append(strip.face_px)
            pack.path.append(path)
            for name in ("clip", "person", "part", "real", "fps"):
                getattr(pack, name).append(getattr(origin, name))
