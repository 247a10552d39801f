"""Verbs for what is happening now: live, serve."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_pipeline_flags, add_verb, settings_of

LOGS = ("text", "json")


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    live = add_verb(verbs, "live", _live, "camera number, address, or a file played as if it were a camera")
    live.add_argument("--source", required=True, help="0, rtsp://..., or FILE")
    live.add_argument("--window", action=argparse.BooleanOptionalAction, default=True, help="show a window")
    live.add_argument("--web", metavar="HOST:PORT", help="serve the dashboard")
    live.add_argument("--web-token", help="dashboard token; required for any address but loopback")
    live.add_argument(
        "--record", type=Path, metavar="DIR", help="write events.jsonl, run.json, and the overlay in segments"
    )
    live.add_argument("--keep-days", type=float, metavar="N", help="delete segments older than this")
    live.add_argument("--keep-gb", type=float, metavar="N", help="delete the oldest segments beyond this")
    live.add_argument("--keep-thumbnails", action="store_true", help="keep faces at onset, apex and offset")
    live.add_argument("--webhook", metavar="URL", help="post every event there")
    live.add_argument("--mqtt", metavar="URL", help="publish every event: mqtt://HOST[/TOPIC]")
    live.add_argument("--log", choices=LOGS, default="text", help="how messages are written to stderr")
    live.add_argument("--seconds", type=float, help="stop after this long")
    add_pipeline_flags(live)

    serve = add_verb(verbs, "serve", _serve, "many cameras without a window: one dashboard, metrics, health")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE", help="cameras.toml, see README")
    serve.add_argument("--check", action="store_true", help="only check the file")
    serve.add_argument("--log", choices=LOGS, default="text", help="how messages are written to stderr")
    serve.add_argument("--seconds", type=float, help="stop after this long")


def _live(args: argparse.Namespace) -> int:
    from stream_mer.app.live import LiveOptions, live

    options = LiveOptions(
        source=args.source,
        window=args.window,
        web=args.web,
        token=args.web_token,
        record=args.record,
        seconds=args.seconds,
        keep_days=args.keep_days,
        keep_gb=args.keep_gb,
        keep_thumbnails=args.keep_thumbnails,
        webhook=args.webhook,
        mqtt=args.mqtt,
        log=args.log,
    )
    return live(options, settings_of(args))


def _serve(args: argparse.Namespace) -> int:
    from stream_mer.app.serve import ServeOptions, serve

    return serve(ServeOptions(args.config, args.log, args.check, args.seconds))
