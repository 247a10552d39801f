"""The parts of the crop benchmark: shoot a clip with a known pose, track it, compare with the truth."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TypeVar

import moving_head as heads
import numpy as np

from stream_mer.core.face_shape import RIGID_MASK
from stream_mer.core.geometry import pose_from_keypoints
from stream_mer.core.tracking import FaceTracker
from stream_mer.core.warp import sample_f32
from stream_mer.protocols import FaceDetector
from stream_mer.types import ArrayF64, Detection, FaceTrack, Frame, ImageU8, Similarity

_T = TypeVar("_T")
FILMS = ("sensor", "h264", "alive")
"""Noise of 2 grey levels; the same through x264 at CRF 23; and with a head that turns, blinks and speaks."""
SETTLE_S = 0.3
RIGID_LR = RIGID_MASK.reshape(32, 2, 32, 2).all((1, 3))


@dataclass
class Shot:
    """Frames and the pose that is true for each."""

    fps: float
    frames: list[ImageU8]
    truth: list[Similarity]


def shoot(
    portrait: ImageU8,
    found: Detection,
    film: str,
    face_px: int,
    fps: float,
    seconds: float,
    speed: float,
    seed: int,
) -> Shot:
    """Film a portrait, whose face was ``found`` by a detector, as a moving head."""
    size = int(3.2 * face_px) // 2 * 2, int(4 * face_px) // 2 * 2
    head = heads.Head(portrait, pose_from_keypoints(found.keypoints), size, seed)
    motion = heads.script(seed, int(seconds * fps), fps, face_px, size, speed=speed, alive=film == "alive")
    frames = heads.film(head, motion, seed=seed)
    if film != "sensor":
        frames = heads.through_h264(frames, fps)
    truth = [heads.true_pose(p, motion.shape(i)) for i, p in enumerate(motion.poses)]
    return Shot(fps, list(frames), truth)


def track(shot: Shot, detector: FaceDetector) -> tuple[list[FaceTrack | None], list[float]]:
    """The tracker's answer to every frame, and how long each update took, ms."""
    tracker = FaceTracker()
    answers: list[FaceTrack | None] = []
    took = []
    for i, rgb in enumerate(shot.frames):
        frame = Frame(i, round(i * 1e9 / shot.fps), rgb)
        detections = detector.detect(rgb) if tracker.wants_detection(frame.pts_ns, 0) else None
        start = time.perf_counter()
        shown = tracker.update(frame, detections)
        took.append((time.perf_counter() - start) * 1e3)
        answers.append(shown[0] if shown else None)
    return answers, took


def measure(shot: Shot, detector: FaceDetector, coarse: FaceDetector | None) -> dict[str, float]:
    """All figures of one clip; the two other ways to cut only if a ``coarse`` detector is given."""
    answers, took = track(shot, detector)
    runs, skip = unbroken(answers), round(SETTLE_S * shot.fps)
    energy, count, wander, grey = 0.0, 0, 0.0, np.zeros(2)
    for start, stop in runs:
        if stop - start < 3 * skip:
            continue
        span = range(start + skip, stop)
        poses = [a.pose for i in span if (a := answers[i]) is not None]
        truth = [shot.truth[i] for i in span]
        errors = heads.crop_errors(truth, poses)
        fast = heads.high_pass(errors, shot.fps)
        energy += float((fast**2).sum(-1).mean(1).sum())
        count += len(span)
        slow = errors - fast
        wander = max(wander, float(np.linalg.norm(slow - slow.mean(0), axis=-1).max()))
        grey += len(span) * np.array([_grey(shot, span, p) ** 2 for p in (truth, poses)])
    later = answers[skip:]
    first = next((i for i, a in enumerate(answers) if a is not None), 0)
    boxes = one_euro_points = float("nan")
    if coarse is not None:
        boxes = _box_jitter(shot, [coarse.detect(rgb) for rgb in shot.frames])
        one_euro_points = _one_euro_jitter(shot, [detector.detect(rgb) for rgb in shot.frames])
    return {
        "energy": energy,
        "frames": float(count),
        "grey_true": float(grey[0]),
        "grey_ours": float(grey[1]),
        "wander": wander,
        "shown": sum(a is not None for a in later) / len(later),
        "breaks": float(max(len(runs) - 1, 0)),
        "seconds": (len(answers) - first) / shot.fps,
        "update_ms": float(np.median(took)),
        "boxes": boxes,
        "one_euro": one_euro_points,
    }


