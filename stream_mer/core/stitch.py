"""Joins what neighbouring segments gave: a face keeps its name, no event is lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stream_mer.core.assignment import assign
from stream_mer.core.segments import BoxTimes, Segment, SegmentResult
from stream_mer.types import Event

Corners = tuple[float, float, float, float]
BORDER_NS = 1_000_000_000
"""Faces are compared over this long before a border; both neighbours see it."""
SAME_FACE_IOU = 0.4
"""Boxes of one face by two runs of the tracker agree far better; those of two people side by side do not."""


def same_faces(before: dict[int, BoxTimes], after: dict[int, BoxTimes]) -> dict[int, int]:
    """Which face of ``after`` is which of ``before``: by mean IoU of their boxes at the same times.

    Args:
        before: the earlier segment's faces in the last second of its own time.
        after: the later segment's faces in the same second.

    Returns:
        Name in ``after`` -> name in ``before``; faces without a partner are missing.
    """
    rows, columns = sorted(before), sorted(after)
    cost = np.array([[1.0 - _mean_iou(before[r], after[c]) for c in columns] for r in rows], np.float64)
    pairs = assign(cost.reshape(len(rows), len(columns)), 1.0 - SAME_FACE_IOU)
    return {columns[c]: rows[r] for r, c in pairs}


def box_iou(one: Corners, two: Corners) -> float:
    """Intersection over union of two boxes ``(x0, y0, x1, y1)``.

    >>> box_iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, two))
    return shared / (areas - shared)


def _mean_iou(one: BoxTimes, two: BoxTimes) -> float:
    """Over all times either was seen: a face there for a moment only is not the one that stayed."""
    times = one.keys() | two.keys()
    shared = one.keys() & two.keys()
    return sum(box_iou(one[t], two[t]) for t in shared) / len(times) if times else 0.0


@dataclass(slots=True)
class Names:
    """Gives faces their names for the whole file, segment after segment.

    The first segment's names stay as they are; a later segment's face is the one it stood for before
    the border, or gets the next free number in the order of appearance.
    """

    next_id: int = 1
    exit: dict[int, BoxTimes] = field(default_factory=dict)

    def enter(self, entry: dict[int, BoxTimes], index: int) -> Renaming:
        """The names for a segment whose faces before the border are ``entry``."""
        known = same_faces(self.exit, entry)
        return Renaming(known, self.next_id, first=index == 0)

    def take(self, result: SegmentResult) -> dict[int, int]:
        """Name a segment's faces and remember who was there at its end."""
        renaming = self.enter(result.entry, result.index)
        for track in (*result.tracks, *(event.track_id for event in result.events)):
            renaming.name(track)
        self.next_id = renaming.next_id
        self.exit = {renaming.name(track): boxes for track, boxes in result.exit.items()}
        return renaming.known


@dataclass(slots=True)
class Renaming:
    """Local name -> name in the file, growing as new faces appear."""

    known: dict[int, int]
    next_id: int
    first: bool

    def name(self, track: int) -> int:
        """The file's name of a segment's face."""
        if track not in self.known:
            self.known[track] = track if self.first else self.next_id
        self.next_id = max(self.next_id, self.known[track] + 1)
        return self.known[track]


def merge_events(segments: Sequence[Segment], results: Iterator[SegmentResult]) -> Iterator[Event]:
    """All events of a file with the file's track names, in the order of segments and of decision.

    At a border both neighbours may see one event with its apex on different sides: then it would be kept
    twice or not at all. So an event both own is kept once, the more probable one (the earlier segment's
    in a tie), and one that each leaves to the other is kept from the earlier segment.

    The ids are those of the segments and must be computed anew.
    """
    names = Names()
    previous: list[Event] = []
    left_over: list[Event] = []
    for segment, result in zip(segments, results, strict=False):
        ids = names.take(result)
        events = [replace(event, track_id=ids[event.track_id]) for event in result.events]
        own = [event for event in events if segment.owns(event.apex_ns)]
        early = [event for event in events if event.apex_ns < segment.start_ns]
        # The segment before left them to this one, which leaves them to that one.
        previous += [
            event
            for event in left_over
            if any(_same(event, other) for other in early) and not any(_same(event, o) for o in own)
        ]
        doubled = [(old, new) for old in previous for new in own if _same(old, new)]
        weaker = [new if old.probability >= new.probability else old for old, new in doubled]
        yield from (event for event in previous if not any(event is w for w in weaker))
        previous = [event for event in own if not any(event is w for w in weaker)]
        stop = segment.stop_ns
        left_over = [event for event in events if stop is not None and event.apex_ns >= stop]
    yield from previous


def _same(one: Event, two: Event) -> bool:
    return (
        one.track_id == two.track_id
        and one.epoch == two.epoch
        and one.onset_ns < two.offset_ns
        and two.onset_ns < one.offset_ns
    )
