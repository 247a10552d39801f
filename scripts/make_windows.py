"""Make the classifier's training windows.

    python scripts/make_windows.py clips CONFIG --data FACES --smiles FACES --out PACKS
    python scripts/make_windows.py video CONFIG --data VIDEOS --smiles FACES --out PACKS

``clips`` renders synthetic clips of portraits (FACES holds index.csv and the pictures); ``video`` takes
real video, as it is and with micro-expressions injected into its frames. Both go the product's own way:
codec, detection, registration, one warp, and on the LR paths down to 32x32 and up again. PACKS receives
.npz files (22 kB a window); what is there is not made again, so a run that was stopped goes on, but not
with other code or with and without --smiles in one folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2  # must be imported before PyAV
import make_windows_clips
import make_windows_video
import torch
from window_making import claim

from stream_mer.app.console import exit_code_of

KINDS = (make_windows_clips, make_windows_video)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line: a subcommand per kind of material, each in its own file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in KINDS:
        one = kind.add(kinds)
        one.add_argument("config", type=Path)
        one.add_argument("--data", type=Path, required=True)
        one.add_argument("--out", type=Path, required=True)
        one.add_argument(
            "--smiles",
            type=Path,
            help="portraits with their index.csv: half of the people smile as training people there",
        )
        one.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")
    return parser.parse_args(arguments)


def make(args: argparse.Namespace) -> None:
    """Make what is missing."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # two such commands at once must not wait for each other's threads
    args.out.mkdir(parents=True, exist_ok=True)
    claim(args.out, smiles=args.smiles is not None)
    args.run(args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing; 0 or the exit code of the error."""
    args = parse(arguments)
    return exit_code_of(lambda: make(args))


if __name__ == "__main__":
    sys.exit(main())
