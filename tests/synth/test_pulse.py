"""Pulses are exact in time, whatever their shape."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.synth.pulse import SHAPES, Pulse, draw_pulse

ALL = SHAPES["train"] + SHAPES["test"]


@st.composite
def pulses(draw: st.DrawFn) -> Pulse:
    onset = draw(st.integers(0, 10**12))
    rise = draw(st.integers(1_000_000, 300_000_000))
    fall = draw(st.integers(1_000_000, 300_000_000))
    return Pulse(
        draw(st.sampled_from(ALL)), onset, onset + rise, onset + rise + fall, draw(st.floats(0, 0.9))
    )


@given(pulses())
def test_pulse_is_zero_outside_and_one_at_the_apex(pulse: Pulse) -> None:
    outside = np.array([pulse.onset_ns - 1, pulse.onset_ns - 10**9, pulse.offset_ns, pulse.offset_ns + 10**9])
    assert (pulse.heights(outside) == 0.0).all()
    assert pulse.at(pulse.apex_ns) == pytest.approx(1.0, abs=1e-12)
    assert pulse.at(pulse.onset_ns) == pytest.approx(0.0, abs=1e-12)


@given(pulses())
def test_pulse_rises_then_falls(pulse: Pulse) -> None:
    up = pulse.heights(np.linspace(pulse.onset_ns, pulse.apex_ns, 50).astype(np.int64))
    down = pulse.heights(np.linspace(pulse.apex_ns, pulse.offset_ns, 50).astype(np.int64))
    assert (np.diff(up) >= -1e-12).all()
    assert (np.diff(down) <= 1e-12).all()
    assert up.min() >= 0
    assert max(up.max(), down.max()) <= 1.0 + 1e-12


@given(st.integers(0, 10_000), st.sampled_from(["train", "test"]))
def test_drawn_pulse_fills_its_interval_and_rises_no_slower_than_it_falls(seed: int, version: str) -> None:
    pulse = draw_pulse(np.random.default_rng(seed), 1_000, 200_001_000, version)  # type: ignore[arg-type]
    assert (pulse.onset_ns, pulse.offset_ns) == (1_000, 200_001_000)
    assert pulse.apex_ns - pulse.onset_ns <= pulse.offset_ns - pulse.apex_ns
    assert pulse.shape in SHAPES[version]  # type: ignore[index]


def test_no_shape_that_tests_is_near_one_that_trains() -> None:
    """Whatever its apex and hold, a training pulse is a fifth of the height away somewhere."""
    t = np.linspace(0, 399, 400).astype(np.int64)
    trained = [
        Pulse(shape, 0, int(400 * apex), 400, hold).heights(t)
        for shape in SHAPES["train"]
        for apex in np.linspace(0.3, 0.55, 11)
        for hold in (0.1, 0.2, 0.3, 0.45)
    ]
    for shape in SHAPES["test"]:
        for hold, apex in product((0.1, 0.3, 0.45), (100, 140, 168)):
            tested = Pulse(shape, 0, apex, 400, hold).heights(t)
            away = np.abs(np.stack(trained) - tested)
            assert away.max(1).min() > 0.2, shape
            assert np.sqrt((away**2).mean(1)).min() > 0.08, shape


@pytest.mark.parametrize("times", [(5, 5, 9), (5, 4, 9), (5, 9, 9)])
def test_pulse_out_of_order_is_refused(times: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="onset < apex < offset"):
        Pulse("gamma", *times)
    with pytest.raises(ValueError, match="unknown pulse shape"):
        Pulse("square", 0, 1, 2)
