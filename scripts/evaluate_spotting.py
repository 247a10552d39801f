"""``evaluate.py spotting``: the whole product on real video, as it is and with injected micro-expressions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from stream_mer.app.trial import compare_ways, table
from stream_mer.config import Settings
from stream_mer.runtime.assets import AssetStore

THRESHOLDS = (0.7, 0.8, 0.85, 0.92, 0.96)
Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    spot = kinds.add_parser("spotting", help="the whole product on real video with injected events")
    spot.set_defaults(run=evaluate)
    spot.add_argument("videos", type=Path, nargs="+")
    spot.add_argument("--engine", default="auto", help="super-resolution engine of the SR rows, by name")
    spot.add_argument("--seeds", type=int, default=2, help="injections per video")
    spot.add_argument("--out", type=Path, required=True, help="Markdown file")
    spot.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")


def evaluate(args: argparse.Namespace) -> None:
    """The pair that counts, for what the classifier may be shown."""
    settings = Settings(engine=args.engine, assets=args.assets, threads=1)
    seeds = range(1, args.seeds + 1)
    results = compare_ways(args.videos, settings, AssetStore(args.assets), seeds, print)
    args.out.write_text(table(results, THRESHOLDS), encoding="utf-8")
    print(args.out.read_text(encoding="utf-8"))
