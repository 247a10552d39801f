"""Training windows for the classifier: what the product itself would cut out of a clip, with the truth.

Every clip goes the product's own way (detection, registration, one warp, LR and back), then the
windows the product would ask about are labelled by their overlap with the true events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.core.tracking import FaceTracker
from stream_mer.core.warp import sample
from stream_mer.core.window_pictures import GAP_FACTOR
from stream_mer.core.windowing import duration_ladder
from stream_mer.protocols import FaceDetector
from stream_mer.types import HR_SIZE, LABELS, LR_SIZE, FaceTrack, Frame, ImageU8

NONE = len(LABELS)
"""Class index of 'no event'."""
POSITIVE_IOU = 0.55
"""A window that overlaps an event this much must be flagged; the product's ladder always offers one."""
NEGATIVE_IOU = 0.3
"""A window that overlaps no event more than this must not be flagged; between the two nothing is asked."""
UNCLEAR = "unclear"
"""Kind of a span in which something shows that nobody can be sure of: windows on it ask nothing."""
MIN_FRAMES = 2.5
"""Shortest window in frame distances, as in ``core.windowing``."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that happens in a clip: a micro-expression if ``label`` is one, else a distractor's kind."""

    onset_ns: int
    offset_ns: int
    label: str
    apex_ns: int = 0
    peak: float = 0.0
    """Largest displacement, face widths; 0 unknown."""

    @property
    def target(self) -> int:
        """Class index; ``NONE`` for a distractor."""
        return LABELS.index(self.label) if self.label in LABELS else NONE


@dataclass(frozen=True, slots=True)
class FaceStrip:
    """One registered face over time: ``pictures`` ``(T, 128, 128, 3)``, and ``lr`` ``(T, 32, 32, 3)``."""

    pts_ns: NDArray[np.int64]
    pictures: ImageU8
    lr: ImageU8
    face_px: float


def face_strips(frames: Iterable[Frame], detector: FaceDetector, *, min_s: float = 0.35) -> list[FaceStrip]:
    """Track every face and cut its pictures, as the product does; one strip per track and segment."""
    tracker = FaceTracker()
    lanes: dict[tuple[int, int, int], list[tuple[int, FaceTrack, ImageU8, ImageU8]]] = {}
    for frame in frames:
        due = tracker.wants_detection(frame.pts_ns, frame.epoch)
        for track in tracker.update(frame, detector.detect(frame.rgb) if due else None):
            lane = lanes.setdefault((frame.epoch, track.track_id, track.segment), [])
            cuts = sample(frame.rgb, track.pose, HR_SIZE), sample(frame.rgb, track.pose, LR_SIZE)
            lane.append((frame.pts_ns, track, *cuts))
    strips = []
    for lane in lanes.values():
        if lane[-1][0] - lane[0][0] >= min_s * 1e9:
            pts = np.array([row[0] for row in lane], np.int64)
            face_px = float(np.median([row[1].face_px for row in lane]))
            strips.append(
                FaceStrip(
                    pts, np.stack([row[2] for row in lane]), np.stack([row[3] for row in lane]), face_px
                )
            )
    return strips


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A window to ask about, and the right answer. ``event`` numbers the event it belongs to, -1 none."""

    centre_ns: int
    duration_ns: int
    target: int
    kind: str
    event: int


@dataclass(frozen=True, slots=True)
class Budget:
    """How many windows to keep of a clip: per event, per distractor kind, and of the rest."""

    positive: int = 6
    near: int = 5
    distractor: int = 10
    rest: int = 12


def hypotheses(
    pts_ns: NDArray[np.int64],
    events: Sequence[Span],
    distractors: Sequence[Span],
    durations_ns: Iterable[int],
) -> Iterator[Hypothesis]:
    """Every window the product could ask about at these frames, with its truth; doubtful ones left out.

    A window much longer than an event but centred on it shows the same three pictures as the right
    window, so it is left out, too: calling it 'none' would only teach doubt.
    """
    usual = float(np.median(np.diff(pts_ns)))
    breaks = np.flatnonzero(np.diff(pts_ns) > GAP_FACTOR * usual)
    for duration in durations_ns:
        if duration < MIN_FRAMES * usual:
            continue
        reach = duration // 2 + 80_000_000
        for centre in pts_ns[(pts_ns - reach >= pts_ns[0]) & (pts_ns + reach <= pts_ns[-1] + usual / 2)]:
            start, stop = int(centre) - duration // 2, int(centre) + duration // 2
            if any(pts_ns[b + 1] > start - 80_000_000 and pts_ns[b] < stop + 80_000_000 for b in breaks):
                continue
            item = _judge(int(centre), duration, events, distractors)
            if item is not None:
                yield item


def _judge(
    centre: int, duration: int, events: Sequence[Span], distractors: Sequence[Span]
) -> Hypothesis | None:
    start, stop = centre - duration // 2, centre + duration // 2
    over = [span for span in distractors if start < span.offset_ns and span.onset_ns < stop]
    if any(span.label == UNCLEAR for span in over):
        return None
    near = -1
    for index, event in enumerate(events):
        inter = min(stop, event.offset_ns) - max(start, event.onset_ns)
        union = max(stop, event.offset_ns) - min(start, event.onset_ns)
        if inter >= POSITIVE_IOU * union:
            return Hypothesis(centre, duration, event.target, "positive", index)
        middle = (event.onset_ns + event.offset_ns) // 2
        swallows = duration > event.offset_ns - event.onset_ns and abs(middle - centre) < duration // 3
        if inter > NEGATIVE_IOU * union or swallows:
            return None
        if max(start - event.offset_ns, event.onset_ns - stop) < 100_000_000:
            near = index
    if near >= 0:
        return Hypothesis(centre, duration, NONE, "near", near)
    return Hypothesis(centre, duration, NONE, over[0].label if over else "rest", -1)


def choose(items: Iterable[Hypothesis], budget: Budget, rng: np.random.Generator) -> list[Hypothesis]:
    """A random choice within the budget of each group, in time order."""
    groups: dict[tuple[str, int], list[Hypothesis]] = {}
    for item in items:
        groups.setdefault((item.kind, item.event), []).append(item)
    sizes = {"positive": budget.positive, "near": budget.near, "rest": budget.rest}
    kept: list[Hypothesis] = []
    for (kind, _), group in groups.items():
        count = min(len(group), sizes.get(kind, budget.distractor))
        kept.extend(group[i] for i in rng.choice(len(group), count, replace=False))
    return sorted(kept, key=lambda h: (h.centre_ns, h.duration_ns))


def drawn_durations(rng: np.random.Generator) -> tuple[int, ...]:
    """The ladders of both bands (0.04-0.2 s and 0.2-0.5 s), each rung moved by up to 12 %."""
    rungs = (*duration_ladder(0.04, 0.2), *duration_ladder(0.2, 0.5))
    return tuple(round(d * float(rng.uniform(0.88, 1.12))) for d in rungs)
