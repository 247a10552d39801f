"""Measures what else happened around a supposed event: blink, speech, head motion, light, cuts, gaps.

All of it comes from what the pipeline has anyway: small grey pictures of the registered face, the poses
that registration found, and the frames' times.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.keyframes import between
from stream_mer.core.memory import SIDE, FaceMemory, Glimpse
from stream_mer.types import ArrayF32

AROUND_NS = 80_000_000
"""Pictures this long before onset and after offset show the face at rest."""
EARLIER_NS = 900_000_000
"""Speech is looked for this long before an event."""
FROZEN = 0.25
"""Grey levels; pictures that differ less on average may be the same picture once more ..."""
STALLED = 0.15
"""... if they also differ less than this share of the event's largest step: a still face repeats nothing."""
_SECOND = 1e9


def _ellipse(u: float, v: float, ru: float, rv: float) -> NDArray[np.bool_]:
    centre = (np.arange(SIDE) + 0.5) * (128 / SIDE)
    x, y = np.meshgrid(centre, centre)
    return np.asarray(((x - u) / ru) ** 2 + ((y - v) / rv) ** 2 <= 1, np.bool_)


EYES = _ellipse(44, 46, 13, 8) | _ellipse(84, 46, 13, 8)
"""Canonical crop: lids and eyeballs, not brows."""
MOUTH = _ellipse(64, 90, 30, 19)
BROWS = (_ellipse(44, 31, 19, 7) | _ellipse(84, 31, 19, 7)) & ~EYES
FACE = _ellipse(64, 62, 44, 52)
SKIN = FACE & ~EYES & ~MOUTH & ~BROWS
"""What only the skull, the light and strong expressions change."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What was measured around one candidate.

    Args:
        eyes, brows, mouth, skin: mean square change (grey levels squared) of that region at the apex against
            the mean of before and after.
        lit: share 0..1 of the skin's change that a gain and an offset of brightness explain.
        flash: relative change of brightness at the apex.
        speed: fastest motion of the head, canonical px a second.
        swing: how far the head was displaced at the apex, canonical px, against before and after.
        quality: lowest correlation with the key frame.
        likeness: lower correlation of the skin before with that at the apex and with that after.
        chatter: mouth's mean square change from picture to picture before the event, over that during it.
        turns: how often the mouth's motion came and went in the time before, per second.
        gap: longest distance between frames over the usual one.
        frozen: share of the event's steps from frame to frame in which nothing moved.
        outside: largest share of the crop beyond the frame's border.
        gone_s: how long ago the face was last seen when this was measured.
    """

    eyes: float
    brows: float
    mouth: float
    skin: float
    lit: float
    flash: float
    speed: float
    swing: float
    quality: float
    likeness: float
    chatter: float
    turns: float
    gap: float
    frozen: float
    outside: float
    gone_s: float


def measure_signals(
    memory: FaceMemory, track_id: int, onset_ns: int, apex_ns: int, offset_ns: int
) -> Signals | None:
    """Look back at an event; None when too little of it is remembered.

    Args:
        memory: the faces.
        track_id: whose event.
        onset_ns: its limits ...
        apex_ns: and apex.
        offset_ns: half-open.
    """
    before, after = apex_ns - onset_ns + EARLIER_NS, offset_ns - apex_ns + AROUND_NS
    seen = memory.around(track_id, apex_ns, before, after)
    times = np.array([g.pts_ns for g in seen], np.int64)
    pre = [g for g in seen if onset_ns - AROUND_NS <= g.pts_ns <= onset_ns]
    post = [g for g in seen if g.pts_ns >= offset_ns]
    during = [g for g in seen if onset_ns < g.pts_ns < offset_ns]
    if not pre or not post or not during:
        return None
    reach = (offset_ns - onset_ns) / 6
    top = [g for g in during if abs(g.pts_ns - apex_ns) <= reach] or [
        min(during, key=lambda g: abs(g.pts_ns - apex_ns))
    ]
    a, b, peak = (np.mean([g.grey for g in part], axis=0) for part in (pre, post, top))
    rest = 0.5 * (a + b)
    change = peak - rest
    near = [g for g in seen if g.pts_ns >= onset_ns - AROUND_NS]
    lit, flash = _light(rest, change)
    chatter, turns = _speech(seen, onset_ns, offset_ns)
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    close = np.diff([g.pts_ns for g in near])
    last = memory.last_ns(track_id)
    return Signals(
        eyes=_energy(change, EYES),
        brows=_energy(change, BROWS),
        mouth=_energy(change, MOUTH),
        skin=_energy(change, SKIN),
        lit=lit,
        flash=flash,
        speed=_speed(near),
        swing=_swing(pre, top, post),
        quality=min(g.quality for g in near),
        likeness=min(_correlation(a[SKIN], other[SKIN]) for other in (peak, b)),
        chatter=chatter,
        turns=turns,
        gap=float(close.max() / usual) if usual and len(close) else 1.0,
        frozen=_frozen(seen, onset_ns, offset_ns),
        outside=max(g.outside for g in near),
        gone_s=(memory.now_ns - (last if last is not None else offset_ns)) / _SECOND,
    )


