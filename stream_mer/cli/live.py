"""Verbs for what is happening now: live."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_pipeline_flags, add_verb, settings_of


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    live = add_verb(verbs, "live", _live, "camera number, address, or a file played as if it were a camera")
    live.add_argument("--source", required=True, help="0, rtsp://..., or FILE")
    live.add_argument("--window", action=argparse.BooleanOptionalAction, default=True, help="show a window")
    live.add_argument("--web", metavar="HOST:PORT", help="serve the dashboard")
    live.add_argument("--web-token", help="dashboard token; required for any address but loopback")
    live.add_argument("--record", type=Path, metavar="DIR", help="write events.jsonl, run.json, overlay.mp4")
    live.add_argument("--seconds", type=float, help="stop after this long")
    add_pipeline_flags(live)


def _live(args: argparse.Namespace) -> int:
    from stream_mer.app.live import LiveOptions, live

    options = LiveOptions(args.source, args.window, args.web, args.web_token, args.record, args.seconds)
    return live(options, settings_of(args))
