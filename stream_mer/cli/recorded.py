"""Verbs for recorded video: demo, process."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_pipeline_flags, add_verb, settings_of


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    demo = add_verb(
        verbs, "demo", _demo, "make a labelled clip, run everything on it, print found against true"
    )
    demo.add_argument("--out", type=Path, default=Path("stream-mer-demo"), help="folder for clip and outputs")
    add_pipeline_flags(demo)

    process = add_verb(verbs, "process", _process, "find micro-expressions in recorded files or folders")
    process.add_argument("inputs", nargs="+", metavar="INPUT", help="video file or folder of video files")
    process.add_argument("--out", type=Path, required=True, help="folder; each input gets a folder in it")
    add_pipeline_flags(process)


def _demo(args: argparse.Namespace) -> int:
    from stream_mer.app.demo import demo

    return demo(args.out, settings_of(args))


def _process(args: argparse.Namespace) -> int:
    from stream_mer.app.recorded import process_many

    return process_many(args.inputs, args.out, settings_of(args))
