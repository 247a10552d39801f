"""The flow inside the classifier measures known sub-pixel motions, and nothing where nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from stream_mer.training.flow_net import GRID, RAW_CHANNELS, DenseLucasKanade, RigidMotion, rigid_votes  # noqa: E402

INSIDE = np.s_[5:27, 5:27]


def texture(seed: int, dx: float = 0.0, dy: float = 0.0, rough: int = 60) -> np.ndarray:
    """A smooth random picture ``(128, 128, 3)``, its content moved by exactly ``(dx, dy)`` px."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[0:128, 0:128] + 0.5
    grey = np.zeros((128, 128))
    for _ in range(rough):
        fx, fy = rng.normal(0, 0.045, 2)
        grey += np.sin(2 * np.pi * (fx * (u - dx) + fy * (v - dy)) + rng.uniform(0, 6.28))
    grey = 128 + 40 * grey / grey.std()
    return np.repeat(np.clip(grey, 0, 255)[..., None], 3, 2)


def measure(*pictures: np.ndarray) -> np.ndarray:
    batch = torch.from_numpy(np.rint(np.stack(pictures)).astype(np.uint8))[None]
    with torch.inference_mode():
        return DenseLucasKanade()(batch)[0].numpy()


@pytest.mark.parametrize("shift", [0.1, 0.2, 0.5, 1.0, 2.0, 3.0])
def test_slope_is_one_for_known_shifts(shift: float) -> None:
    still, moved = texture(3), texture(3, shift, -0.5 * shift)
    raw = measure(still, moved, still)
    u, v = np.median(raw[0][INSIDE]), np.median(raw[3][INSIDE])
    assert 0.9 <= u / shift <= 1.1
    assert 0.88 <= v / (-0.5 * shift) <= 1.12
    np.testing.assert_allclose(raw[0], raw[1], atol=1e-4)  # pre and post are the same picture here
    assert np.abs(raw[2]).max() < 1e-4
    assert np.abs(raw[5]).max() < 1e-4


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    dx=st.floats(-1.5, 1.5),
    dy=st.floats(-1.5, 1.5),
)
def test_any_direction(seed: int, dx: float, dy: float) -> None:
    raw = measure(texture(seed), texture(seed, dx, dy), texture(seed))
    assert np.median(raw[0][INSIDE]) == pytest.approx(dx, abs=0.03 + 0.1 * abs(dx))
    assert np.median(raw[3][INSIDE]) == pytest.approx(dy, abs=0.03 + 0.1 * abs(dy))


@settings(max_examples=10, deadline=None)
@given(gain=st.floats(0.7, 1.2), bias=st.floats(-15, 15), seed=st.integers(0, 100))
def test_light_is_not_motion(gain: float, bias: float, seed: int) -> None:
    still = texture(seed)
    soft = 128 + 0.5 * (still - 128)  # head room, so that nothing clips
    raw = measure(soft, np.clip(soft * gain + bias, 0, 255), soft)
    assert np.median(np.abs(raw[:6, 5:27, 5:27])) < 0.05


def test_flat_pictures_do_not_move_and_are_not_trusted() -> None:
    flat = np.full((128, 128, 3), 120.0)
    raw = measure(flat, flat + 5, flat - 3)
    assert np.isfinite(raw).all()
    assert np.abs(raw[:6]).max() < 1e-3
    assert raw[9:].max() < 0.01


def test_noise_floor() -> None:
    rng = np.random.default_rng(0)
    base = texture(5)
    raw = measure(*(base + rng.normal(0, 2, base.shape) for _ in range(3)))
    assert raw[:6].std() < 0.05


def test_local_motion_stays_local() -> None:
    """A bump that moves 1 px in one corner of the face must not move the opposite one."""
    still = texture(7)
    moved = still.copy()
    moved[76:108, 76:108] = texture(7, 1.0, 0.0)[76:108, 76:108]
    raw = measure(still, moved, still)
    assert 0.75 <= np.median(raw[0][21:25, 21:25]) <= 1.15
    assert np.abs(raw[0][4:14, 4:14]).mean() < 0.1


def test_channels_and_batch() -> None:
    pictures = torch.from_numpy(
        np.rint(np.stack([np.stack([texture(s), texture(s, 0.7), texture(s, 0.2)]) for s in (1, 2)])).astype(
            np.uint8
        )
    )
    net = DenseLucasKanade()
    with torch.inference_mode():
        both, one = net(pictures), net(pictures[1:])
    assert both.shape == (2, len(RAW_CHANNELS), GRID, GRID)
    assert torch.allclose(both[1], one[0], atol=1e-4)
    assert not any(p.requires_grad for p in net.parameters())
    assert net.state_dict() == {}  # nothing to learn, nothing to load


def test_rigid_motion_takes_out_the_head_and_leaves_the_brow() -> None:
    axis = (np.arange(GRID) * 2 + 1) / GRID - 1
    x, y = np.meshgrid(axis, axis)
    head_u, head_v = 0.8 + 0.3 * x - 0.2 * y, -0.4 + 0.2 * x + 0.3 * y
    brow = -0.6 * np.exp(-(((x + 0.3) / 0.2) ** 2) - ((y + 0.42) / 0.12) ** 2)
    flow = torch.from_numpy(np.stack([head_u] * 3 + [head_v + brow] * 3).astype(np.float32))[None]
    stiff = RigidMotion()(flow, torch.ones(1, 3, GRID, GRID))[0].numpy()
    votes = rigid_votes() > 0.3
    assert np.abs(stiff[0] - head_u)[votes].max() < 0.03
    assert np.abs(stiff[3] - head_v)[votes].max() < 0.08
    own = head_v + brow - stiff[3]
    assert own.min() < -0.5
    assert votes.mean() > 0.2
