"""Portraits that move with a known pose: the truth against which the crop's jitter is measured."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from stream_mer.core.geometry import ANCHORS, crop_box, fit_similarity
from stream_mer.types import ArrayF64, Detection, ImageU8, Similarity

RIGID = np.array(
    [[34.0, 46], [54, 46], [74, 46], [94, 46], [64, 40], [64, 58], [40, 62], [88, 62]], dtype=np.float64
)
"""Points of the canonical crop that only the head as a whole moves: eye corners, nose bridge, cheeks."""
EARS = np.array([[22.0, 54.0], [106.0, 54.0]])
CENTRE = np.array([64.0, 60.0])


@dataclass(frozen=True)
class Shape:
    """What the face does in one frame beside its pose; angles in rad, lengths in canonical px."""

    yaw: float = 0.0
    pitch: float = 0.0
    blink: float = 0.0
    mouth: float = 0.0
    gain: float = 1.0
    bump: tuple[float, float, float, float, float] | None = None
    """Local motion: centre u, v; displacement du, dv; radius (sigma)."""
    build: tuple[float, float, float, float] = (60.0, 80.0, 55.0, 12.0)
    """Half axes of the head (across, along, deep) and height of the nose, canonical px."""


STILL = Shape()


@dataclass
class Script:
    """A head's motion: poses (crop -> frame) and shapes, one per frame."""

    fps: float
    poses: list[Similarity]
    shapes: list[Shape] = field(default_factory=list)
    repeat: ArrayF64 | None = None

    def shape(self, i: int) -> Shape:
        return self.shapes[i] if self.shapes else STILL


def depth(points: ArrayF64, build: tuple[float, float, float, float]) -> ArrayF64:
    """Height of the face over the plane of its features, canonical px: an ellipsoid with a nose."""
    across, along, deep, nose = build
    du, dv = (points[..., 0] - 64) / across, (points[..., 1] - 60) / along
    head = deep * np.sqrt(np.clip(1 - du**2 - dv**2, 0.02, None))
    tip = np.exp(-(((points[..., 0] - 64) / 8) ** 2) - ((points[..., 1] - 66) / 10) ** 2)
    return np.asarray(head + nose * tip - 0.85 * deep)


def project(points: ArrayF64, shape: Shape) -> ArrayF64:
    """Where canonical points go when the head turns."""
    z = depth(points, shape.build)[..., None]
    turn = np.array([shape.yaw, shape.pitch])
    return np.asarray(CENTRE + (points - CENTRE) * np.cos(turn) + z * np.sin(turn))


def true_pose(pose: Similarity, shape: Shape) -> Similarity:
    """The similarity that fits the rigid points best."""
    return fit_similarity(RIGID, pose.apply(project(RIGID, shape)))


def _sources(points: ArrayF64, shape: Shape) -> ArrayF64:
    """Where in the portrait (canonical) the point seen at ``points`` comes from."""
    turn = np.array([shape.yaw, shape.pitch])
    p = points
    for _ in range(4 if turn.any() else 0):
        p = CENTRE + (points - CENTRE - depth(p, shape.build)[..., None] * np.sin(turn)) / np.cos(turn)
    p = p.copy()
    if shape.mouth:
        du, dv = (p[..., 0] - 64) / 16, (p[..., 1] - 89) / 9
        opening = np.where(dv > 0, 1.0, 0.25)  # the jaw falls, the upper lip hardly rises
        p[..., 1] -= shape.mouth * opening * dv * np.exp(-(du**2) - (dv / 1.6) ** 2)
    if shape.blink:
        for u in (44, 84):
            du, dv = (p[..., 0] - u) / 11, (p[..., 1] - 46) / 5
            p[..., 1] -= 5 * shape.blink * np.exp(-(du**2) - dv**2)
    if shape.bump:
        u, v, mu, mv, radius = shape.bump
        w = np.exp(-((p[..., 0] - u) ** 2 + (p[..., 1] - v) ** 2) / (2 * radius**2))
        p[..., 0] -= mu * w
        p[..., 1] -= mv * w
    return np.asarray(p)


