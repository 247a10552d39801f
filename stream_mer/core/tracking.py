"""Follows several people through a video: who is who, where each face lies, and since when unbroken.

Detection says now and then where faces are; in between every face is registered against what it
looked like (``keyframes``). Detection only starts tracks, confirms them and, slowly, centres them,
so a crop's content does not depend on which frames detection happened to run on.

States of a track: *new* (seen once or twice, not shown), *seen* (shown), *held* (not shown, waiting
for ``hold_s`` to be found again; its ``segment`` is then one higher).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from math import log

import numpy as np

from stream_mer.core.assignment import assign
from stream_mer.core.geometry import FACE_WIDTH, pose_from_keypoints
from stream_mer.core.keyframes import KeyFrameSettings, between
from stream_mer.core.track import CLEAR, SECOND, Track, appearance, distance, unit
from stream_mer.types import ArrayF32, Detection, FaceTrack, Frame, Similarity


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How long a face is looked for and what counts as lost; times in seconds, never in frames."""

    detect_every_s: float = 0.2
    """Detection is wanted this often ..."""
    urgent_every_s: float = 0.04
    """... and this often while a face is new or has just been lost."""
    hold_s: float = 0.5
    """An unseen face keeps its id this long (and a little more, until the next detection)."""
    grace_s: float = 0.25
    hold_behind_s: float = 1.5
    """... and this long while somebody else is where it should be: it is probably behind them."""
    confirm_hits: int = 3
    """Detections that make a new face a shown one ..."""
    confirm_s: float = 0.15
    """... or two of them this far apart."""
    unconfirmed_s: float = 1.5
    """A face that registration follows but no detection confirms is given up after this time."""
    min_quality: float = 0.6
    """Correlation with the key frame below which a face is lost."""
    min_inside: float = 0.5
    """Share of the rigid skin that must lie inside the frame."""
    max_scale_jump: float = 0.25
    """Relative change of scale between two frames that cannot be real."""
    max_disagreement_px: float = 18.0
    """Canonical px between registration and detector; twice in a row and the face is re-seeded."""
    max_faces: int = 16
    key_frames: KeyFrameSettings = field(default_factory=KeyFrameSettings)


