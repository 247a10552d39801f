"""Verbs for what runs have found: export."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_verb


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    export = add_verb(verbs, "export", _export, "the events in the formats annotators and analysts open")
    export.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder that holds events.jsonl")
    export.add_argument("--to", required=True, choices=("csv", "srt", "webvtt", "elan", "parquet"))
    export.add_argument("--out", type=Path, help="output file; default RUN_DIR/events.<suffix>")


def _export(args: argparse.Namespace) -> int:
    from stream_mer.app.export import export

    return export(args.run_dir, args.to, args.out)
