"""Verbs for networks: engines."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_verb

PRECISIONS = ("f32", "fp16", "bf16", "int8", "fp8")
PLAN_BACKENDS = ("tensorrt", "tensorrt-rtx")
CPU_BACKENDS = ("onnxruntime", "openvino")


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    engines = add_verb(verbs, "engines", _engines, "what is there, build GPU plans, check hashes, measure")
    engines.add_argument("action", choices=("list", "build", "verify", "bench"))
    engines.add_argument("--engine", help="only this one")
    engines.add_argument("--threads", type=_count)
    plans = engines.add_argument_group("plans", "TensorRT's files, one per GPU")
    plans.add_argument(
        "--backend",
        choices=(*PLAN_BACKENDS, *CPU_BACKENDS),
        help="default: whichever is installed; the last two for bench only",
    )
    plans.add_argument(
        "--precision", choices=PRECISIONS, type=_precision, action="append", help="repeat for more"
    )
    plans.add_argument("--target", default="current", help="another GPU, e.g. sm89; tensorrt-rtx only")
    plans.add_argument("--max-batch", type=_count, help="largest batch (64); smaller takes less memory")
    plans.add_argument("--cache", type=Path, metavar="DIR", help="where plans are kept")
    plans.add_argument("--force", action="store_true", help="build again what is there")
    plans.add_argument("--faces", type=Path, metavar="DIR", help="portraits to verify on, beside the demo's")


def _count(text: str) -> int:
    """A whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def _precision(text: str) -> str:
    """Other programs call f32 fp32."""
    return "f32" if text == "fp32" else text


def _engines(args: argparse.Namespace) -> int:
    from stream_mer.app import engine_room, plan_room
    from stream_mer.errors import ConfigError

    if args.action == "list":
        return max(engine_room.show(args.engine), plan_room.show(args.engine, args.cache))
    if args.action == "bench":
        return engine_room.bench(args.engine, args.threads, args.backend, args.precision, args.cache)
    if args.backend in CPU_BACKENDS:
        raise ConfigError(f"--backend {args.backend} has no plans.\nUse {' or '.join(PLAN_BACKENDS)}.")
    if args.action == "build":
        wishes = plan_room.wishes(args.engine, args.backend, args.precision, args.target, args.max_batch)
        return plan_room.build(wishes, args.cache, force=args.force)
    checked = engine_room.verify(args.engine, args.threads, args.faces)
    wishes = plan_room.wishes(args.engine, args.backend, args.precision, args.target, args.max_batch)
    asked = args.backend is not None
    return max(checked, plan_room.verify(wishes, args.cache, asked=asked, faces=args.faces))
