"""What the classifier is shown a second time: a supposed event within the limits that were measured.

The first look tries a few lengths at a few times, and the strongest of many answers wins: where nothing
is, that is the luckiest of them. Limits are measured from the pictures, not chosen for their answer, so what
the classifier says of them is less lucky, and the mean over windows a little beside them is steadier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stream_mer.core.window_pictures import REFERENCE_NS, lay_window
from stream_mer.core.windowing import usual_distance_ns
from stream_mer.types import Event, FaceCrop, Window

SLACK_NS = 400_000_000
"""Beside the longest event (and a sixth of it, by which a window may lie earlier) so much is remembered: the
pictures before it (80 ms), until it is decided (230 ms after its measured offset), and a frame."""
BESIDE = ((1.0, 0.0), (0.8, 0.0), (1.25, 0.0), (1.0, -1 / 6), (1.0, 1 / 6))
"""The windows: length and how far from the middle, in measured lengths. The first is the event itself.
Chosen on clips of people set aside: one alone, or windows twice as far away, find less."""


@dataclass(slots=True)
class SecondLook:
    """Remembers the last crops of every face; one stream. They are not copied.

    Args:
        max_ns: longest event.
        apart_ns: frames that lie farther apart get no second look.
    """

    max_ns: int
    apart_ns: float
    _lanes: dict[int, deque[FaceCrop]] = field(default_factory=dict)

    def push(self, crops: Iterable[FaceCrop], now_ns: int) -> None:
        """Take the crops of one frame, each with its picture."""
        for crop in crops:
            lane = self._lanes.setdefault(crop.track.track_id, deque())
            if lane and _stretch(lane[-1]) != _stretch(crop):
                lane.clear()  # pictures of two stretches cannot be compared
            lane.append(crop)
        oldest = now_ns - self.max_ns - self.max_ns // 6 - SLACK_NS
        for track_id, lane in list(self._lanes.items()):
            while lane and (lane[0].pts_ns < oldest or lane[0].pts_ns > now_ns):  # the clock started again
                lane.popleft()
            if not lane:
                del self._lanes[track_id]

    def windows(self, event: Event) -> tuple[Window, ...]:
        """Windows of this event; none if its last picture has not come or the face was lost since."""
        lane = self._lanes.get(event.track_id)
        if not lane or lane[-1].epoch != event.epoch:
            return ()
        pts = np.array([c.pts_ns for c in lane], np.int64)
        usual = usual_distance_ns(np.diff(pts[pts <= event.offset_ns + REFERENCE_NS]))
        if not 0 < usual <= self.apart_ns:
            return ()
        middle, length = (event.onset_ns + event.offset_ns) // 2, event.offset_ns - event.onset_ns
        laid = []
        for factor, shift in BESIDE:
            centre, duration = middle + round(shift * length), round(factor * length)
            whole = pts[-1] >= centre + duration // 2 + REFERENCE_NS - usual / 2
            laid.append(lay_window(lane, pts, centre, duration, usual) if whole else None)
        return () if laid[0] is None else tuple(w for w in laid if w is not None)


def _stretch(crop: FaceCrop) -> tuple[int, int, bool]:
    return crop.track.segment, crop.epoch, crop.sr
