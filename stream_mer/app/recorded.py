"""Recorded video: ``stream_mer.process`` and ``stream-mer process``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from stream_mer.app.compose import DetectorFactory, build_plan, threshold_of
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.sources import OUTPUTS, expand_inputs, open_source, require_apart
from stream_mer.config import Settings
from stream_mer.errors import OutputError, SourceError, StreamMerError
from stream_mer.pipeline.inline import run_inline
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.pipeline.threads import ThreadedRun
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.event_log import EventLog
from stream_mer.sinks.history import DrawSettings
from stream_mer.sinks.overlay import OverlaySink
from stream_mer.sinks.progress import ProgressSink
from stream_mer.sinks.rejected import RejectedLog
from stream_mer.sinks.summary import write_summary
from stream_mer.types import RunSummary, SourceInfo

SOME_FAILED = 5
REPORT = "run.json"


def process(
    source: str | Path,
    out: str | Path,
    settings: Settings | None = None,
    *,
    inline: bool = False,
    progress: bool = False,
) -> RunSummary:
    """Find micro-expressions in one recorded video.

    Writes ``events.jsonl``, ``overlay.mp4`` (unless ``settings.overlay`` is false) and ``run.json``
    into ``out/<stem of source>/``.

    Args:
        source: video file.
        out: folder; made if need be.
        settings: see ``stream_mer.config.Settings``; defaults are the product's.
        inline: run everything in this thread (same results, easier to debug).
        progress: show a progress bar on stderr.

    Returns:
        The same fields as ``run.json``.

    Raises:
        StreamMerError: the source, an engine, an output or a stage failed.
        KeyboardInterrupt: after the outputs were closed properly.
    """
    settings = settings or Settings()
    source = Path(source)
    detectors = DetectorFactory(settings, AssetStore(settings.assets))
    detectors.fetch()
    return _run(
        source, Path(out) / source.stem, settings, pick_networks(settings), detectors, inline, progress
    )


def process_many(inputs: list[str], out: Path, settings: Settings) -> int:
    """The ``process`` verb: every input in turn; one bad file does not stop the others."""
    files = expand_inputs(inputs, out)
    require_writable(out)
    networks = pick_networks(settings)
    print(f"super-resolution: {networks.super_resolver.name} ({networks.reason})", file=sys.stderr)
    detectors = DetectorFactory(settings, AssetStore(settings.assets, report=say))
    detectors.fetch()
    failures: list[StreamMerError] = []
    for file, folder in zip(files, output_folders(files, out), strict=True):
        try:
            summary = _run(file, folder, settings, networks, detectors, False, True)
        except StreamMerError as error:
            if len(files) == 1:
                raise
            failures.append(error)
            print(f"stream-mer: {file}: {error}", file=sys.stderr)
            continue
        _report(file, folder, summary)
    if failures:
        print(f"{len(failures)} of {len(files)} inputs failed", file=sys.stderr)
        return SOME_FAILED
    return 0


def output_folders(files: list[Path], out: Path) -> list[Path]:
    """One folder per input: its stem, or ``<stem>-2`` and so on where stems repeat.

    >>> [f.name for f in output_folders([Path("a/cam.mp4"), Path("b/cam.mp4")], Path("out"))]
    ['cam', 'cam-2']
    """
    taken: set[str] = set()
    folders = []
    for file in files:
        name, n = file.stem, 2
        while name in taken:
            name, n = f"{file.stem}-{n}", n + 1
        taken.add(name)
        folders.append(out / name)
    return folders


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
        return EventLog(folder / "events.jsonl", digests, utc=None if utc is None else utc())

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


def _run(
    source: Path,
    folder: Path,
    settings: Settings,
    networks: Networks,
    detectors: DetectorFactory,
    inline: bool,
    progress: bool,
) -> RunSummary:
    recipe = open_source(source)
    sinks = recording_sinks(folder, settings, networks)
    if progress:
        sinks.append(SinkRecipe("progress", ProgressSink))
    require_apart(recipe.file, folder)
    remove_outputs(folder)
    plan = build_plan(recipe.build, settings, networks, detectors, sinks)
    if inline:
        summary = run_inline(plan)
        write_summary(folder / REPORT, summary)
        return summary
    return run_and_report(ThreadedRun(plan), folder)


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

    Raises:
        OutputError: it cannot be removed.
    """
    try:
        for name in OUTPUTS:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror or error}.\nChoose another folder with --out."
        ) from error


def _report(file: Path, folder: Path, summary: RunSummary) -> None:
    print(
        f"{file.name}: {summary.frames} frames, {summary.tracks} tracks, {summary.events} events, "
        f"coverage {summary.coverage:.0%}, {summary.throughput_fps:g} fps -> {folder}"
    )
    for warning in summary.warnings:
        print(f"  note: {warning}")


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
