"""Verbs for what runs have found: events, export, report, replay, forget."""

from __future__ import annotations

import argparse
from pathlib import Path

from stream_mer.cli.flags import Verbs, add_verb
from stream_mer.types import LABELS


def add(verbs: Verbs) -> None:
    """Add this family's verbs."""
    events = add_verb(verbs, "events", _events, "which events there are, over any number of runs")
    events.add_argument("roots", nargs="+", type=Path, metavar="DIR", help="folders with runs in them")
    events.add_argument("--camera", metavar="GLOB", help="folder of the run, such as 'hall/*'")
    events.add_argument("--label", choices=LABELS)
    events.add_argument(
        "--from", dest="begin", metavar="T", help="SS, MM:SS, HH:MM:SS, or a date (live runs)"
    )
    events.add_argument("--to", dest="end", metavar="T")
    events.add_argument("--min-probability", type=float, metavar="P")
    events.add_argument("--min-duration", type=float, metavar="S")
    events.add_argument("--max-duration", type=float, metavar="S")
    events.add_argument("--query", metavar="SQL", help="a condition, such as 'probability > .95 AND sr = 0'")
    events.add_argument("--form", choices=("table", "csv", "json"), default="table")

    export = add_verb(verbs, "export", _export, "the events in the formats annotators and analysts open")
    export.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder that holds events.jsonl")
    export.add_argument("--to", required=True, choices=("csv", "srt", "webvtt", "elan", "parquet"))
    export.add_argument("--out", type=Path, help="output file; default RUN_DIR/events.<suffix>")

    report = add_verb(verbs, "report", _report, "one HTML page: timeline, pictures of every event, review")
    report.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="a run, or a folder of runs")
    report.add_argument("--out", type=Path, help="default RUN_DIR/report.html")
    report.add_argument("--no-faces", dest="faces", action="store_false", help="no pictures of anybody")
    report.add_argument("--show-paths", action="store_true", help="say where the recordings lie")
    report.add_argument(
        "--most", type=int, default=200, metavar="N", help="pictures of so many events at most"
    )
    report.add_argument("--assets", type=Path, metavar="DIR", help="folder with the detector's model files")

    replay = add_verb(verbs, "replay", _replay, "judge an event's piece of video again and compare")
    replay.add_argument("event_id", metavar="EVENT_ID", help="or the beginning of it")
    replay.add_argument(
        "--run", dest="folder", type=Path, required=True, metavar="DIR", help="a run, or a folder of runs"
    )
    replay.add_argument("--video", type=Path, help="where the recording lies now, if it was moved")
    replay.add_argument("--assets", type=Path, metavar="DIR", help="folder with the detector's model files")

    forget = add_verb(verbs, "forget", _forget, "delete old pictures (overlay, evidence, report) of runs")
    forget.add_argument("run_dir", type=Path, metavar="DIR")
    forget.add_argument("--older-than", type=float, required=True, metavar="DAYS")
    forget.add_argument("--everything", action="store_true", help="the events and reports too")


def _events(args: argparse.Namespace) -> int:
    from stream_mer.app.find import events, moment
    from stream_mer.sinks.event_table import Filter

    (from_s, from_utc), (to_s, to_utc) = moment(args.begin), moment(args.end)
    wanted = Filter(
        camera=args.camera,
        label=args.label,
        from_s=from_s,
        to_s=to_s,
        from_utc=from_utc,
        to_utc=to_utc,
        min_probability=args.min_probability,
        min_duration_s=args.min_duration,
        max_duration_s=args.max_duration,
        query=args.query,
    )
    return events(args.roots, wanted, args.form)


def _export(args: argparse.Namespace) -> int:
    from stream_mer.app.export import export

    return export(args.run_dir, args.to, args.out)


def _report(args: argparse.Namespace) -> int:
    from stream_mer.app.report import report

    return report(
        args.run_dir,
        args.out,
        faces=args.faces,
        paths=args.show_paths,
        most=args.most,
        assets=args.assets,
    )


def _replay(args: argparse.Namespace) -> int:
    from stream_mer.app.replay import replay

    return replay(args.event_id, args.folder, args.video, args.assets)


def _forget(args: argparse.Namespace) -> int:
    from stream_mer.app.forget import forget

    return forget(args.run_dir, args.older_than, args.everything)