class FaceTracker:
    """Turns frames and occasional detections into tracks. Deterministic; one thread at a time."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._s = settings or TrackerSettings()
        self._tracks: list[Track] = []
        self._next_id = 1
        self._epoch: int | None = None
        self._size: tuple[int, int] | None = None
        self._detected_ns: int | None = None

    def wants_detection(self, pts_ns: int, epoch: int) -> bool:
        """Whether ``update`` should be given detections for the frame of this time."""
        if self._detected_ns is None or epoch != self._epoch:
            return True
        urgent = any(t.state != "seen" for t in self._tracks)
        period = self._s.urgent_every_s if urgent else self._s.detect_every_s
        since = (pts_ns - self._detected_ns) / SECOND
        return since < 0 or since > period - 0.005

    def update(self, frame: Frame, detections: list[Detection] | None) -> tuple[FaceTrack, ...]:
        """Take the next frame.

        Args:
            frame: frames of one source in order; a new ``epoch`` or size breaks every segment.
            detections: faces found in this frame with refined key points; None: detection did not run.

        Returns:
            The faces visible now, by ascending id.
        """
        self._begin(frame)
        for track in self._tracks:
            if track.state != "held":
                self._register(track, frame)
        self._separate(frame)
        if detections is not None:
            self._match(frame, detections)
            self._detected_ns = frame.pts_ns
        self._tracks = [t for t in self._tracks if self._alive(t, frame.pts_ns)]
        return tuple(t.shown() for t in self._tracks if t.state == "seen")

    def _begin(self, frame: Frame) -> None:
        size = frame.rgb.shape[0], frame.rgb.shape[1]
        if self._size is not None and (frame.epoch != self._epoch or size != self._size):
            ratio = size[1] / self._size[1]
            for t in self._tracks:
                p = t.pose
                t.pose = Similarity(p.a * ratio, p.b * ratio, p.tx * ratio, p.ty * ratio)
                t.seen_ns = t.confirmed_ns = frame.pts_ns
                t.drift = np.zeros(2)
                t.state = "held" if t.state != "new" else "dead"
            self._detected_ns = None
        self._epoch, self._size = frame.epoch, size

    def _register(self, track: Track, frame: Frame) -> None:
        s, dt = self._s, (frame.pts_ns - track.seen_ns) / SECOND
        pose, fit = track.registration.advance(frame.rgb, track.predicted(frame.pts_ns), max(dt, 0.0))
        jump = abs(log(pose.scale / track.pose.scale)) if pose.scale > 0 else np.inf
        leap = np.abs(between(track.pose, pose)[2:]).max() if jump < 1 else np.inf
        good = fit.quality >= s.min_quality and fit.inside >= s.min_inside
        if good and jump <= log(1 + s.max_scale_jump) and leap < FACE_WIDTH / 2:
            track.quality = fit.quality
            track.moved(pose, frame.pts_ns)
        else:
            self._lose(track)

    def _lose(self, track: Track) -> None:
        track.state = "held" if track.state == "seen" else "dead"

    def _separate(self, frame: Frame) -> None:
        """Two tracks on one face, or one half covered by another: who looks unlike himself is lost."""
        live = [t for t in self._tracks if t.state in ("seen", "new")]
        for t in live:
            t.crowded = False
        for one, two in combinations(live, 2):
            gap = distance(one.pose, two.pose)
            if gap > 1.0 or not {one.state, two.state} <= {"seen", "new"}:
                continue
            one.crowded = two.crowded = True
            likeness = [
                # the established track is believed before the new one
                float(t.appearance @ appearance(frame, t.pose)) / t.likeness
                - (t.state == "new" and o.state == "seen")
                for t, o in ((one, two), (two, one))
            ]
            if gap < 0.5 or min(likeness) < 0.7:
                self._lose(one if likeness[0] < likeness[1] else two)

    def _match(self, frame: Frame, detections: list[Detection]) -> None:
        s, now = self._s, frame.pts_ns
        dt = 0.0 if self._detected_ns is None else max(now - self._detected_ns, 0) / SECOND
        found = [(d, p, appearance(frame, p)) for d in detections if (p := _pose(d)) is not None]
        self._tracks = [t for t in self._tracks if t.state != "dead"]
        cost = np.array([[self._cost(t, p, look, now) for _, p, look in found] for t in self._tracks])
        pairs = assign(cost.reshape(len(self._tracks), len(found)), 2.0)
        for row, column in pairs:
            _, pose, look = found[column]
            self._confirm(self._tracks[row], frame, pose, look, dt)
        taken = {c for _, c in pairs}
        for column in sorted(set(range(len(found))) - taken, key=lambda c: -found[c][0].score):
            _, pose, look = found[column]
            covered = any(t.state != "held" and distance(t.pose, pose) < 0.5 for t in self._tracks)
            if not covered and len(self._tracks) < s.max_faces:
                self._tracks.append(Track(self._next_id, frame, pose, look, s.key_frames))
                self._next_id += 1

    def _cost(self, t: Track, pose: Similarity, look: ArrayF32, now: int) -> float:
        away = max(now - t.seen_ns, 0) / SECOND
        likeness = float(t.appearance @ look)
        reach = 0.6
        if t.state == "held":
            reach = 2.5 if likeness > 0.9 * t.likeness else min(0.8 + 1.5 * away, 2.0)
        gap = distance(t.predicted(now) if t.state == "held" else t.pose, pose)
        zoom = abs(log(pose.scale / t.pose.scale))
        if gap > reach or zoom > 0.6 or (t.state == "held" and likeness < 0.3):
            return float("inf")
        return gap / reach + zoom + (1 - likeness)

    def _confirm(self, t: Track, frame: Frame, pose: Similarity, look: ArrayF32, dt: float) -> None:
        s = self._s
        t.hits += 1
        t.confirmed_ns = frame.pts_ns
        likeness = float(t.appearance @ look)
        if t.state == "held":
            others = [o for o in self._tracks if o.state == "seen"]
            if likeness < 0.8 * t.likeness and any(distance(o.pose, pose) < 1.0 for o in others):
                t.pose, t.seen_ns = pose, frame.pts_ns  # still half behind somebody: only remember where
                return
            t.seed(frame, pose, s.key_frames)
            t.segment, t.state = t.segment + 1, "seen"
            return
        if float(np.hypot(*between(t.pose, pose)[2:])) > s.max_disagreement_px:
            t.disagreed += 1
            if t.disagreed >= 2:
                t.seed(frame, pose, s.key_frames)
                t.segment += t.state == "seen"
            return
        t.disagreed = 0
        t.registration.detected(pose, dt, settle=t.state == "new")
        t.pose = t.registration.pose
        if t.quality > CLEAR and not t.crowded:
            t.appearance = unit(0.9 * t.appearance + 0.1 * look)
            t.likeness += 0.2 * (likeness - t.likeness)
        waited = (frame.pts_ns - t.first_ns) / SECOND
        if t.state == "new" and (t.hits >= s.confirm_hits or (t.hits >= 2 and waited >= s.confirm_s)):
            t.state = "seen"

    def _alive(self, t: Track, now: int) -> bool:
        s = self._s
        if t.state == "held":
            away, place = (now - t.seen_ns) / SECOND, t.predicted(now)
            behind = any(o.state == "seen" and distance(o.pose, place) < 1.2 for o in self._tracks)
            return away <= (s.hold_behind_s if behind else s.hold_s + s.grace_s)
        patience = s.unconfirmed_s if t.state == "seen" else s.hold_s
        return t.state != "dead" and (now - t.confirmed_ns) / SECOND <= patience


def _pose(detection: Detection) -> Similarity | None:
    """The detection's pose, None if its key points make no face."""
    if not np.isfinite(detection.keypoints).all():
        return None
    try:
        pose = pose_from_keypoints(detection.keypoints)
    except ValueError:
        return None
    return pose if pose.scale * FACE_WIDTH >= 8 else None
