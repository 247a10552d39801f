"""The mesh is found where the face is, whatever runs the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_mer.errors import EngineError
from stream_mer.synth.demo import demo_portrait
from stream_mer.synth.landmarks import face_axes, pose_keypoints
from stream_mer.synth.mesh import fit_mesh

PORTRAIT, MESH = demo_portrait()
POINTS = pose_keypoints(MESH)


class FixedNetwork:
    """Answers with a mesh that fills the middle of its input, and keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        local = MESH - [*MESH[:, :2].mean(0), 0.0]
        self.answer = local * (192 / 1.5 / np.ptp(local[:, 1])) + [96.0, 96.0, 0.0]

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        self.seen.append(batch)
        return self.answer.reshape(1, 1, 1, 1404).astype(np.float32), np.full((1, 1, 1, 1), 2.0, np.float32)


def test_network_sees_a_level_square_in_0_1_and_its_answer_is_mapped_back() -> None:
    network = FixedNetwork()
    mesh, score = fit_mesh(PORTRAIT, POINTS, network, rounds=1)
    (batch,) = network.seen
    assert batch.shape == (1, 192, 192, 3)
    assert batch.dtype == np.float32
    assert 0.0 <= batch.min() < batch.max() <= 1.0
    assert score == pytest.approx(1 / (1 + np.exp(-2.0)))
    axes, turned = face_axes(MESH), face_axes(mesh)
    assert np.hypot(*(mesh[:, :2].mean(0) - MESH[:, :2].mean(0))) < 0.15 * axes.width
    assert turned.width == pytest.approx(axes.width, rel=0.2)
    # the network answered with a face tilted by the portrait's tilt, in a square tilted as much
    tilt = np.arctan2(axes.x[1], axes.x[0])
    assert np.arctan2(turned.x[1], turned.x[0]) == pytest.approx(2 * tilt, abs=0.02)


def test_answer_of_another_network_is_refused() -> None:
    with pytest.raises(EngineError, match="expected 1404"):
        fit_mesh(PORTRAIT, POINTS, lambda _: (np.zeros((1, 1434), np.float32), np.zeros(1, np.float32)))
    with pytest.raises(ValueError, match="px apart"):
        fit_mesh(PORTRAIT, np.zeros((6, 2)), FixedNetwork())


@pytest.mark.assets
def test_official_network_finds_the_demo_face_wherever_it_lies(assets_dir: Path) -> None:
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    model = core.compile_model(
        str(assets_dir / "face_landmark.tflite"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )

    def run(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(np.array(v) for v in model(batch).values())

    mesh, score = fit_mesh(PORTRAIT, POINTS, run)
    width = face_axes(MESH).width
    assert score > 0.95
    assert np.hypot(*(mesh - MESH)[:, :2].T).mean() < 0.01 * width
    shaken, _ = fit_mesh(PORTRAIT, POINTS + np.array([3.0, -3.0]), run)
    assert np.hypot(*(shaken - mesh)[:, :2].T).mean() < 0.015 * width
    upright = np.rot90(PORTRAIT).copy()  # the picture turned left by 90 degrees
    turned_points = np.stack([POINTS[:, 1], 256 - POINTS[:, 0]], axis=1)
    turned, _ = fit_mesh(upright, turned_points, run)
    expected = np.stack([MESH[:, 1], 256 - MESH[:, 0]], axis=1)
    assert np.hypot(*(turned[:, :2] - expected).T).mean() < 0.02 * width