class Head:
    """A portrait that can be drawn into a frame at any pose, pixels integrated 3x3 or finer."""

    def __init__(self, portrait: ImageU8, pose: Similarity, size: tuple[int, int], seed: int = 0) -> None:
        self.portrait, self.pose, self.size = portrait, pose, size
        rng = np.random.default_rng(seed)
        clutter = cv2.resize(rng.uniform(40, 200, (size[0] // 12, size[1] // 12, 3)), size[::-1])
        self.background = cv2.GaussianBlur(clutter + rng.normal(0, 4, (*size, 3)), (0, 0), 1.0).astype(
            np.float32
        )

    def draw(self, pose: Similarity, shape: Shape = STILL, under: np.ndarray | None = None) -> np.ndarray:
        """Frame as float32 ``(H, W, 3)``; ``under`` is what lies behind the head (default: clutter)."""
        frame = (self.background if under is None else under).copy()
        h, w = self.size
        box = pose.apply(np.array([[-20.0, -30], [148, -30], [-20, 158], [148, 158]]))
        x0, y0 = np.clip(np.floor(box.min(0)).astype(int), 0, [w, h])
        x1, y1 = np.clip(np.ceil(box.max(0)).astype(int), 0, [w, h])
        if x1 <= x0 or y1 <= y0:
            return frame
        sub = int(np.clip(np.ceil(self.pose.scale / pose.scale), 2, 6))
        inverse = pose.inverse()
        xs = x0 + (np.arange((x1 - x0) * sub) + 0.5) / sub
        ys = y0 + (np.arange((y1 - y0) * sub) + 0.5) / sub
        u = inverse.a * xs[None, :] - inverse.b * ys[:, None] + inverse.tx
        v = inverse.b * xs[None, :] + inverse.a * ys[:, None] + inverse.ty
        if shape != STILL:  # displacements vary slowly: computed every canonical px, interpolated
            grid = np.stack(np.meshgrid(np.arange(-40.0, 169), np.arange(-40.0, 169)), -1)
            moved = (_sources(grid, shape) - grid).astype(np.float32)
            shift = cv2.remap(
                moved, (u + 40).astype(np.float32), (v + 40).astype(np.float32), cv2.INTER_LINEAR
            )
            u, v = u + shift[..., 0], v + shift[..., 1]
        p = self.pose
        mx, my = p.a * u - p.b * v + p.tx - 0.5, p.b * u + p.a * v + p.ty - 0.5
        fine = cv2.remap(
            self.portrait.astype(np.float32),
            mx.astype(np.float32),
            my.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        radius = np.sqrt(((u - 64) / 72) ** 2 + ((v - 64) / 88) ** 2)
        alpha = np.clip((1.0 - radius) * 12, 0, 1).astype(np.float32)[..., None]
        out = (x1 - x0, y1 - y0)
        head = cv2.resize(fine * alpha, out, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(alpha, out, interpolation=cv2.INTER_AREA)[..., None]
        frame[y0:y1, x0:x1] = frame[y0:y1, x0:x1] * (1 - cover) + shape.gain * head
        return frame


def smooth_noise(rng: np.random.Generator, n: int, fps: float, cutoff_hz: float) -> ArrayF64:
    """Gaussian noise of unit variance, low-passed (second order) at ``cutoff_hz``."""
    pad = int(4 * fps)
    spectrum = np.fft.rfft(rng.normal(size=n + 2 * pad))
    f = np.fft.rfftfreq(n + 2 * pad, 1 / fps)
    x = np.fft.irfft(spectrum / np.sqrt(1 + (f / cutoff_hz) ** 6), n + 2 * pad)[pad : pad + n]
    return np.asarray((x - x.mean()) / (x.std() + 1e-9))


def script(
    seed: int,
    frames: int,
    fps: float,
    face_px: float,
    size: tuple[int, int],
    *,
    speed: float = 0.2,
    alive: bool = False,
) -> Script:
    """A head moving at a mean ``speed`` (inter-ocular distances a second) about the frame's middle.

    ``alive`` adds yaw and pitch, blinks, speech and a flickering lamp.
    """
    rng = np.random.default_rng(seed)
    scale = face_px / 92 * np.exp(0.03 * smooth_noise(rng, frames, fps, 0.3))
    roll = 0.04 * smooth_noise(rng, frames, fps, 0.5)
    path = np.stack([smooth_noise(rng, frames, fps, 0.8) for _ in range(2)], 1)
    velocity = np.linalg.norm(np.diff(path, axis=0), axis=1).mean() * fps
    path *= speed * 40 * face_px / 92 / velocity
    room = np.array([size[1], size[0]]) / 2 - 0.8 * face_px
    path = np.clip(path, -room, room) + np.array([size[1], size[0]]) / 2 + rng.uniform(-0.5, 0.5, 2)
    poses = []
    for s, r, (x, y) in zip(scale, roll, path, strict=True):
        a, b = s * np.cos(r), s * np.sin(r)
        poses.append(Similarity(a, b, x - 64 * a + 60 * b, y - 64 * b - 60 * a))
    if not alive:
        return Script(fps, poses)
    yaw, pitch = (0.08 * smooth_noise(rng, frames, fps, 0.5) for _ in range(2))
    t = np.arange(frames) / fps
    blink = np.zeros(frames)
    for start in np.cumsum(rng.uniform(1.0, 4.0, 1 + int(t[-1] / 2))):
        blink += np.clip(1 - np.abs(t - start) / 0.1, 0, 1)
    talk = (
        np.clip(4 * smooth_noise(rng, frames, fps, 0.3), 0, 1) * 6 * np.abs(smooth_noise(rng, frames, fps, 4))
    )
    gain = 1 + 0.015 * np.sin(2 * np.pi * 7.3 * t) + 0.02 * smooth_noise(rng, frames, fps, 0.5)
    build = tuple(
        np.array([60.0, 80.0, 55.0, 12.0]) * rng.uniform([0.9, 0.9, 0.7, 0.5], [1.1, 1.1, 1.3, 1.5])
    )
    shapes = [
        Shape(*(float(x) for x in row), build=build)
        for row in zip(yaw, pitch, np.clip(blink, 0, 1), talk, gain, strict=True)
    ]
    return Script(fps, poses, shapes)


def film(head: Head, motion: Script, *, noise: float = 2.0, seed: int = 0) -> Iterator[ImageU8]:
    """The frames as a sensor would give them: ``noise`` grey levels rms, rounded."""
    rng = np.random.default_rng(seed)
    for i, pose in enumerate(motion.poses):
        frame = head.draw(pose, motion.shape(i))
        if noise:
            frame += rng.normal(0, noise, frame.shape).astype(np.float32)
        yield np.clip(np.rint(frame), 0, 255).astype(np.uint8)


def through_h264(frames: Iterable[ImageU8], fps: float, crf: int = 23) -> Iterator[ImageU8]:
    """The same frames after x264 (veryfast) in memory."""
    import av

    store = io.BytesIO()
    with av.open(store, "w", format="mp4") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=round(fps))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.thread_count = 1
                stream.options = {"crf": str(crf), "preset": "veryfast"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
    store.seek(0)
    with av.open(store) as container:
        for picture in container.decode(video=0):
            yield picture.to_ndarray(format="rgb24")


def detection(
    pose: Similarity, shape: Shape = STILL, rng: np.random.Generator | None = None, noise: float = 1.0
) -> Detection:
    """What a detector would say: true key points plus ``noise`` canonical px rms."""
    points = pose.apply(project(np.concatenate([ANCHORS, EARS]), shape))
    if rng is not None:
        points = points + rng.normal(0, noise * pose.scale, points.shape)
    return Detection(crop_box(pose), 0.9, points)


def crop_errors(truth: list[Similarity], found: list[Similarity]) -> ArrayF64:
    """Where the rigid points lie in the found crops minus where they belong: ``(T, 8, 2)`` LR px."""
    return (
        np.stack([f.inverse().apply(t.apply(RIGID)) - RIGID for t, f in zip(truth, found, strict=True)]) / 4.0
    )


def high_pass(x: ArrayF64, fps: float, cutoff_hz: float = 1.25) -> ArrayF64:
    """Zero-phase Butterworth magnitude of order 4 along axis 0; ends continued by point reflection."""
    n = len(x)
    pad = min(n - 1, int(2 * fps))
    y = np.concatenate([2 * x[0] - x[pad:0:-1], x, 2 * x[-1] - x[-2 : -pad - 2 : -1]])
    f = np.fft.rfftfreq(len(y), 1 / fps).reshape(-1, *[1] * (x.ndim - 1))
    gain = f**4 / np.sqrt(f**8 + cutoff_hz**8)
    return np.asarray(np.fft.irfft(np.fft.rfft(y, axis=0) * gain, len(y), axis=0)[pad : pad + n])


def jitter(errors: ArrayF64, fps: float) -> float:
    """Length of the high-passed error, rms over frames and points, LR px."""
    return float(np.sqrt((high_pass(errors, fps) ** 2).sum(-1).mean()))
