"""Follows several people through a video: who is who, where each face lies, and since when unbroken.

Detection says now and then where faces are; in between every face is registered against what it
looked like (``keyframes``). Detection only starts tracks, confirms them and, slowly, centres them,
so a crop's content does not depend on which frames detection happened to run on.

States of a track: *new* (seen once or twice, not shown), *seen* (shown), *held* (not shown, waiting
for ``hold_s`` to be found again; its ``segment`` is then one higher).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log

import numpy as np

from stream_mer.core.assignment import assign
from stream_mer.core.geometry import FACE_WIDTH, compose, crop_box, pose_from_keypoints
from stream_mer.core.keyframes import FaceRegistration, KeyFrameSettings, between, fraction
from stream_mer.core.warp import sample_f32
from stream_mer.types import ArrayF32, ArrayF64, Detection, FaceTrack, Frame, Similarity

APPEARANCE_SIZE = 16
SECOND = 1_000_000_000


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


class _Track:
    """One face's state; ``FaceTracker`` decides, this only remembers."""

    def __init__(
        self, number: int, frame: Frame, pose: Similarity, look: ArrayF32, s: TrackerSettings
    ) -> None:
        self.id, self.segment, self.state = number, 0, "new"
        self.hits, self.disagreed = 1, 0
        self.first_ns = self.confirmed_ns = frame.pts_ns
        self.appearance = look
        self.seed(frame, pose, s)

    def seed(self, frame: Frame, pose: Similarity, s: TrackerSettings) -> None:
        self.registration = FaceRegistration(frame.rgb, pose, s.key_frames)
        self.pose, self.quality, self.disagreed = pose, 1.0, 0
        self.seen_ns = frame.pts_ns
        self.velocity = np.zeros(4)  # canonical px a second
        self.drift = np.zeros(2)  # frame px a second, over a longer time: for what cannot be seen

    def predicted(self, pts_ns: int) -> Similarity:
        dt = max(pts_ns - self.seen_ns, 0) / SECOND
        if self.state == "held":
            p = self.pose
            return Similarity(p.a, p.b, p.tx + float(self.drift[0]) * dt, p.ty + float(self.drift[1]) * dt)
        return compose(self.pose, fraction(self.velocity * min(dt, 0.1)))

    def moved(self, pose: Similarity, pts_ns: int) -> None:
        dt = (pts_ns - self.seen_ns) / SECOND
        if dt > 0:
            new = between(self.pose, pose) / dt
            self.velocity = new if np.abs(new * dt).max() > 0.01 else self.velocity * 0.5
            step = (np.array(face_centre(pose)) - face_centre(self.pose)) / dt
            self.drift = self.drift + (step - self.drift) * min(1.0, dt / 0.25)
        self.pose, self.seen_ns = pose, max(pts_ns, self.seen_ns)

    def shown(self) -> FaceTrack:
        return FaceTrack(
            self.id,
            self.segment,
            crop_box(self.pose),
            self.pose,
            FACE_WIDTH * self.pose.scale,
            float(np.clip(self.quality, 0.0, 1.0)),
        )


