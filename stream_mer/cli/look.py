"""Verbs that look at this machine: doctor, bench."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_verb


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    doctor = add_verb(verbs, "doctor", _doctor, "versions, devices, engines, and what a source can show")
    doctor.add_argument("--source", help="file, address or camera to judge")
    doctor.add_argument("--assets", type=Path, help="folder with the model files")

    bench = add_verb(verbs, "bench", _bench, "the published tables, from one command")
    bench.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    bench.add_argument("--out", type=Path, help="also write the tables to this Markdown file")
    bench.add_argument(
        "--no-overlay", dest="overlay", action="store_false", help="write no overlay.mp4, as for archives"
    )
    bench.add_argument("--hours", type=float, help="instead: memory over a recording so long, of one VIDEO")
    bench.add_argument("--segment", type=float, default=300.0, metavar="S", help="with --hours")


def _doctor(args: argparse.Namespace) -> int:
    from stream_mer.app.doctor import doctor

    return doctor(args.source, args.assets)


def _bench(args: argparse.Namespace) -> int:
    from stream_mer.app.bench import bench
    from stream_mer.app.bench_long import bench_long

    if args.hours is not None:
        return bench_long(args.videos[0], args.hours, args.segment, args.out)
    return bench(args.videos, args.out, overlay=args.overlay)
