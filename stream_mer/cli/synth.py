"""Verbs that make video: synth."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_verb


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    synth = add_verb(verbs, "synth", _synth, "labelled synthetic micro-expression clips from portraits")
    synth.add_argument("--out", type=Path, required=True)
    synth.add_argument(
        "--portraits", type=Path, help="folder of portraits; default the astronaut of the demo"
    )
    synth.add_argument("--clips", type=int, default=4)
    synth.add_argument("--seconds", type=float, default=6.0)
    synth.add_argument("--fps", type=float, default=60.0)
    synth.add_argument("--face-px", type=float, default=120.0)
    synth.add_argument("--seed", type=int, default=0)
    synth.add_argument(
        "--assets", type=Path, help="folder with the model files, for machines without network"
    )


def _synth(args: argparse.Namespace) -> int:
    from stream_mer.app.clips import SynthOptions, make_clips

    return make_clips(
        SynthOptions(
            args.out, args.portraits, args.clips, args.seconds, args.fps, args.face_px, args.seed, args.assets
        )
    )
