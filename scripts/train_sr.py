"""Train a super-resolver: portraits are cut once, then the network learns to undo the degradation.

    python scripts/train_sr.py engines/rrdb-light-x4/train_config.toml --faces DATA/faces --out RUN

DATA/faces holds index.csv (split, path, person, source) and the portraits it lists. RUN receives
run.toml, last.pt (weights, averaged weights, optimiser), log.csv and curves.png. Ctrl-C saves and
ends; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from stream_mer.errors import ConfigError, StreamMerError
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.training.perceptual import load_distance
from stream_mer.training.sr_config import load_run
from stream_mer.training.sr_data import Pack, build_pack, load_pack
from stream_mer.training.sr_network import load_network, load_weights
from stream_mer.training.sr_train import SRTrainer


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("config", type=Path, help="TOML file of the run")
    parser.add_argument("--faces", type=Path, required=True, help="folder with index.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--pack", type=Path, help="folder for the cut pictures (default: OUT/../sr-pack)")
    parser.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    parser.add_argument("--teacher", type=Path, help="last.pt of the network to learn from (distil > 0)")
    parser.add_argument(
        "--start",
        type=Path,
        help="last.pt of a run, or published ESRGAN x4 weights (.pth), to begin with\n"
        "(the adversarial stage needs one)",
    )
    parser.add_argument(
        "--features",
        type=Path,
        help="torchvision's vgg19-dcbb9e9d.pth or the file of train_face_features.py (gan.perceptual > 0)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help="override schedule.steps, e.g. for a shorter or a trial run (0: keep --start as it is)",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser.parse_args(arguments)


def prepare(faces: Path, pack: Path, assets: Path | None) -> Pack:
    """The cut training pictures, from disk if they are there."""
    if (pack / "portraits.csv").exists():
        return load_pack(pack, "train")
    detector = MediaPipeDetector(AssetStore(assets).path("face_detection_short_range.tflite"))
    try:
        return build_pack(faces, "train", pack, detector)
    finally:
        detector.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; 0 when complete, 130 when interrupted, 2 to 5 on an error."""
    args = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    interrupted: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    try:
        if args.threads < 1 or (args.steps or 0) < 0:
            raise ConfigError(f"--threads is {args.threads}, --steps {args.steps}: need >= 1 and >= 0")
        torch.set_num_threads(args.threads)
        run = load_run(args.config)
        if args.steps is not None:
            run = replace(run, schedule=run.schedule.ending_at(args.steps))
        pack = prepare(args.faces, args.pack or args.out.parent / "sr-pack", args.assets)
        teacher = load_network(args.teacher)[0] if args.teacher else None
        start = load_weights(args.start) if args.start else None
        distance = load_distance(args.features) if args.features else None
        trainer = SRTrainer(run, pack, args.out, args.device, teacher=teacher, start=start, distance=distance)
        signal.signal(signal.SIGINT, lambda number, _frame: interrupted.append(number))
        complete = trainer.train(lambda: bool(interrupted))
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted before the first step", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, before)
    return 0 if complete else 130


if __name__ == "__main__":
    sys.exit(main())