def pooled(clips: list[dict[str, float]]) -> dict[str, float]:
    """Figures over all people: rms for jitter, worst for wander, means for the rest."""

    def total(key: str) -> float:
        return sum(c[key] for c in clips)

    def rms(key: str) -> float:
        values = [c[key] for c in clips if np.isfinite(c[key])]
        return float(np.sqrt(np.mean(np.square(values)))) if values else float("nan")

    frames = max(total("frames"), 1.0)
    return {
        "boxes": rms("boxes"),
        "one_euro": rms("one_euro"),
        "ours": float(np.sqrt(total("energy") / frames)),
        "ours_worst": max(float(np.sqrt(c["energy"] / max(c["frames"], 1.0))) for c in clips),
        "true_pose_grey": float(np.sqrt(total("grey_true") / frames)),
        "ours_grey": float(np.sqrt(total("grey_ours") / frames)),
        "wander": max(c["wander"] for c in clips),
        "shown": total("shown") / len(clips),
        "breaks": 60 * total("breaks") / total("seconds"),
        "update_ms": total("update_ms") / len(clips),
    }


def unbroken(answers: list[FaceTrack | None]) -> list[tuple[int, int]]:
    """Half-open runs of frames of one track and segment."""
    names = [None if a is None else (a.track_id, a.segment) for a in answers]
    runs, start = [], 0
    for i in range(1, len(names) + 1):
        if i == len(names) or names[i] != names[start]:
            if names[start] is not None:
                runs.append((start, i))
            start = i
    return runs


def _grey(shot: Shot, span: range, poses: list[Similarity]) -> float:
    """How much the rigid part of the LR crop flickers above 1.25 Hz, grey levels rms."""
    crops = [sample_f32(shot.frames[i], pose, 32).mean(-1) for i, pose in zip(span, poses, strict=True)]
    fast = heads.high_pass(np.stack(crops).astype(np.float64), shot.fps)
    return float(fast[:, RIGID_LR].std())


def _box_jitter(shot: Shot, detections: list[list[Detection]]) -> float:
    """Crops placed by the detector's boxes: their middles and widths, no rotation."""
    boxes = _filled([d[0].box if d else None for d in detections])
    if boxes is None:
        return float("nan")
    widths = np.array([b.width for b in boxes])
    scales = widths * np.median([t.scale for t in shot.truth]) / np.median(widths)
    poses = [
        Similarity(float(s), 0.0, b.centre[0] - 64 * float(s), b.centre[1] - 60 * float(s))
        for s, b in zip(scales, boxes, strict=True)
    ]
    return _jitter(shot, poses)


def _one_euro_jitter(shot: Shot, detections: list[list[Detection]]) -> float:
    """Crops placed by refined key points of every frame, each coordinate through a one-euro filter."""
    points = _filled([d[0].keypoints if d else None for d in detections])
    if points is None:
        return float("nan")
    smooth = one_euro(np.stack(points), shot.fps)
    return _jitter(shot, [pose_from_keypoints(p) for p in smooth])


def one_euro(x: ArrayF64, fps: float, min_hz: float = 3.0, beta: float = 0.1) -> ArrayF64:
    """Causal smoothing whose cut-off rises with speed (Casiez et al. 2012).

    The two constants are those of a grid that were best on training portraits.
    """
    out, speed, smooth = [x[0]], np.zeros_like(x[0]), x[0]
    for previous, value in itertools.pairwise(x):
        speed += _share(np.ones_like(value), fps) * ((value - previous) * fps - speed)
        smooth = smooth + _share(min_hz + beta * np.abs(speed), fps) * (value - smooth)
        out.append(smooth)
    return np.stack(out)


def _share(cutoff_hz: ArrayF64, fps: float) -> ArrayF64:
    return np.asarray(1 / (1 + fps / (2 * np.pi * cutoff_hz)))


def _jitter(shot: Shot, poses: list[Similarity]) -> float:
    skip = round(SETTLE_S * shot.fps)
    return heads.jitter(heads.crop_errors(shot.truth, poses)[skip:], shot.fps)


def _filled(items: list[_T | None]) -> list[_T] | None:
    """Gaps closed with the last value before them (the first after them at the start)."""
    last = next((x for x in items if x is not None), None)
    if last is None:
        return None
    out = []
    for item in items:
        last = item if item is not None else last
        out.append(last)
    return out
