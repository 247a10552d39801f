"""Puts micro-expressions into real video by warping the face in every frame of an event.

This gives positives with exact truth among real negatives. Frames without an event are resampled
just like those with one, so that no network can find events by their sharpness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from stream_mer.core.repeats import Repeats
from stream_mer.synth.basis import WarpBasis
from stream_mer.synth.coarse import CoarseGrid
from stream_mer.synth.dense import resample_sharp
from stream_mer.synth.fields import draw_style
from stream_mer.synth.plan import stream
from stream_mer.synth.pulse import Pulse, Version, draw_pulse
from stream_mer.synth.schedule import scattered_events
from stream_mer.synth.spec import EventSpec, TrueEvent
from stream_mer.types import LABELS, ArrayF32, ArrayF64, Frame, ImageU8

REST_SHIFT = (0.29, 0.23)
"""Sub-pixel shift of the face in every frame, px: equal sharpness with and without an event."""
_NS = 1_000_000_000


class Injector:
    """Warps the frames of one video with one face, one at a time and in any order.

    Args:
        events: what to put in, times from the video's first frame.
        seed: person, pulses; the same seed injects the same.
        version: family of pulses and fields, as for clips.
        track: number written into the truth, when several faces of a video are injected in turn.
        smile: how a real face smiled (``synth.measured``): smiles move so.
    """

    def __init__(
        self,
        events: Sequence[EventSpec],
        seed: int,
        version: Version = "train",
        track: int = 0,
        smile: ArrayF64 | None = None,
    ) -> None:
        rng = stream(seed, 10, version)
        self._person = draw_style(stream(seed, 11, version), version, smile=smile)
        self._pulses: list[Pulse] = []
        truth: list[TrueEvent] = []
        for event in sorted(events, key=lambda e: e.onset_s):
            onset_ns = round(event.onset_s * _NS)
            offset_ns = onset_ns + round(event.duration_s * _NS)
            pulse = draw_pulse(rng, onset_ns, offset_ns, version)
            if event.apex_share is not None:
                apex_ns = onset_ns + round(event.apex_share * (offset_ns - onset_ns))
                pulse = Pulse(pulse.shape, onset_ns, apex_ns, offset_ns, pulse.hold)
            self._pulses.append(pulse)
            truth.append(
                TrueEvent(
                    onset_ns, pulse.apex_ns, offset_ns, event.label, event.action_units, event.peak, track
                )
            )
        self.events = tuple(truth)

    def apply(self, rgb: ImageU8, pts_ns: int, mesh: ArrayF64) -> ImageU8:
        """The frame at ``pts_ns`` with whatever event is under way then.

        Args:
            rgb: ``(H, W, 3)`` uint8.
            pts_ns: time of the frame, ns from the first frame.
            mesh: ``(468, 2 or 3)`` face mesh in px of this frame, steady to about a pixel.

        Returns:
            A new ``(H, W, 3)`` uint8 frame; pixels away from the face are those of ``rgb``.
        """
        basis = WarpBasis(mesh)
        height, width = rgb.shape[:2]
        high = basis.origin + np.array([basis.columns, basis.rows]) * basis.step
        low, high = np.floor(basis.origin), np.ceil(high)
        frame = np.array([width, height], np.float64)
        low, high = np.clip(low, 0, frame), np.clip(high, 0, frame)
        if (high - low).min() < 2:
            return rgb.copy()
        local = self._rest(basis)
        for pulse, event in zip(self._pulses, self.events, strict=True):
            if not event.onset_ns <= pts_ns < event.offset_ns:
                continue
            size = pulse.at(pts_ns) * event.peak * basis.axes.width
            if size > 0:
                local += np.float32(size) * basis.movement(event.action_units, self._person)
        grid = CoarseGrid(low, high, max(1, round(basis.axes.width / 40)))
        x, y = grid.refine(*basis.invert(local, grid.x.astype(np.float32), grid.y.astype(np.float32)))
        out = rgb.copy()
        out[grid.inside] = resample_sharp(rgb, x - np.float32(0.5), y - np.float32(0.5))
        return out

    def shown(self, taken_ns: Sequence[int]) -> tuple[TrueEvent, ...]:
        """The events of which pictures taken at these times show anything."""
        return tuple(e for e in self.events if any(e.onset_ns < t < e.offset_ns for t in taken_ns))

    def _rest(self, basis: WarpBasis) -> ArrayF32:
        """The constant shift over the face, fading to nothing at the rim of the grid."""
        rows = np.sin(np.pi * (np.arange(basis.rows) + 0.5) / basis.rows)[:, None]
        columns = np.sin(np.pi * (np.arange(basis.columns) + 0.5) / basis.columns)
        share = np.minimum(1.0, 2.5 * rows * columns)[:, :, None]
        rest: ArrayF32 = (share * np.array(REST_SHIFT)).astype(np.float32)
        return rest


def injected(
    shown: Iterable[tuple[Frame, ArrayF64 | None]], injector: Injector
) -> Iterator[tuple[Frame, int | None]]:
    """Frames of one video in order, each with whatever event is under way when its picture was taken.

    A camera that shows a picture again shows the event's state again, too.

    Args:
        shown: every frame and its face mesh; None without a face, such frames come as they are.
        injector: what is put in.

    Yields:
        The frame, and when its picture was taken, ns; None without a face.
    """
    repeats, taken = Repeats(), None
    for frame, mesh in shown:
        if mesh is None:
            repeats, taken = Repeats(), None
            yield frame, None
            continue
        low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
        if not repeats.push(frame.rgb, (low[0], low[1]), (high[0], high[1])) or taken is None:
            taken = frame.pts_ns, mesh
        yield replace(frame, rgb=injector.apply(frame.rgb, *taken)), taken[0]


def draw_injections(
    seed: int,
    duration_s: float,
    rate: float,
    *,
    durations_s: tuple[float, float] = (0.04, 0.2),
    peaks: tuple[float, float] = (0.0015, 0.03),
    avoid_s: Sequence[tuple[float, float]] = (),
    version: Version = "train",
    one_sided: float = 0.0,
    labels: Sequence[str] = LABELS,
) -> tuple[EventSpec, ...]:
    """Random events for a video of ``duration_s``, about ``rate`` a minute.

    Args:
        seed: non-negative.
        duration_s: length of the video, s; as long as it likes.
        rate: events a minute.
        durations_s: shortest and longest event, s (log-uniform).
        peaks: smallest and largest displacement, face widths (log-uniform).
        avoid_s: stretches to keep clear of, e.g. without a face, or blinks: (start, end) in s.
        version: as for clips.
        one_sided: share 0..1 of the events on one side only, where their units can.
        labels: classes drawn from.
    """
    return scattered_events(
        stream(seed, 12, version),
        duration_s,
        rate,
        durations_s=durations_s,
        peaks=peaks,
        busy_s=[(max(0.0, a), b) for a, b in avoid_s],
        one_sided=one_sided,
        labels=labels,
    )