def _energy(change: ArrayF32, mask: NDArray[np.bool_]) -> float:
    return float((change[mask] ** 2).mean())


def _light(rest: ArrayF32, change: ArrayF32) -> tuple[float, float]:
    """How much of the skin's change is brightness, and how large that change of brightness is."""
    x, y = rest[SKIN].astype(np.float64), change[SKIN].astype(np.float64)
    total = float((y**2).sum())
    if total <= 0:
        return 0.0, 0.0
    columns = np.stack([x, np.ones_like(x)], 1)
    fitted = columns @ np.linalg.lstsq(columns, y, rcond=None)[0]
    return float((fitted**2).sum()) / total, float(abs(y.mean()) / max(float(x.mean()), 1.0))


def _speech(seen: list[Glimpse], onset_ns: int, offset_ns: int) -> tuple[float, float]:
    """Mouth activity before the event over that during it, and how often it rose and fell a second."""
    pairs = list(pairwise(seen))
    energy = np.array([float(((q.grey - p.grey)[MOUTH] ** 2).mean()) for p, q in pairs])
    rate = energy / np.maximum([(q.pts_ns - p.pts_ns) / _SECOND for p, q in pairs], 1e-3) ** 2
    at = np.array([(p.pts_ns + q.pts_ns) / 2 for p, q in pairs])
    earlier, inside = at < onset_ns - AROUND_NS / 2, (at >= onset_ns) & (at <= offset_ns)
    if earlier.sum() < 4 or not inside.any():
        return 0.0, 0.0
    speed = np.sqrt(rate[earlier])
    high = speed > 0.5 * float(np.sqrt(rate[inside]).max())
    span = float(at[earlier][-1] - at[earlier][0]) / _SECOND
    return (
        float(rate[earlier].mean() / max(float(rate[inside].mean()), 1e-6)),
        float(np.abs(np.diff(high.astype(int))).sum() / 2 / max(span, 0.1)),
    )


def _frozen(seen: list[Glimpse], onset_ns: int, offset_ns: int) -> float:
    """A camera that repeats frames stops in the midst of a motion, a face before and after it."""
    inside = [(p, q) for p, q in pairwise(seen) if q.pts_ns > onset_ns and p.pts_ns < offset_ns]
    steps = np.array([_difference(p.grey, q.grey) for p, q in inside])
    return float(np.mean(steps < min(FROZEN, STALLED * float(steps.max())))) if len(steps) else 0.0


def _speed(near: list[Glimpse]) -> float:
    speeds = [
        float(np.hypot(*between(p.pose, q.pose)[2:])) / max((q.pts_ns - p.pts_ns) / _SECOND, 1e-3)
        for p, q in pairwise(near)
    ]
    return max(speeds, default=0.0)


def _swing(pre: list[Glimpse], top: list[Glimpse], post: list[Glimpse]) -> float:
    anchor = pre[0].pose
    where = [np.mean([between(anchor, g.pose) for g in part], axis=0) for part in (pre, top, post)]
    return float(np.hypot(*(where[1] - 0.5 * (where[0] + where[2]))[2:]))


def _difference(one: ArrayF32, two: ArrayF32) -> float:
    return float(np.abs(two - one)[FACE].mean())


def _correlation(x: ArrayF32, y: ArrayF32) -> float:
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm > 1e-6 else 1.0
