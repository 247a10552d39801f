"""How verbs are added, and the flags they share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from stream_mer.config import BACKENDS, DETECTORS, DEVICES, SR_MODES, Settings

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run = Callable[[argparse.Namespace], int]


def add_verb(verbs: Verbs, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    """One verb of the command line; ``run`` gets its parsed flags and answers with the exit code."""
    verb = verbs.add_parser(name, help=text, description=text)
    verb.add_argument("--debug", action="store_true", help="show tracebacks")
    verb.set_defaults(run=run)
    return verb


def add_pipeline_flags(verb: argparse.ArgumentParser) -> None:
    """The flags that every verb which runs the pipeline takes."""
    defaults = Settings()
    verb.add_argument("--engine", default="auto", help="super-resolution engine, see 'engines list'")
    verb.add_argument("--sr", choices=SR_MODES, default=defaults.sr, help="when faces go through LR and SR")
    verb.add_argument("--classifier", default=defaults.classifier, help="classifier engine")
    verb.add_argument("--detector", choices=DETECTORS, default=defaults.detector)
    verb.add_argument("--device", choices=DEVICES, default=defaults.device)
    verb.add_argument("--backend", choices=BACKENDS, default=defaults.backend)
    verb.add_argument(
        "--threads", type=int, help="CPU threads per engine; default for recordings: a core is left free"
    )
    verb.add_argument("--min-duration", type=float, default=defaults.min_duration_s, metavar="S")
    verb.add_argument("--max-duration", type=float, default=defaults.max_duration_s, metavar="S")
    verb.add_argument("--threshold", type=float, metavar="P", help="probability; default the engine's own")
    verb.add_argument("--far", type=float, metavar="N", help="false alarms a minute, instead of --threshold")
    verb.add_argument("--vetoes", default=defaults.vetoes, metavar="LIST", help="default, all, none, names")
    verb.add_argument("--explain", action="store_true", help="write rejected.jsonl: what was turned down")
    verb.add_argument("--no-overlay", dest="overlay", action="store_false", help="write no overlay.mp4")
    verb.add_argument("--redact", action="store_true", help="blur faces in every picture written")
    verb.add_argument("--assets", type=Path, metavar="DIR", help="folder with the detector's model files")
    verb.add_argument("--max-faces", type=int, default=defaults.max_faces)
    verb.add_argument(
        "--min-face", type=float, default=defaults.min_face_px, metavar="PX", help="smallest face"
    )
    verb.add_argument(
        "--no-gate", dest="gate", action="store_false", help="look for faces where nothing moves, too"
    )


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that those flags say; checked by ``Settings`` itself."""
    return Settings(
        engine=args.engine,
        sr=args.sr,
        classifier=args.classifier,
        detector=args.detector,
        min_duration_s=args.min_duration,
        max_duration_s=args.max_duration,
        threshold=args.threshold,
        far=args.far,
        vetoes=args.vetoes,
        explain=args.explain,
        device=args.device,
        backend=args.backend,
        threads=args.threads,
        overlay=args.overlay,
        redact=args.redact,
        assets=args.assets,
        max_faces=args.max_faces,
        min_face_px=args.min_face,
        gate=args.gate,
        segment_s=getattr(args, "segment", Settings().segment_s),
    )
