"""Training super-resolution: exact resume, learning, held-out people, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stream_mer.core.degradation import Mixture, area, paper
from stream_mer.errors import ConfigError, OutputError, StageError
from stream_mer.training import sr_batch, sr_config, sr_data, sr_network, sr_train
from stream_mer.training.compact import CompactSettings
from stream_mer.training.sr_config import Schedule, SRRun

ALL = {"london": 1.0}


def blobs(number: int, seed: int = 0) -> np.ndarray:
    """Smooth pictures with edges: something a network can learn to sharpen."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: sr_data.PACK_SIZE, : sr_data.PACK_SIZE]
    out = np.empty((number, sr_data.PACK_SIZE, sr_data.PACK_SIZE, 3), np.uint8)
    for picture in out:
        picture[:] = rng.integers(0, 256, 3)
        for _ in range(12):
            cx, cy, r = [*rng.uniform(0, sr_data.PACK_SIZE, 2), rng.uniform(6, 40)]
            picture[(x - cx) ** 2 + (y - cy) ** 2 < r * r] = rng.integers(0, 256, 3)
    return out


def people(number: int) -> tuple[sr_data.Portrait, ...]:
    return tuple(sr_data.Portrait(f"{i}.jpg", f"person-{i}", "london", "train") for i in range(number))


@pytest.fixture(scope="module")
def pack() -> sr_data.Pack:
    pack = sr_data.Pack(blobs(60), people(60))
    assert 0 < sum(sr_data.held_out(p.person) for p in pack.portraits) < 30
    return pack


def run_of(steps: int = 8, **changes: object) -> SRRun:
    schedule = Schedule(steps, 2, 4, 2e-3, squared_from=0.75)
    run = SRRun("t", CompactSettings(8, 1), schedule, sources=ALL, batch=2, seed=3, bf16=False, check_every=4)
    return replace(run, **changes)  # type: ignore[arg-type]


def stop_after(steps: int):  # type: ignore[no-untyped-def]
    left = [steps]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return should_stop


