"""What a tracker remembers of one face: where it is, how it moves, what it looks like."""

from __future__ import annotations

from typing import Literal

import numpy as np

from stream_mer.core.geometry import FACE_WIDTH, compose, crop_box
from stream_mer.core.keyframes import FaceRegistration, KeyFrameSettings, between, fraction
from stream_mer.core.warp import sample_f32
from stream_mer.types import ArrayF32, ArrayF64, FaceTrack, Frame, Similarity

State = Literal["new", "seen", "held", "dead"]
SECOND = 1_000_000_000
APPEARANCE_SIZE = 16
CLEAR = 0.85
"""Correlation above which nothing covers a face."""


class Track:
    """What is known of one face. ``FaceTracker`` decides, this only remembers."""

    def __init__(
        self, number: int, frame: Frame, pose: Similarity, look: ArrayF32, s: KeyFrameSettings
    ) -> None:
        self.id, self.segment = number, 0
        self.state: State = "new"
        self.hits, self.disagreed = 1, 0
        self.first_ns = self.confirmed_ns = frame.pts_ns
        self.appearance, self.likeness, self.crowded = look, 1.0, False
        self.drift = np.zeros(2)  # frame px a second, over a longer time: for when it cannot be seen
        self.seed(frame, pose, s)

    def seed(self, frame: Frame, pose: Similarity, s: KeyFrameSettings) -> None:
        self.registration = FaceRegistration(frame.rgb, pose, s)
        self.pose, self.quality, self.disagreed = pose, 1.0, 0
        self.seen_ns = frame.pts_ns
        self.velocity = np.zeros(4)  # canonical px a second

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
            if (
                self.quality > CLEAR and not self.crowded
            ):  # a face half covered is dragged along by what covers it
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


def face_centre(pose: Similarity) -> tuple[float, float]:
    """Middle of the face in the frame."""
    return pose.a * 64 - pose.b * 60 + pose.tx, pose.b * 64 + pose.a * 60 + pose.ty


def appearance(frame: Frame, pose: Similarity) -> ArrayF32:
    """What a face looks like, for telling people apart: 16x16 colours, without brightness, unit length."""
    picture = sample_f32(frame.rgb, pose, APPEARANCE_SIZE)[1:-1, 2:-2]
    return unit((picture - picture.mean()).ravel())


def unit(x: ArrayF32) -> ArrayF32:
    return np.asarray(x / max(float(np.linalg.norm(x)), 1e-6), np.float32)


def distance(one: Similarity, two: Similarity) -> float:
    """Between two faces' middles, in widths of the larger face."""
    gap: ArrayF64 = np.subtract(face_centre(one), face_centre(two))
    return float(np.hypot(*gap)) / (FACE_WIDTH * max(one.scale, two.scale))
