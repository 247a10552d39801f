"""Remembers the last second or so of every face, small and grey, for whoever must look back at an event."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from stream_mer.types import HR_SIZE, ArrayF32, ArrayF64, FaceCrop, ImageU8, Similarity

SIDE = 64
"""Pictures are kept as grey of this side: half the classifier's resolution, a quarter of the noise."""
KEEP_NS = 2_500_000_000
"""How far back a face is remembered."""
_CORNERS = np.stack(np.meshgrid(np.arange(8.0, 128, 16), np.arange(8.0, 128, 16)), -1).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One face in one frame: ``grey`` ``(64, 64)`` float32, where it lay, how well it was recognised.

    ``stretch`` is (segment, epoch, sr): pictures of two stretches cannot be compared. ``outside`` is the
    share of the crop that lies beyond the frame's border, 0..1.
    """

    pts_ns: int
    stretch: tuple[int, int, bool]
    grey: ArrayF32
    pose: Similarity
    quality: float
    outside: float


@dataclass(slots=True)
class FaceMemory:
    """The last glimpses of every track; 16 kB a face and frame."""

    keep_ns: int = KEEP_NS
    now_ns: int = 0
    _lanes: dict[int, deque[Glimpse]] = field(default_factory=dict)

    def push(self, crops: Iterable[FaceCrop], size: tuple[int, int], now_ns: int) -> None:
        """Take the crops of one frame, each with its picture.

        Args:
            crops: faces of one frame.
            size: the frame's height and width, px.
            now_ns: the frame's time.
        """
        self.now_ns = now_ns
        for crop in crops:
            if crop.picture is None:
                raise ValueError("a crop without picture cannot be remembered")
            track = crop.track
            lane = self._lanes.setdefault(track.track_id, deque())
            if lane and crop.epoch != lane[-1].stretch[1]:
                lane.clear()  # the clock has started again
            stretch = (track.segment, crop.epoch, crop.sr)
            outside = _outside(track.pose, size)
            lane.append(Glimpse(now_ns, stretch, grey64(crop.picture), track.pose, track.quality, outside))
            while now_ns - lane[0].pts_ns > self.keep_ns:
                lane.popleft()
        for track_id in [k for k, v in self._lanes.items() if abs(now_ns - v[-1].pts_ns) > 2 * self.keep_ns]:
            del self._lanes[track_id]

    def around(self, track_id: int, centre_ns: int, before_ns: int, after_ns: int) -> list[Glimpse]:
        """Glimpses of ``[centre - before, centre + after]`` that compare with the one at the centre."""
        lane = self._lanes.get(track_id, ())
        near = [g for g in lane if -before_ns <= g.pts_ns - centre_ns <= after_ns]
        if not near:
            return []
        stretch = min(near, key=lambda g: abs(g.pts_ns - centre_ns)).stretch
        return [g for g in near if g.stretch == stretch]

    def last_ns(self, track_id: int) -> int | None:
        """When this face was seen last; None if it is not remembered."""
        lane = self._lanes.get(track_id)
        return lane[-1].pts_ns if lane else None


def grey64(picture: ImageU8) -> ArrayF32:
    """``(64, 64)`` float32 of a 128x128 face: green carries most of the luma, and the least noise."""
    step = picture.shape[0] // SIDE
    reduced: ArrayF32 = picture[..., 1].astype(np.float32).reshape(SIDE, step, SIDE, step).mean((1, 3))
    return reduced


def _outside(pose: Similarity, size: tuple[int, int]) -> float:
    edge = HR_SIZE * pose.scale * 1.5
    height, width = size
    if edge < pose.tx < width - edge and edge < pose.ty < height - edge:
        return 0.0
    points: ArrayF64 = pose.apply(_CORNERS)
    inside = (points >= 0).all(1) & (points[:, 0] < width) & (points[:, 1] < height)
    return float(1 - inside.mean())
