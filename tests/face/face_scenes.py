"""Portraits pasted at a known place and size into pictures, for tests of face detectors."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stream_mer.core.geometry import ANCHORS, FACE_WIDTH, pose_from_keypoints
from stream_mer.face.zoomed import ZoomedDetector
from stream_mer.protocols import FaceDetector
from stream_mer.types import ArrayF64, ImageU8, Similarity


@dataclass(frozen=True)
class Portrait:
    """A portrait and where the canonical crop lies in it."""

    rgb: ImageU8
    pose: Similarity


def read_portraits(faces: Path, detector: FaceDetector, source: str, count: int) -> list[Portrait]:
    """Validation portraits of one source, placed by looking three times with ``detector`` (short range)."""
    finder = ZoomedDetector(detector, detector, passes=3)
    with (faces / "index.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] == "val" and row["source"] == source]
    portraits = []
    for row in rows[:count]:
        rgb = np.ascontiguousarray(cv2.imread(str(faces / row["path"]))[:, :, ::-1])
        found = finder.detect(rgb)
        assert found, f"no face in {row['path']} at full size"
        portraits.append(Portrait(rgb, pose_from_keypoints(found[0].keypoints)))
    return portraits


def backdrop(width: int, height: int, seed: int) -> ImageU8:
    """Smooth coloured texture without anything like a face."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 190, (height // 120 + 3, width // 120 + 3, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def paste(
    canvas: ImageU8, portrait: Portrait, centre: tuple[float, float], face_px: float, angle_deg: float = 0.0
) -> Similarity:
    """Draw the portrait so that its crop's centre lies at ``centre`` and its face is ``face_px`` wide.

    Returns:
        The true pose of the crop in ``canvas``.
    """
    scale = face_px / FACE_WIDTH / portrait.pose.scale
    a, b = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    middle = portrait.pose.apply(np.array([[64.0, 64.0]]))[0]
    put = Similarity(
        a, b, centre[0] - a * middle[0] + b * middle[1], centre[1] - b * middle[0] - a * middle[1]
    )
    over = max(1, int(np.ceil(1 / scale)))  # draw larger, then area-reduce: no aliasing
    height, width = portrait.rgb.shape[:2]
    corners = put.apply(np.array([[0.0, 0], [width, 0], [0, height], [width, height]]))
    low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(0)).astype(int), [canvas.shape[1], canvas.shape[0]])
    size = tuple(int(v) * over for v in high - low)
    matrix = np.array([[put.a, -put.b, put.tx - low[0]], [put.b, put.a, put.ty - low[1]]]) * over
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # pixel centres lie at half-integers
    small = tuple(int(v) for v in high - low)
    drawn = cv2.resize(cv2.warpAffine(portrait.rgb, matrix, size), small, interpolation=cv2.INTER_AREA)
    opaque = np.full((height, width), 255, np.uint8)
    mask = (
        cv2.resize(cv2.warpAffine(opaque, matrix, size), small, interpolation=cv2.INTER_AREA)[..., None] / 255
    )
    region = canvas[low[1] : high[1], low[0] : high[0]]
    region[:] = np.rint(region * (1 - mask) + drawn * mask).astype(np.uint8)
    return _after(put, portrait.pose)


def points_of(pose: Similarity) -> ArrayF64:
    """The four placing points of a face at ``pose``."""
    return pose.apply(ANCHORS)


def crowd(portraits: list[Portrait], face_px: float, seed: int) -> tuple[ImageU8, list[Similarity]]:
    """Six faces in a 1920x1080 picture, and their true poses."""
    rng = np.random.default_rng(seed)
    canvas = backdrop(1920, 1080, seed)
    cells = [(column, row) for column in range(6) for row in range(3)]
    poses = []
    for index in rng.permutation(len(cells))[:6]:
        column, row = cells[index]
        x, y = 160 + 320 * column + rng.uniform(-80, 80), 180 + 360 * row + rng.uniform(-80, 80)
        portrait = portraits[rng.integers(len(portraits))]
        poses.append(paste(canvas, portrait, (x, y), face_px, rng.uniform(-8, 8)))
    return canvas, poses


def video_frames(path: Path, every: int, most: int) -> Iterator[ImageU8]:
    """Every ``every``-th frame of a file, at most ``most`` of them."""
    capture = cv2.VideoCapture(str(path))
    index = 0
    while capture.grab() and index < every * most:
        if index % every == 0:
            yield np.ascontiguousarray(capture.retrieve()[1][:, :, ::-1])
        index += 1
    capture.release()


def _after(outer: Similarity, inner: Similarity) -> Similarity:
    a, b = outer.a * inner.a - outer.b * inner.b, outer.b * inner.a + outer.a * inner.b
    x, y = outer.apply(np.array([[inner.tx, inner.ty]]))[0]
    return Similarity(a, b, float(x), float(y))
