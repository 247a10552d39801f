"""Train the small face network of the perceptual loss, for machines without torchvision's VGG19 file.

    python scripts/train_face_features.py --pack runs/sr-pack --out runs/face-features.pt

PACK is the folder of cut training pictures that scripts/train_sr.py leaves beside its runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from stream_mer.errors import ConfigError, StreamMerError
from stream_mer.training.face_features import train_features
from stream_mer.training.sr_data import load_pack


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True, help="cut pictures of train_sr.py")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--width", type=int, default=16, help="channels of the first scale")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(arguments)


def show(step: int, loss: float, right: float) -> None:
    """One line of progress."""
    print(f"step {step}: loss {loss:.3f}, {100 * right:.0f} % of the people told right", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; 0 or the exit code of the error."""
    args = parse(arguments)
    try:
        if min(args.steps, args.width, args.threads) < 1 or args.seed < 0:
            raise ConfigError("--steps, --width and --threads must be >= 1, --seed >= 0")
        torch.set_num_threads(args.threads)
        if not (args.pack / "portraits.csv").is_file():
            raise ConfigError(
                f"no cut pictures at {args.pack}\nRun scripts/train_sr.py first, or give --pack."
            )
        pack = load_pack(args.pack, "train")
        right = train_features(
            pack, args.out, width=args.width, steps=args.steps, seed=args.seed, report=show
        )
    except StreamMerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{args.out}: tells {100 * right:.0f} % of the training people")
    return 0


if __name__ == "__main__":
    sys.exit(main())