class FaceTracker:
    """Turns frames and occasional detections into tracks. Deterministic; one thread at a time."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self._s = settings or TrackerSettings()
        self._tracks: list[_Track] = []
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

    def _register(self, track: _Track, frame: Frame) -> None:
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

    def _lose(self, track: _Track) -> None:
        track.state = "held" if track.state == "seen" else "dead"

    def _separate(self, frame: Frame) -> None:
        """Two tracks on one face: the one that looks less like itself is behind, and lost."""
        live = [t for t in self._tracks if t.state in ("seen", "new")]
        for i, one in enumerate(live):
            for two in live[i + 1 :]:
                if "held" in (one.state, two.state) or _distance(one.pose, two.pose) > 0.5:
                    continue
                if abs(log(one.pose.scale / two.pose.scale)) > 0.5:
                    continue
                if (one.state == "new") != (two.state == "new"):
                    loser = one if one.state == "new" else two
                else:
                    likeness = [float(t.appearance @ appearance(frame, t.pose)) for t in (one, two)]
                    loser = one if likeness[0] < likeness[1] else two
                self._lose(loser)

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
            covered = any(t.state != "held" and _distance(t.pose, pose) < 0.5 for t in self._tracks)
            if not covered and len(self._tracks) < s.max_faces:
                self._tracks.append(_Track(self._next_id, frame, pose, look, s))
                self._next_id += 1

    def _cost(self, t: _Track, pose: Similarity, look: ArrayF32, now: int) -> float:
        away = max(now - t.seen_ns, 0) / SECOND
        reach = 0.6 if t.state != "held" else min(0.8 + 1.5 * away, 2.0)
        distance = _distance(t.predicted(now) if t.state == "held" else t.pose, pose)
        zoom = abs(log(pose.scale / t.pose.scale))
        likeness = float(t.appearance @ look)
        if distance > reach or zoom > 0.6 or (t.state == "held" and likeness < 0.3):
            return float("inf")
        return distance / reach + zoom + (1 - likeness)

    def _confirm(self, t: _Track, frame: Frame, pose: Similarity, look: ArrayF32, dt: float) -> None:
        s = self._s
        t.hits += 1
        t.confirmed_ns = frame.pts_ns
        if t.state == "held":
            t.seed(frame, pose, s)
            t.segment, t.state = t.segment + 1, "seen"
            return
        if float(np.hypot(*between(t.pose, pose)[2:])) > s.max_disagreement_px:
            t.disagreed += 1
            if t.disagreed >= 2:
                t.seed(frame, pose, s)
                t.segment += t.state == "seen"
            return
        t.disagreed = 0
        t.registration.detected(pose, dt, settle=t.state == "new")
        t.pose = t.registration.pose
        t.appearance = _unit(0.9 * t.appearance + 0.1 * look)
        waited = (frame.pts_ns - t.first_ns) / SECOND
        if t.state == "new" and (t.hits >= s.confirm_hits or (t.hits >= 2 and waited >= s.confirm_s)):
            t.state = "seen"

    def _alive(self, t: _Track, now: int) -> bool:
        s = self._s
        if t.state == "held":
            away, place = (now - t.seen_ns) / SECOND, t.predicted(now)
            behind = any(o.state == "seen" and _distance(o.pose, place) < 1.2 for o in self._tracks)
            return away <= (s.hold_behind_s if behind else s.hold_s + s.grace_s)
        patience = s.unconfirmed_s if t.state == "seen" else s.hold_s
        return t.state != "dead" and (now - t.confirmed_ns) / SECOND <= patience


def face_centre(pose: Similarity) -> tuple[float, float]:
    """Middle of the face in the frame."""
    return pose.a * 64 - pose.b * 60 + pose.tx, pose.b * 64 + pose.a * 60 + pose.ty


def appearance(frame: Frame, pose: Similarity) -> ArrayF32:
    """What a face looks like, for telling people apart: 16x16 colours, without brightness, unit length."""
    picture = sample_f32(frame.rgb, pose, APPEARANCE_SIZE)[1:-1, 2:-2]
    return _unit((picture - picture.mean()).ravel())


def _unit(x: ArrayF32) -> ArrayF32:
    return np.asarray(x / max(float(np.linalg.norm(x)), 1e-6), np.float32)


def _pose(detection: Detection) -> Similarity | None:
    """The detection's pose, None if its key points make no face."""
    if not np.isfinite(detection.keypoints).all():
        return None
    try:
        pose = pose_from_keypoints(detection.keypoints)
    except ValueError:
        return None
    return pose if pose.scale * FACE_WIDTH >= 8 else None


def _distance(one: Similarity, two: Similarity) -> float:
    """Between two faces' middles, in widths of the larger face."""
    gap: ArrayF64 = np.subtract(face_centre(one), face_centre(two))
    return float(np.hypot(*gap)) / (FACE_WIDTH * max(one.scale, two.scale))
