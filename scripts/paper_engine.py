"""The super-resolver of ``reproduce_paper.py``: the shipped one, or one trained on a dataset's people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from torch import Tensor

from stream_mer import load_super_resolver
from stream_mer.core.splits import Split
from stream_mer.errors import ConfigError
from stream_mer.training.paper_study import FaceClip, Upscale, frame_splits
from stream_mer.training.perceptual import load_distance
from stream_mer.training.sr_config import load_run
from stream_mer.training.sr_data import PACK_SIZE, Pack, Portrait, held_out
from stream_mer.training.sr_network import super_resolve
from stream_mer.training.sr_train import SRTrainer

SOURCE = "dataset"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the super-resolver."""
    parser.add_argument("--engine", default="rrdb-light-x4", help="super-resolution engine by name")
    parser.add_argument(
        "--train-sr", type=Path, metavar="TOML", help="train this network on the training people"
    )
    parser.add_argument(
        "--train-gan", type=Path, metavar="TOML", help="then its adversarial stage, ESRGAN's second"
    )
    parser.add_argument("--features", type=Path, help="with --train-gan: weights of the perceptual loss")
    parser.add_argument("--steps", type=int, help="steps of each of these stages (default: the file's)")
    parser.add_argument("--device", default="cpu", help="of these stages: cpu or cuda")


def resolver(
    args: argparse.Namespace, name: str, clips: list[FaceClip], stack: ExitStack
) -> tuple[Upscale, str]:
    """Super-resolution, shipped or trained here on this dataset, and its name for the report.

    Raises:
        ConfigError: an adversarial stage without the first.
    """
    if args.train_sr is not None:
        stages = [path for path in (args.train_sr, args.train_gan) if path is not None]
        folder = args.out / f"{name}-sr"
        return trained_upscaler(stages, args.steps, clips, folder, args.seed, args.features, args.device)
    if args.train_gan is not None:
        raise ConfigError("--train-gan begins with what --train-sr has trained\ngive --train-sr TOML, too")
    engine = stack.enter_context(load_super_resolver(args.engine))
    return engine.upscale, f"`{engine.name}` as shipped; whom it was trained on is in its model card"


def trained_upscaler(
    stages: Sequence[Path],
    steps: int | None,
    clips: Sequence[FaceClip],
    folder: Path,
    seed: int,
    features: Path | None = None,
    device: str = "cpu",
) -> tuple[Upscale, str]:
    """Train on the faces of the training people of the subject-disjoint split, and on nobody else.

    Args:
        stages: TOML of each run, such as ``engines/esrgan-x4/train_config.toml`` and ``gan_config.toml``;
            each begins with the weights of the one before, the portraits are replaced by the dataset's faces.
        steps: instead of the files' numbers of steps.
        clips: all clips.
        folder: of the runs, one folder a stage; an unfinished one goes on.
        seed: of the split.
        features: weights of the perceptual distance, where a stage weighs one.
        device: ``cpu`` or ``cuda``.

    Raises:
        ConfigError: a stage needs ``features``; said before the first begins.
    """
    runs = [load_run(config) for config in stages]
    perceptual = any(run.gan is not None and run.gan.perceptual > 0 for run in runs)
    if perceptual and features is None:
        raise ConfigError(
            f"{stages[-1]} weighs a perceptual loss, which needs a network's weights\n"
            "give --features FILE (train_face_features.py makes one), or set gan.perceptual = 0"
        )
    distance = load_distance(features) if features is not None and perceptual else None
    pack, start, done = training_pack(clips, seed), None, []
    for number, run in enumerate(runs, 1):
        schedule = run.schedule if steps is None else run.schedule.ending_at(steps)
        own = replace(run, schedule=schedule, sources={SOURCE: 1.0}, seed=seed)
        trainer = SRTrainer(own, pack, folder / str(number), device, start=start, distance=distance)
        trainer.train()
        start = dict[str, Tensor](trainer.ema.weights)
        done.append(f"{schedule.steps} {'adversarial steps' if run.gan else 'steps'}")
    net = trainer.net.eval()
    net.load_state_dict(trainer.ema.weights)  # the averaged ones, as an engine has them
    what = f"`{runs[-1].name}`, {' and '.join(done)} on the people of the disjoint training part"
    return lambda lr: super_resolve(net, lr), what


def training_pack(clips: Sequence[FaceClip], seed: int) -> Pack:
    """The training people's faces; one of them only measures, under a name that is held out."""
    disjoint, owner = _disjoint(clips, seed)
    faces = [face for clip in clips for face in clip.faces]
    people = list(dict.fromkeys(owner[i].subject for i in disjoint.train))
    margin = (PACK_SIZE - faces[0].shape[0]) // 2
    pictures, portraits = [], []
    for i in disjoint.train:
        person = _named(owner[i].subject, held=owner[i].subject == people[-1])
        pictures.append(np.pad(faces[i], ((margin, margin), (margin, margin), (0, 0)), mode="reflect"))
        portraits.append(Portrait(f"{person}/{i}", person, SOURCE, "train"))
    return Pack(np.stack(pictures).astype(np.uint8), tuple(portraits))


def trained_on(args: argparse.Namespace, clips: Sequence[FaceClip]) -> frozenset[str]:
    """The people whose pictures a resolver trained here has seen; nobody's, where the shipped one serves."""
    if args.train_sr is None:
        return frozenset()
    disjoint, owner = _disjoint(clips, args.seed)
    return frozenset(owner[i].subject for i in disjoint.train)


def _disjoint(clips: Sequence[FaceClip], seed: int) -> tuple[Split, list[FaceClip]]:
    """The subject-disjoint split of the frames, and whose clip each frame is of."""
    return frame_splits(clips, seed)[1], [clip for clip in clips for _ in clip.faces]


def _named(subject: str, held: bool) -> str:
    """The subject with a suffix by which the trainer holds it out, or does not."""
    return next(name for n in count() if held_out(name := f"{subject}#{n}") is held)
