"""Pairs of views: the known motion is the real one, still is still, training on them calms a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.core.degradation import Mixture, area
from stream_mer.errors import ConfigError
from stream_mer.training import consistency, sr_config, sr_network, sr_train
from stream_mer.training.compact import CompactSettings
from stream_mer.training.consistency import ConsistencySettings
from stream_mer.training.sr_config import Schedule, SRRun
from stream_mer.training.sr_data import Pack, Portrait, held_out

AREA = Mixture(0.0, 0.0, 1.0, 0.0)


@pytest.fixture(scope="module")
def pack() -> Pack:
    face = skimage.data.astronaut()[20:240, 100:320]
    cuts = [face[y : y + 144, x : x + 144] for y in range(0, 76, 15) for x in range(0, 76, 15)]
    people = tuple(Portrait(f"{i}.jpg", f"person-{i}", "london", "train") for i in range(len(cuts)))
    assert 0 < sum(held_out(p.person) for p in people) < len(people)
    return Pack(np.stack(cuts), people)


def truth(hr: np.ndarray) -> torch.Tensor:
    return sr_network.to_tensor(hr)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.5))
def test_moving_the_first_true_view_gives_the_second(seed: int, shift: float) -> None:
    rng = np.random.default_rng(0)
    hr = np.asarray(skimage.data.astronaut()[20:164, 130:274])
    pack = Pack(hr[None], (Portrait("a", "a", "london", "train"),))
    views = consistency.views_at(pack, AREA, ConsistencySettings(still=0.0, shift=shift), 2, seed, 0)
    apart = consistency.inconsistency(truth(views.hr), views.maps, sr_train.charbonnier)
    unmoved = np.broadcast_to(consistency.random_map(ConsistencySettings(still=1.0), rng), views.maps.shape)
    ignored = consistency.inconsistency(truth(views.hr), np.ascontiguousarray(unmoved), sr_train.charbonnier)
    assert apart < 0.006  # rounding and the last bit of interpolation
    assert apart < ignored


def test_a_still_pair_differs_by_its_noise_only(pack: Pack) -> None:
    quiet = consistency.views_at(pack, AREA, ConsistencySettings(still=1.0, noise=0.0), 8, 1, 2)
    np.testing.assert_array_equal(quiet.lr[:4], quiet.lr[4:])
    np.testing.assert_array_equal(quiet.hr[:4], quiet.hr[4:])
    noisy = consistency.views_at(pack, AREA, ConsistencySettings(still=1.0, noise=3.0), 8, 1, 2)
    difference = noisy.lr[:4].astype(float) - noisy.lr[4:]
    assert 0.3 < difference.std() < 6
    assert abs(difference.mean()) < 0.2


def test_the_papers_pictures_stay_without_noise(pack: Pack) -> None:
    paper = Mixture(0.5, 0.5, 0.0, 0.0)
    views = consistency.views_at(pack, paper, ConsistencySettings(still=1.0, noise=5.0), 8, 3, 4)
    np.testing.assert_array_equal(views.lr[:4], views.lr[4:])


def test_pairs_depend_on_seed_and_step_only(pack: Pack) -> None:
    def at(seed: int, step: int) -> consistency.Views:
        return consistency.views_at(pack, Mixture(), ConsistencySettings(), 4, seed, step)

    once, again, other = at(3, 4), at(3, 4), at(3, 5)
    np.testing.assert_array_equal(once.lr, again.lr)
    np.testing.assert_array_equal(once.maps, again.maps)
    assert not np.array_equal(once.lr, other.lr)


def run_of(weight: float | None) -> SRRun:
    pairs = None if weight is None else ConsistencySettings(weight, still=1.0, noise=6.0)
    run = SRRun("t", CompactSettings(8, 1), Schedule(80, 5, 20, 4e-3), AREA, {"london": 1.0})
    return replace(run, batch=8, seed=2, bf16=False, ema=0.9, check_every=80, consistency=pairs)


def test_training_on_pairs_calms_the_network(pack: Pack, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(5)
    low = np.stack([area(p) for p in pack.hr()[::6]]).astype(float)
    one, two = (np.clip(np.rint(low + rng.normal(0, 3, low.shape)), 0, 255).astype(np.uint8) for _ in "ab")
    flicker = []
    for weight in (None, 3.0):
        trainer = sr_train.SRTrainer(run_of(weight), pack, tmp_path / str(weight))
        trainer.train()
        net, _ = sr_network.load_network(tmp_path / str(weight) / "last.pt")
        shown = [sr_network.super_resolve(net, lr).astype(float) for lr in (one, two)]
        flicker.append((shown[0] - shown[1]).std())
    assert flicker[1] < 0.95 * flicker[0]


def test_settings_survive_the_file_and_refuse_nonsense(tmp_path: Path) -> None:
    sr_config.save_run(run_of(0.5), tmp_path / "run.toml")
    assert sr_config.load_run(tmp_path / "run.toml") == run_of(0.5)
    with pytest.raises(ConfigError, match=r"still in 0\.\.1"):
        ConsistencySettings(still=1.5)
    with pytest.raises(ConfigError, match="even batch"):
        replace(run_of(0.5), batch=3)
