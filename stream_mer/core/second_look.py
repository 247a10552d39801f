"""What the classifier is shown a second time: a supposed event within the limits that were measured.

The first look tries a few lengths at a few times, and the strongest of many answers wins: where nothing
is, that is the luckiest of them. Measured limits owe nothing to the classifier, so what it says of them is
not lucky; and where something is, its pictures show more of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stream_mer.core.window_pictures import REFERENCE_NS, lay_window
from stream_mer.core.windowing import usual_distance_ns
from stream_mer.types import Event, FaceCrop, Window

SLACK_NS = 500_000_000
"""Beside the longest event, so much is remembered: the pictures before it, and until it is decided."""


@dataclass(slots=True)
class SecondLook:
    """Remembers the last crops of every face; one stream. They are not copied.

    Args:
        max_ns: longest event.
    """

    max_ns: int
    _lanes: dict[int, deque[FaceCrop]] = field(default_factory=dict)

    def push(self, crops: Iterable[FaceCrop], now_ns: int) -> None:
        """Take the crops of one frame, each with its picture."""
        for crop in crops:
            lane = self._lanes.setdefault(crop.track.track_id, deque())
            if lane and _stretch(lane[-1]) != _stretch(crop):
                lane.clear()  # pictures of two stretches cannot be compared
            lane.append(crop)
        oldest = now_ns - self.max_ns - SLACK_NS
        for track_id, lane in list(self._lanes.items()):
            while lane and (lane[0].pts_ns < oldest or lane[0].pts_ns > now_ns):  # the clock started again
                lane.popleft()
            if not lane:
                del self._lanes[track_id]

    def window(self, event: Event) -> Window | None:
        """The window of this event; None if not all of its pictures were seen, or the face was lost since."""
        lane = self._lanes.get(event.track_id)
        if not lane or lane[-1].epoch != event.epoch:
            return None
        pts, end = np.array([c.pts_ns for c in lane], np.int64), event.offset_ns + REFERENCE_NS
        usual = usual_distance_ns(np.diff(pts[pts <= end]))
        if pts[-1] < end - usual / 2:
            return None
        centre = (event.onset_ns + event.offset_ns) // 2
        return lay_window(lane, pts, centre, event.offset_ns - event.onset_ns, usual)


def _stretch(crop: FaceCrop) -> tuple[int, int, bool]:
    return crop.track.segment, crop.epoch, crop.sr
