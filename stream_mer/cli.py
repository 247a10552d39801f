"""The command line: flags in, one call into the app, errors out as one to three lines."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from stream_mer import __version__
from stream_mer.config import BACKENDS, DETECTORS, DEVICES, SR_MODES, Settings
from stream_mer.errors import StreamMerError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 ok, 2 usage, 3 source, 4 engine, 5 failure, 130 Ctrl-C)."""
    args = _parser().parse_args(argv)
    if threading.current_thread() is threading.main_thread():
        # 'docker stop' and systemd ask so; the outputs are then closed as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(args.run(args))
    except StreamMerError as error:
        if args.debug:
            raise
        print(f"stream-mer: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nothing more can be said
        return StreamMerError.exit_code
    except OSError as error:
        if args.debug:
            raise
        print(f"stream-mer: {error}", file=sys.stderr)
        return StreamMerError.exit_code
    except KeyboardInterrupt:
        print("stream-mer: interrupted; outputs were closed and hold everything up to here", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stream-mer", description="Finds facial micro-expressions in video."
    )
    parser.add_argument("--version", action="version", version=f"stream-mer {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    demo = _verb(verbs, "demo", _demo, "make a labelled clip, run everything on it, print found against true")
    demo.add_argument("--out", type=Path, default=Path("stream-mer-demo"), help="folder for clip and outputs")
    _pipeline_flags(demo)

    process = _verb(verbs, "process", _process, "find micro-expressions in recorded files or folders")
    process.add_argument("inputs", nargs="+", metavar="INPUT", help="video file or folder of video files")
    process.add_argument("--out", type=Path, required=True, help="folder; each input gets a folder in it")
    _pipeline_flags(process)

    live = _verb(verbs, "live", _live, "camera number, address, or a file played as if it were a camera")
    live.add_argument("--source", required=True, help="0, rtsp://..., or FILE")
    live.add_argument("--window", action=argparse.BooleanOptionalAction, default=True, help="show a window")
    live.add_argument("--web", metavar="HOST:PORT", help="serve the dashboard")
    live.add_argument("--web-token", help="dashboard token; required for any address but loopback")
    live.add_argument("--record", type=Path, metavar="DIR", help="write events.jsonl, run.json, overlay.mp4")
    live.add_argument("--seconds", type=float, help="stop after this long")
    _pipeline_flags(live)

    export = _verb(verbs, "export", _export, "the events in the formats annotators and analysts open")
    export.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder that holds events.jsonl")
    export.add_argument("--to", required=True, choices=("csv", "srt", "webvtt", "elan", "parquet"))
    export.add_argument("--out", type=Path, help="output file; default RUN_DIR/events.<suffix>")

    synth = _verb(verbs, "synth", _synth, "labelled synthetic micro-expression clips from portraits")
    synth.add_argument("--out", type=Path, required=True)
    synth.add_argument(
        "--portraits", type=Path, help="folder of portraits; default the astronaut of the demo"
    )
    synth.add_argument("--clips", type=int, default=4)
    synth.add_argument("--seconds", type=float, default=6.0)
    synth.add_argument("--fps", type=float, default=60.0)
    synth.add_argument("--face-px", type=float, default=120.0)
    synth.add_argument("--seed", type=int, default=0)
    synth.add_argument(
        "--assets", type=Path, help="folder with the model files, for machines without network"
    )

    engines = _verb(verbs, "engines", _engines, "what is there, check hashes and parity, measure")
    engines.add_argument("action", choices=("list", "verify", "bench"))
    engines.add_argument("--engine", help="only this one")
    engines.add_argument("--threads", type=int)

    doctor = _verb(verbs, "doctor", _doctor, "versions, devices, engines, and what a source can show")
    doctor.add_argument("--source", help="file, address or camera to judge")
    doctor.add_argument("--assets", type=Path, help="folder with the model files")

    bench = _verb(verbs, "bench", _bench, "the published tables, from one command")
    bench.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    bench.add_argument("--out", type=Path, help="also write the tables to this Markdown file")
    return parser


def _verb(verbs, name: str, run, text: str) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    verb.add_argument("--debug", action="store_true", help="show tracebacks")
    verb.set_defaults(run=run)
    return verb


def _pipeline_flags(verb: argparse.ArgumentParser) -> None:
    defaults = Settings()
    verb.add_argument("--engine", default="auto", help="super-resolution engine, see 'engines list'")
    verb.add_argument("--sr", choices=SR_MODES, default=defaults.sr, help="when faces go through LR and SR")
    verb.add_argument("--classifier", default=defaults.classifier, help="classifier engine")
    verb.add_argument("--detector", choices=DETECTORS, default=defaults.detector)
    verb.add_argument("--device", choices=DEVICES, default=defaults.device)
    verb.add_argument("--backend", choices=BACKENDS, default=defaults.backend)
    verb.add_argument("--threads", type=int, help="CPU threads per engine")
    verb.add_argument("--min-duration", type=float, default=defaults.min_duration_s, metavar="S")
    verb.add_argument("--max-duration", type=float, default=defaults.max_duration_s, metavar="S")
    verb.add_argument("--threshold", type=float, metavar="P", help="probability; default the engine's own")
    verb.add_argument("--no-overlay", dest="overlay", action="store_false", help="write no overlay.mp4")
    verb.add_argument("--redact", action="store_true", help="blur faces in every picture written")
    verb.add_argument("--assets", type=Path, metavar="DIR", help="folder with the detector's model files")
    verb.add_argument("--max-faces", type=int, default=defaults.max_faces)


def _settings(args: argparse.Namespace) -> Settings:
    return Settings(
        engine=args.engine,
        sr=args.sr,
        classifier=args.classifier,
        detector=args.detector,
        min_duration_s=args.min_duration,
        max_duration_s=args.max_duration,
        threshold=args.threshold,
        device=args.device,
        backend=args.backend,
        threads=args.threads,
        overlay=args.overlay,
        redact=args.redact,
        assets=args.assets,
        max_faces=args.max_faces,
    )


# The app is imported inside the verbs: 'stream-mer --help' must not load networks.


def _demo(args: argparse.Namespace) -> int:
    from stream_mer.app.demo import demo

    return demo(args.out, _settings(args))


def _process(args: argparse.Namespace) -> int:
    from stream_mer.app.recorded import process_many

    return process_many(args.inputs, args.out, _settings(args))


def _live(args: argparse.Namespace) -> int:
    from stream_mer.app.live import LiveOptions, live

    options = LiveOptions(args.source, args.window, args.web, args.web_token, args.record, args.seconds)
    return live(options, _settings(args))


def _export(args: argparse.Namespace) -> int:
    from stream_mer.app.export import export

    return export(args.run_dir, args.to, args.out)


def _synth(args: argparse.Namespace) -> int:
    from stream_mer.app.clips import SynthOptions, make_clips

    return make_clips(
        SynthOptions(
            args.out, args.portraits, args.clips, args.seconds, args.fps, args.face_px, args.seed, args.assets
        )
    )


def _engines(args: argparse.Namespace) -> int:
    from stream_mer.app import engine_room

    action = {"list": engine_room.show, "verify": engine_room.verify, "bench": engine_room.bench}[args.action]
    return action(args.engine, args.threads)


def _doctor(args: argparse.Namespace) -> int:
    from stream_mer.app.doctor import doctor

    return doctor(args.source, args.assets)


def _bench(args: argparse.Namespace) -> int:
    from stream_mer.app.bench import bench

    return bench(args.videos, args.out)
