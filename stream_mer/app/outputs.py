"""What a run writes into its folder, and how it is ended there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from stream_mer.app.compose import threshold_of
from stream_mer.app.networks import Networks
from stream_mer.app.sources import EVIDENCE, OUTPUTS
from stream_mer.config import Settings
from stream_mer.errors import OutputError, SourceError
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.sinks.event_log import EventLog
from stream_mer.sinks.history import DrawSettings
from stream_mer.sinks.overlay import OverlaySink
from stream_mer.sinks.rejected import RejectedLog
from stream_mer.sinks.summary import write_summary
from stream_mer.types import RunSummary, SourceInfo

REPORT = "run.json"
EVENTS = "events.jsonl"
TEXTS = (EVENTS, "rejected.jsonl", REPORT)
"""What can be written again from a manifest at any time."""


def recording_sinks(
    folder: Path,
    settings: Settings,
    networks: Networks,
    utc: Callable[[], Callable[[int], str]] | None = None,
) -> list[SinkRecipe]:
    """The sinks that write ``events.jsonl`` and, if wanted, ``overlay.mp4``.

    ``utc`` is for live sources: called when the source is open, it gives the clock for ``onset_utc``.
    """
    look = DrawSettings(threshold=threshold_of(settings, networks), redact=settings.redact)
    digests = networks.digests()

    def event_log(_: SourceInfo) -> EventLog:
        clock, upscaler = None if utc is None else utc(), networks.super_resolver.name
        return EventLog(folder / EVENTS, digests, utc=clock, super_resolver=upscaler)

    recipes = [SinkRecipe("events", event_log)]
    if settings.explain:
        recipes.append(SinkRecipe("rejected", lambda _: RejectedLog(folder / "rejected.jsonl")))
    if settings.overlay:
        recipes.append(
            SinkRecipe(
                "overlay", lambda info: OverlaySink(folder / "overlay.mp4", look, fps_hint=info.fps_nominal)
            )
        )
    return recipes


def run_and_report(run: ThreadedRun, folder: Path) -> RunSummary:
    """Run to the end and write ``run.json``; also when interrupted or when the source failed midway."""
    try:
        summary = run.run()
    except KeyboardInterrupt:
        write_summary(folder / REPORT, run.summarise())
        raise
    except SourceError:
        if run.progress.tally.frames:
            write_summary(folder / REPORT, run.summarise())
        raise
    write_summary(folder / REPORT, summary)
    return summary


def remove_outputs(folder: Path) -> None:
    """Remove what an earlier run wrote there: it must not pose as the result of this one.

    The pictures kept of its events, too: those of a run without ``--redact`` must not stay in one with it.

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        for name in OUTPUTS:
            (folder / name).unlink(missing_ok=True)
        if (folder / EVIDENCE).exists():
            shutil.rmtree(folder / EVIDENCE)
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror or error}.\nChoose another folder with --out."
        ) from error


def set_aside_outputs(folder: Path) -> None:
    """Rename what an earlier live run left there, after the time of its last change: it cannot be had again.

    ``events.jsonl`` becomes ``events-20261127T155304Z.jsonl``.

    Raises:
        OutputError: it cannot be renamed.
    """
    try:
        for old in (path for name in OUTPUTS if (path := folder / name).exists()):
            when = datetime.fromtimestamp(old.stat().st_mtime, timezone.utc)
            while (new := old.with_stem(f"{old.stem}-{when:%Y%m%dT%H%M%SZ}")).exists():
                when += timedelta(seconds=1)
            old.rename(new)
    except OSError as error:
        raise OutputError(
            f"cannot rename what lies in {folder}: {error.strerror or error}.\n"
            "Choose another folder with --record."
        ) from error


def say(text: str) -> None:
    """Tell the user something that is no result."""
    print(text, file=sys.stderr)


def require_writable(out: Path) -> None:
    """Make the folder and check that a file can be made in it.

    Raises:
        OutputError: it cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".stream-mer-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"cannot write to {out}: {error.strerror or error}.\nChoose another folder with --out."
        ) from error


def remove_truth(clip: Path) -> None:
    """Remove what an earlier clip of this name left as its truth: it must not pose as that of the new one.

    The new truth is written last; a run that is interrupted before leaves a clip without any.

    Raises:
        OutputError: it cannot be removed.
    """
    old = clip.with_suffix(".json")
    try:
        old.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot replace {old}: {error.strerror or error}.\nChoose another folder with --out."
        ) from error
