"""The adversarial stage: the losses' definitions, who learns when, resume, blending."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stream_mer.errors import AssetError, ConfigError
from stream_mer.training import adversary, perceptual, sr_config, sr_data, sr_train
from stream_mer.training.adversary import Adversary, Discriminator, GanSettings
from stream_mer.training.compact import CompactSettings
from stream_mer.training.sr_config import Schedule, SRRun

SMALL = GanSettings(perceptual=0.0, features=2)
CPU = torch.device("cpu")


def toy_distance() -> perceptual.FeatureDistance:
    torch.manual_seed(0)
    return perceptual.FeatureDistance(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()))


def test_discriminator_is_the_published_one() -> None:
    with torch.device("meta"):
        net = Discriminator(64)
    shapes = {n: tuple(w.shape) for n, w in net.state_dict().items()}
    assert shapes["conv0_0.weight"] == (64, 3, 3, 3)
    assert shapes["conv4_1.weight"] == (512, 512, 4, 4)
    assert shapes["linear1.weight"] == (100, 8192)
    assert Discriminator(2)(torch.rand(3, 3, 128, 128)).shape == (3, 1)


def test_relativistic_loss_is_its_definition() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 1.0])
    p_real, p_fake = torch.sigmoid(real - fake.mean()), torch.sigmoid(fake - real.mean())
    by_hand = -(p_real.log().mean() + (1 - p_fake).log().mean()) / 2
    torch.testing.assert_close(adversary.relativistic(real, fake), by_hand)
    assert adversary.relativistic(real, fake) < adversary.relativistic(fake, real)


def test_generator_and_discriminator_learn_in_turn() -> None:
    torch.manual_seed(1)
    rival = Adversary(SMALL, None, CPU)
    sr, hr = torch.rand(2, 3, 128, 128, requires_grad=True), torch.rand(2, 3, 128, 128)
    rival.generator_loss(sr, hr, pixel=torch.zeros(())).backward()
    assert sr.grad is not None
    assert sr.grad.abs().sum() > 0
    assert all(p.grad is None for p in rival.net.parameters())
    before = sr.grad.clone()
    losses = [rival.learn(sr, hr) for _ in range(15)]
    assert losses[-1] < losses[0]
    torch.testing.assert_close(sr.grad, before)


def test_generator_loss_weighs_its_parts() -> None:
    sr, hr = torch.rand(2, 3, 128, 128), torch.rand(2, 3, 128, 128)
    distance = toy_distance()
    rival = Adversary(GanSettings(0.5, 2.0, 0.0, 2), distance, CPU)
    loss = rival.generator_loss(sr, hr, pixel=torch.tensor(3.0))
    torch.testing.assert_close(loss, 1.5 + 2.0 * distance(sr, hr))
    assert distance(hr, hr) == 0
    assert not any(p.requires_grad for p in distance.parameters())


def test_perceptual_weight_and_network_go_together() -> None:
    with pytest.raises(ConfigError, match="go together"):
        Adversary(GanSettings(features=2), None, CPU)
    with pytest.raises(ConfigError, match="go together"):
        Adversary(SMALL, toy_distance(), CPU)


def test_vgg_layers_are_numbered_as_torchvisions(tmp_path: Path) -> None:
    with torch.device("meta"):
        names = {n: tuple(w.shape) for n, w in perceptual.vgg_features().state_dict().items()}
    assert names["0.weight"] == (64, 3, 3, 3)
    assert names["34.weight"] == (512, 512, 3, 3)  # conv5_4, as in vgg19.features
    assert len(names) == 32
    (tmp_path / "vgg.pth").write_bytes(b"no")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("vgg.pth", "other.pth", "absent.pth"):
        with pytest.raises(AssetError, match="no weights of a feature network"):
            perceptual.load_distance(tmp_path / name)


def test_blend_runs_from_one_network_to_the_other() -> None:
    a, b = {"w": torch.zeros(3)}, {"w": torch.full((3,), 4.0)}
    assert [float(adversary.blend(a, b, s)["w"][0]) for s in (0.0, 0.25, 1.0)] == [0.0, 1.0, 4.0]
    for second, share in (({"v": torch.zeros(3)}, 0.5), ({"w": torch.zeros(2)}, 0.5), (b, 1.5)):
        with pytest.raises(ConfigError, match="one shape"):
            adversary.blend(a, second, share)


def test_the_adversarial_stage_starts_from_the_first_and_resumes_exactly(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    portraits = tuple(sr_data.Portrait(f"{i}", f"person-{i}", "london", "train") for i in range(30))
    pack = sr_data.Pack(rng.integers(0, 256, (30, 144, 144, 3), dtype=np.uint8), portraits)
    schedule = Schedule(4, 0, 0, 1e-3)
    run = SRRun(
        "g", CompactSettings(4, 1), schedule, sources={"london": 1.0}, batch=2, bf16=False, check_every=9
    )
    first = sr_train.SRTrainer(run, pack, tmp_path / "psnr")
    first.train()
    gan = replace(run, gan=SMALL)
    sr_config.save_run(gan, tmp_path / "gan.toml")
    assert sr_config.load_run(tmp_path / "gan.toml") == gan
    with pytest.raises(ConfigError, match="--start"):
        sr_train.SRTrainer(gan, pack, tmp_path / "whole")
    whole = sr_train.SRTrainer(gan, pack, tmp_path / "whole", start=first.ema.weights)
    start = {n: w.clone() for n, w in whole.net.state_dict().items()}
    assert all(torch.equal(start[n], first.ema.weights[n]) for n in start)
    assert whole.train()
    left = [2]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    sr_train.SRTrainer(gan, pack, tmp_path / "parts", start=first.ema.weights).train(should_stop)
    second = sr_train.SRTrainer(gan, pack, tmp_path / "parts")
    assert second.step == 2
    assert second.train()
    assert second.adversary is not None
    assert whole.adversary is not None
    for a, b in ((whole.net, second.net), (whole.adversary.net, second.adversary.net)):
        assert all(
            torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
        )
    assert not torch.equal(start["last.weight"], whole.net.state_dict()["last.weight"])
    with pytest.raises(ConfigError, match="stage"):
        sr_train.SRTrainer(run, pack, tmp_path / "whole")
