"""Draws the frames of a planned clip: one warp from portrait to frame, then light and sensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stream_mer.core.geometry import pose_from_keypoints
from stream_mer.errors import ConfigError
from stream_mer.synth.basis import WarpBasis
from stream_mer.synth.coarse import CoarseGrid
from stream_mer.synth.dense import blend, blurred, noisy_u8, resample, stretched
from stream_mer.synth.landmarks import pose_keypoints, require_mesh
from stream_mer.synth.plan import ClipPlan, stream
from stream_mer.synth.texture import FaceTexture
from stream_mer.types import ArrayF32, ArrayF64, ImageU8, Similarity, require_picture

OVERSAMPLING = 2.0
"""Texture px per frame px, so that linear sampling of a blurred texture loses nothing."""
LARGEST_PX = 2048
"""Longer side of the texture at most, margin left out: a big face of a small portrait would take minutes."""
MARGIN = 0.25
"""Margin of texture and node grid around the portrait, share of its longer side."""
_NOISE_ROOM = 64


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """One frame of a synthetic clip with what is true about it.

    ``pose`` places the canonical crop on the face as the rigid head moves it, expressions left out.
    ``mesh`` ``(468, 2)`` float64: every mesh point in frame px, expressions included.
    ``repeated`` frames are copies of the one before.
    """

    pts_ns: int
    rgb: ImageU8
    pose: Similarity
    mesh: ArrayF64
    repeated: bool


class Renderer:
    """Draws any frame of one clip.

    Args:
        portrait: ``(H, W, 3)`` uint8 RGB, a face from the front, ideally 448 px with a face of 260 px.
        mesh: ``(468, 2 or 3)`` face mesh in px of the portrait.
        plan: the course of the clip.

    Raises:
        ConfigError: the mesh does not lie in the portrait.
        ValueError: portrait or mesh have the wrong shape.
    """

    def __init__(self, portrait: ImageU8, mesh: ArrayF64, plan: ClipPlan) -> None:
        require_picture(portrait, "portrait")
        require_mesh(mesh)
        height, width = portrait.shape[:2]
        middle = mesh[:, :2].mean(0)
        if not (0 <= middle[0] < width and 0 <= middle[1] < height):
            raise ConfigError(
                f"the face mesh around {middle.round()} lies outside the {width}x{height} portrait"
            )
        self.plan = plan
        spec = plan.spec
        rng = stream(plan.seed, 6, spec.version)
        pad = MARGIN * max(height, width)
        self.basis = WarpBasis(mesh, np.array([-pad, -pad]), np.array([width + pad, height + pad]))
        axes = self.basis.axes
        self.scale = spec.face_px / axes.width
        fine = min(self.scale * OVERSAMPLING, LARGEST_PX / max(height, width))  # texture px a portrait px
        softness = fine / self.scale * float(rng.uniform(0.4, 0.6))
        self.texture = FaceTexture(portrait, mesh, fine, softness, MARGIN)
        self.grids = [self.basis.movement(m.units, m.style) for m in plan.movements]
        self.place = self._placement(rng)
        self.window = self._window(height, width)
        self.background = self._background(rng, portrait)
        self.share = self._share(height, width)
        self.noise, self.noise_at = self._noise(rng)

    def frame(self, number: int) -> RenderedFrame:
        """Frame ``number`` of the plan, drawn afresh (repeats are the caller's business)."""
        plan = self.plan
        turned = self._turned(number)
        local = turned.copy()
        for movement, grid in zip(plan.movements, self.grids, strict=True):
            height = float(movement.heights[number])
            if height != 0.0:
                local += np.float32(height * self.basis.axes.width) * grid
        affine = self._affine(number)
        texture = self.texture.pose_face(
            float(plan.closure[number]),
            (float(plan.gaze[number, 0]), float(plan.gaze[number, 1])),
            float(plan.mouth[number]),
        )
        x, y = self._look_up(affine, local)
        warped = resample(texture, x, y)
        picture = self.background.copy()
        rows, columns = self.window.inside
        picture[rows, columns] = blend(warped, picture[rows, columns], self.share)
        r, c = self.noise_at[number]
        h, w = picture.shape[:2]
        spec = plan.spec
        rgb = noisy_u8(
            picture,
            self.noise[r : r + h, c : c + w],
            float(plan.gain[number]),
            spec.shot_noise,
            spec.read_noise,
        )
        rigid = self._moved(affine, turned)
        pose = pose_from_keypoints(pose_keypoints(rigid))
        return RenderedFrame(int(plan.pts_ns[number]), rgb, pose, self._moved(affine, local), False)

    def frames(self) -> Iterator[RenderedFrame]:
        """All frames in order; repeats carry the same pixels as the frame before."""
        last: RenderedFrame | None = None
        for number, repeat in enumerate(self.plan.repeats):
            if repeat and last is not None:
                last = RenderedFrame(
                    int(self.plan.pts_ns[number]), last.rgb.copy(), last.pose, last.mesh, True
                )
            else:
                last = self.frame(number)
            yield last

    def _placement(self, rng: np.random.Generator) -> ArrayF64:
        """Portrait -> frame at rest, ``(2, 3)``: the face near the middle, slightly tilted."""
        spec, axes = self.plan.spec, self.basis.axes
        tilt = float(rng.normal(0.0, 0.03))
        c, s = self.scale * np.cos(tilt), self.scale * np.sin(tilt)
        turn = np.array([[c, -s], [s, c]])
        middle = axes.centre + 0.2 * axes.width * axes.y
        room = np.maximum(0.0, np.array([spec.width, spec.height]) / 2 - 0.9 * spec.face_px)
        goal = np.array([spec.width, spec.height]) / 2 + np.minimum(room, spec.face_px) * rng.uniform(
            -0.5, 0.5, 2
        )
        return np.concatenate([turn, (goal - turn @ middle)[:, None]], axis=1)

    def _affine(self, number: int) -> ArrayF64:
        """Portrait -> frame with the head's shift, roll and growth, ``(2, 3)``."""
        head, axes = self.plan.head, self.basis.axes
        neck = axes.centre + 0.75 * axes.width * axes.y
        size, roll = np.exp(head.growth[number]), head.roll[number]
        c, s = size * np.cos(roll), size * np.sin(roll)
        turn = np.array([[c, -s], [s, c]])
        shift = (axes.x * head.shift[number, 0] + axes.y * head.shift[number, 1]) * axes.width / 2.3
        moved = np.concatenate([turn, (neck - turn @ neck + shift)[:, None]], axis=1)
        linear = self.place[:, :2] @ moved[:, :2]
        return np.concatenate([linear, (self.place[:, :2] @ moved[:, 2] + self.place[:, 2])[:, None]], axis=1)

    def _turned(self, number: int) -> ArrayF32:
        """Displacement of every node by yaw and pitch, portrait px: near points travel further."""
        head, axes, depth = self.plan.head, self.basis.axes, self.basis.depth
        across = np.sin(head.yaw[number]) * axes.x + np.sin(head.pitch[number]) * axes.y
        turned: ArrayF32 = depth[:, :, None] * across.astype(np.float32)
        return turned

    def _moved(self, affine: ArrayF64, local: ArrayF32) -> ArrayF64:
        points = self.basis.mesh[:, :2]
        moved = points + self.basis.at_points(local, points)
        return moved @ affine[:, :2].T + affine[:, 2]

    def _window(self, height: int, width: int) -> CoarseGrid:
        """The part of the frame that the portrait at rest covers."""
        spec = self.plan.spec
        corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float) @ self.place[:, :2].T
        corners += self.place[:, 2]
        low = np.clip(np.floor(corners.min(0)), 0, [spec.width - 2, spec.height - 2])
        high = np.clip(np.ceil(corners.max(0)), low + 2, [spec.width, spec.height])
        return CoarseGrid(low, high, max(1, round(spec.face_px / 40)))

    def _look_up(self, affine: ArrayF64, local: ArrayF32) -> tuple[ArrayF32, ArrayF32]:
        """Where in the texture every pixel of the window comes from: the warp, inverted."""
        inverse = np.linalg.inv(affine[:, :2])
        qx, qy = self.window.x - affine[0, 2], self.window.y - affine[1, 2]
        ux = (inverse[0, 0] * qx + inverse[0, 1] * qy).astype(np.float32)
        uy = (inverse[1, 0] * qx + inverse[1, 1] * qy).astype(np.float32)
        return self.window.refine(*self.texture.index(*self.basis.invert(local, ux, uy)))

    def _share(self, height: int, width: int) -> ArrayF32:
        """How much of every pixel of the window is portrait: 1 in the middle, 0 at its border."""
        rows, columns = self.window.inside
        y, x = np.mgrid[rows, columns].astype(np.float64) + 0.5
        inverse = np.linalg.inv(self.place[:, :2])
        px, py = x - self.place[0, 2], y - self.place[1, 2]
        u = (inverse[0, 0] * px + inverse[0, 1] * py) / width
        v = (inverse[1, 0] * px + inverse[1, 1] * py) / height
        edge = np.clip(np.minimum(np.minimum(u, 1 - u), np.minimum(v, 1 - v)) / 0.1, 0.0, 1.0)
        out: ArrayF32 = (edge * edge * (3 - 2 * edge)).astype(np.float32)
        return out

    def _background(self, rng: np.random.Generator, portrait: ImageU8) -> ArrayF32:
        """A still wall behind the person: what the portrait shows at its sides, drawn out, with blotches."""
        spec = self.plan.spec
        height, width = portrait.shape[:2]
        rim = max(2, width // 40)
        sides = [portrait[:, :rim].mean(1), portrait[:, -rim:].mean(1)]
        y = (np.arange(spec.height) + 0.5 - self.place[1, 2]) / self.scale
        rows = np.clip(y, 0, height - 1).astype(int)
        left, right = (blurred(side.astype(np.float32)[:, None], 0.15 * height)[rows, 0] for side in sides)
        x = (np.arange(spec.width) + 0.5 - self.place[0, 2]) / (self.scale * width)
        share = np.clip(x, 0.0, 1.0)[None, :, None].astype(np.float32)
        wall = left[:, None] + share * (right - left)[:, None]
        blotches = stretched(
            rng.normal(0.0, 1.0, (5, 7, 1)).repeat(3, 2).astype(np.float32), spec.width, spec.height
        )
        room: ArrayF32 = np.clip(wall + np.float32(rng.uniform(0.0, 8.0)) * blotches, 0, 255)
        return room

    def _noise(self, rng: np.random.Generator) -> tuple[ArrayF32, list[tuple[int, int]]]:
        """A field of sensor noise larger than the frame, and where each frame takes its piece of it."""
        spec = self.plan.spec
        room = _NOISE_ROOM
        field = rng.standard_normal((spec.height + room, spec.width + room, 3), np.float32)
        field = blurred(field, float(rng.uniform(0.0, 0.6)))
        field /= field.std()
        corners: list[tuple[int, int]] = []
        for _ in range(len(self.plan.pts_ns)):
            corner = (int(rng.integers(room)), int(rng.integers(room)))
            while corners and max(abs(corner[0] - corners[-1][0]), abs(corner[1] - corners[-1][1])) < 8:
                corner = (int(rng.integers(room)), int(rng.integers(room)))
            corners.append(corner)
        return field, corners