def test_a_stopped_and_resumed_run_makes_the_same_weights(pack: sr_data.Pack, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = sr_train.SRTrainer(run_of(), pack, tmp_path / "whole")
    assert whole.train()
    first = sr_train.SRTrainer(run_of(), pack, tmp_path / "parts")
    assert not first.train(stop_after(3))
    torch.manual_seed(99)
    second = sr_train.SRTrainer(run_of(), pack, tmp_path / "parts")
    assert second.step == 3
    assert second.train()
    for a, b in ((whole.net.state_dict(), second.net.state_dict()), (whole.ema.weights, second.ema.weights)):
        assert all(torch.equal(a[name], b[name]) for name in a)
    log = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    assert len(log) == 3
    assert log[0].startswith("step,loss,rate,psnr_gaussian,psnr_area")
    assert (tmp_path / "whole" / "curves.png").stat().st_size > 5000
    assert sr_config.load_run(tmp_path / "whole" / "run.toml") == run_of()


def test_training_beats_its_own_start(pack: sr_data.Pack, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    run = run_of(120, batch=4, ema=0.9, check_every=60, mixture=Mixture(1.0, 0.0, 0.0, 0.0))
    trainer = sr_train.SRTrainer(run, pack, tmp_path)
    lr = np.stack([paper(p) for p in trainer.checks])
    before = sr_train.mean_psnr(sr_network.super_resolve(trainer.net, lr), trainer.checks)
    trainer.train()
    net, state = sr_network.load_network(tmp_path / "last.pt")
    after = sr_train.mean_psnr(sr_network.super_resolve(net, lr), trainer.checks)
    assert state.step == 120
    assert after > before + 0.3


def test_held_out_people_are_never_trained_on(pack: sr_data.Pack, tmp_path: Path) -> None:
    trainer = sr_train.SRTrainer(run_of(), pack, tmp_path)
    fit = {p.person for p in trainer.fit.portraits}
    assert not any(sr_data.held_out(person) for person in fit)
    assert len(fit) + len(trainer.checks) == 60


def test_resume_refuses_another_network(pack: sr_data.Pack, tmp_path: Path) -> None:
    sr_train.SRTrainer(run_of(), pack, tmp_path).save()
    with pytest.raises(ConfigError, match="another network"):
        sr_train.SRTrainer(run_of(network=CompactSettings(8, 2)), pack, tmp_path)


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(
    pack: sr_data.Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = sr_train.SRTrainer(run_of(), pack, tmp_path)
    trainer.save()
    before = (tmp_path / "last.pt").read_bytes()

    def full(_state: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file\nand more")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OutputError, match="cannot be written: PytorchStreamWriter failed writing file"):
        trainer.save()
    assert (tmp_path / "last.pt").read_bytes() == before
    assert not (tmp_path / "last.part").exists()


def test_going_on_with_other_settings_is_said(
    pack: sr_data.Pack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sr_train.SRTrainer(run_of(), pack, tmp_path).save()
    sr_train.SRTrainer(run_of(), pack, tmp_path)
    assert "other settings" not in caplog.text
    sr_train.SRTrainer(run_of(batch=4, mixture=Mixture(1.0, 0.0, 0.0, 0.0)), pack, tmp_path)
    assert "other settings than before: batch, mixture" in caplog.text


def test_teacher_and_distil_go_together(pack: sr_data.Pack, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="teacher"):
        sr_train.SRTrainer(run_of(distil=0.5), pack, tmp_path)
    teacher = sr_network.build_network(CompactSettings(8, 1))
    trainer = sr_train.SRTrainer(
        run_of(distil=0.5, schedule=Schedule(2, 0, 0)), pack, tmp_path, teacher=teacher
    )
    assert trainer.train()


def test_batches_depend_on_seed_and_step_only(pack: sr_data.Pack) -> None:
    def batch(seed: int, step: int) -> bytes:
        lr, hr = sr_batch.batch_at(pack, Mixture(), 3, seed, step)
        assert lr.shape == (3, 32, 32, 3)
        assert hr.shape == (3, 128, 128, 3)
        return lr.tobytes() + hr.tobytes()

    assert batch(1, 5) == batch(1, 5)
    assert len({batch(s, k) for s in (1, 2) for k in (5, 6)}) == 4


def test_batch_lr_is_the_degraded_hr(pack: sr_data.Pack) -> None:
    lr, hr = sr_batch.batch_at(pack, lambda picture, _: area(picture), 4, 0, 0)
    np.testing.assert_array_equal(lr, np.stack([area(p) for p in hr]))


def test_sources_get_their_shares() -> None:
    portraits = tuple(replace(p, source="london" if i < 6 else "sfhq") for i, p in enumerate(people(30)))
    pack = sr_data.Pack(blobs(1).repeat(30, 0), portraits)
    weights = sr_train.source_weights(pack, run_of(sources={"london": 0.75, "sfhq": 0.25, "canada": 1.0}))
    assert weights[:6].sum() == pytest.approx(0.75)
    assert weights.sum() == pytest.approx(1.0)
    with pytest.raises(ConfigError, match="no picture of canada"):
        sr_train.source_weights(pack, run_of(sources={"canada": 1.0}))


def test_a_pack_without_anybody_to_measure_on_or_of_another_split_is_refused(
    pack: sr_data.Pack, tmp_path: Path
) -> None:
    nobody = pack.select(lambda p: not sr_data.held_out(p.person))
    with pytest.raises(ConfigError, match="nobody in the pack is held out"):
        sr_train.SRTrainer(run_of(), nobody, tmp_path)
    others = sr_data.Pack(pack.pictures, tuple(replace(p, split="val") for p in pack.portraits))
    with pytest.raises(ConfigError, match="another split than train"):
        sr_train.SRTrainer(run_of(), others, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_ends_the_run_and_spoils_nothing(pack: sr_data.Pack, tmp_path: Path) -> None:
    trainer = sr_train.SRTrainer(run_of(), pack, tmp_path)
    trainer.train(stop_after(4))
    with torch.no_grad():
        next(trainer.net.parameters()).fill_(float("nan"))
    with pytest.raises(StageError, match="loss is nan at step 4"):
        trainer.train()
    _, state = sr_network.load_network(tmp_path / "last.pt")
    assert state.step == 4
    assert all(bool(w.isfinite().all()) for w in state.weights.values())


def test_a_run_that_cannot_be_written_is_explained(pack: sr_data.Pack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        sr_train.SRTrainer(run_of(), pack, tmp_path / "file")
