"""Verbs for networks: engines."""

from __future__ import annotations

import argparse

from stream_mer.cli.flags import Verbs, add_verb


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    engines = add_verb(verbs, "engines", _engines, "what is there, check hashes and parity, measure")
    engines.add_argument("action", choices=("list", "verify", "bench"))
    engines.add_argument("--engine", help="only this one")
    engines.add_argument("--threads", type=int)


def _engines(args: argparse.Namespace) -> int:
    from stream_mer.app import engine_room

    action = {"list": engine_room.show, "verify": engine_room.verify, "bench": engine_room.bench}[args.action]
    return action(args.engine, args.threads)
