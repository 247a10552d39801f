"""Verbs for recorded video: demo, process."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_pipeline_flags, add_verb, settings_of
from stream_mer.config import Settings


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    demo = add_verb(
        verbs, "demo", _demo, "make a labelled clip, run everything on it, print found against true"
    )
    demo.add_argument("--out", type=Path, default=Path("stream-mer-demo"), help="folder for clip and outputs")
    add_pipeline_flags(demo)

    process = add_verb(verbs, "process", _process, "find micro-expressions in recorded files or folders")
    process.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="video file, folder of video files, or a pattern such as 'cams/**/*.mkv'",
    )
    process.add_argument("--out", type=Path, required=True, help="folder; each input gets a folder in it")
    add_pipeline_flags(process)
    defaults = Settings()
    process.add_argument("--resume", action="store_true", help="go on where an earlier run into --out ended")
    process.add_argument("--restart", action="store_true", help="forget what an earlier run did")
    process.add_argument("--fail-fast", action="store_true", help="stop at the first input that fails")
    process.add_argument("--evidence", action="store_true", help="keep the source's pictures of every event")
    process.add_argument("--workers", type=int, metavar="N", help="processes (or Ray actors); default 1")
    process.add_argument("--ray", metavar="ADDRESS", help="run on a Ray cluster: host:port, auto, or local")
    process.add_argument(
        "--segment", type=float, default=defaults.segment_s, metavar="S", help="length of a piece of work"
    )


def _demo(args: argparse.Namespace) -> int:
    from stream_mer.app.demo import demo

    return demo(args.out, settings_of(args))


def _process(args: argparse.Namespace) -> int:
    from stream_mer.app.how import How
    from stream_mer.app.recorded import process_many

    how = How(args.resume, args.restart, args.fail_fast, args.evidence, args.workers, args.ray)
    return process_many(args.inputs, args.out, settings_of(args), how)
