"""Verbs that make video: synth."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_verb
from stream_mer.errors import ConfigError


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    synth = add_verb(verbs, "synth", _synth, "labelled synthetic micro-expression clips from portraits")
    synth.add_argument("--out", type=Path, required=True)
    synth.add_argument(
        "--portraits", type=Path, help="folder of portraits; default the astronaut of the demo"
    )
    synth.add_argument(
        "--into", type=Path, metavar="VIDEO", help="inject micro-expressions into the face of this recording"
    )
    synth.add_argument("--clips", type=int, help="how many clips; default 4")
    synth.add_argument("--seconds", type=float, help="length of a clip; default 6")
    synth.add_argument("--fps", type=float, help="frame rate of a clip; default 60")
    synth.add_argument("--face-px", type=float, help="width of the face; default 120")
    synth.add_argument("--sheet", action="store_true", help="also a contact sheet of every class, as PNG")
    synth.add_argument(
        "--degrade",
        choices=("paper",),
        help="frames through the paper's degradation: area x4, Gaussian 3x3, on random clips a median",
    )
    synth.add_argument("--rate", type=float, help="events a minute; default 12, with --into 20")
    synth.add_argument(
        "--min-duration", type=float, default=0.04, metavar="S", help="shortest event, s; default 0.04"
    )
    synth.add_argument(
        "--max-duration", type=float, default=0.2, metavar="S", help="longest event, s; default 0.2"
    )
    synth.add_argument(
        "--one-sided",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share 0..1 of the events on one side of the face only, where they can be; default 0",
    )
    synth.add_argument("--drop", type=float, metavar="SHARE", help="share of the frames lost; default 0")
    synth.add_argument(
        "--repeat", type=float, metavar="SHARE", help="share of the frames repeated; default 0"
    )
    synth.add_argument("--seed", type=int, default=0)
    synth.add_argument(
        "--version",
        choices=("train", "test"),
        help="family of warps and pulses; default train, with --into test",
    )
    synth.add_argument(
        "--assets", type=Path, help="folder with the model files, for machines without network"
    )


def _synth(args: argparse.Namespace) -> int:
    from stream_mer.app.clips import SynthOptions, make_clips
    from stream_mer.app.into import IntoOptions, inject_video
    from stream_mer.synth.pulse import Version

    if args.into is not None:
        alone = ("portraits", "clips", "seconds", "fps", "face_px", "sheet", "drop", "repeat", "degrade")
        _without(args, "--into", alone)
        rate = 20.0 if args.rate is None else args.rate
        version: Version = args.version or "test"
        return inject_video(
            IntoOptions(
                args.into,
                args.out,
                args.seed,
                rate,
                (args.min_duration, args.max_duration),
                args.assets,
                version,
                args.one_sided,
            )
        )
    return make_clips(
        SynthOptions(
            args.out,
            args.portraits,
            4 if args.clips is None else args.clips,
            6.0 if args.seconds is None else args.seconds,
            60.0 if args.fps is None else args.fps,
            120.0 if args.face_px is None else args.face_px,
            args.seed,
            args.assets,
            args.sheet,
            args.version or "train",
            12.0 if args.rate is None else args.rate,
            (args.min_duration, args.max_duration),
            args.one_sided,
            args.drop or 0.0,
            args.repeat or 0.0,
            args.degrade == "paper",
        )
    )


def _without(args: argparse.Namespace, mode: str, names: tuple[str, ...]) -> None:
    """Flags that would be ignored are an error, not a surprise."""
    for name in names:
        if getattr(args, name) not in (None, False):
            raise ConfigError(f"{mode} takes no --{name.replace('_', '-')}.\nLeave it out.")
