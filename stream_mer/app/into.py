"""``stream-mer synth --into``: a recording with micro-expressions in its face, and the truth about them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from stream_mer.app.compose import DetectorFactory
from stream_mer.app.console import counted
from stream_mer.app.injection import Injection, inject_into
from stream_mer.app.outputs import remove_truth, require_writable
from stream_mer.app.portraits import MESH
from stream_mer.config import Settings
from stream_mer.errors import ConfigError, SourceError
from stream_mer.protocols import Source
from stream_mer.runtime.assets import AssetStore
from stream_mer.runtime.openvino import OpenVinoEngine
from stream_mer.sinks.summary import write_text
from stream_mer.sinks.video import VideoWriter
from stream_mer.synth.pulse import Version

PEAKS = (0.005, 0.03)
"""Peak displacements drawn, face widths."""


@dataclass(frozen=True, slots=True)
class IntoOptions:
    """The flags of ``synth --into``."""

    video: Path
    out: Path
    seed: int
    rate: float
    durations_s: tuple[float, float]
    assets: Path | None
    version: Version = "test"
    one_sided: float = 0.0


def inject_video(options: IntoOptions) -> int:
    """Write ``<stem>_injected.mp4`` and ``.json`` into ``options.out``.

    The truth lists under ``events`` what was wholly visible, and under ``partly_visible`` what began or
    ended while no face was seen or shows in fewer than three frames.

    Raises:
        ConfigError: a number out of range.
        SourceError: the video cannot be read, or shows no face for long enough.
        OutputError: the folder or the disk refuses.
    """
    if options.seed < 0:
        raise ConfigError(f"--seed {options.seed} is negative.\nGive 0 or more.")
    if not 0 < options.rate <= 120:
        raise ConfigError(f"--rate {options.rate:g} events a minute: more than 0 and at most 120 fit.")
    if not 0 <= options.one_sided <= 1:
        raise ConfigError(f"--one-sided {options.one_sided:g} is no share.\nGive 0 to 1.")
    if not 0.02 <= options.durations_s[0] <= options.durations_s[1] <= 1:
        low, high = options.durations_s
        raise ConfigError(
            f"--min-duration {low:g} and --max-duration {high:g} do not fit.\n"
            "They must rise within 0.02 to 1 s."
        )
    path = options.out / f"{options.video.stem}_injected.mp4"
    if path.exists() and options.video.exists() and path.samefile(options.video):
        raise ConfigError(f"--out would overwrite {options.video}.\nChoose another folder.")
    store = AssetStore(options.assets)
    detectors = DetectorFactory(Settings(assets=options.assets), store)
    engine = OpenVinoEngine.from_file(store.path(MESH), threads=1)
    try:
        source, injection = inject_into(
            options.video,
            detectors.build,
            engine.run,
            options.seed,
            durations_s=options.durations_s,
            peaks=PEAKS,
            rate=options.rate,
            version=options.version,
            one_sided=options.one_sided,
        )
        try:
            require_writable(options.out)
            remove_truth(path)
            _copy(source, path)
        finally:
            source.close()
    finally:
        engine.close()
    events = injection.truth()
    if not events:
        path.unlink(missing_ok=True)
        raise _nothing_injected(options, injection)
    truth = {
        "clip": path.name,
        "source": options.video.name,
        "seed": options.seed,
        "version": options.version,
        "pts_ns": [pts_ns for pts_ns, _ in injection.seen],
        "face": [taken_ns is not None for _, taken_ns in injection.seen],
        "events": [asdict(event) for event in events],
        "partly_visible": [asdict(event) for event in injection.unclear()],
    }
    write_text(path.with_suffix(".json"), json.dumps(truth, indent=2) + "\n", "the clip's truth")
    print(f"{counted(len(events), 'micro-expression')} in {counted(len(injection.seen), 'frame')} -> {path}")
    return 0


def _nothing_injected(options: IntoOptions, injection: Injection) -> SourceError:
    if any(taken_ns is not None for _, taken_ns in injection.seen) and not injection.injector.events:
        return SourceError(
            f"{options.video}: by chance no event fell into its {len(injection.seen)} frames.\n"
            f"Give another --seed than {options.seed} or a higher --rate than {options.rate:g}."
        )
    return SourceError(
        f"{options.video}: no face was seen long enough for an event of three new pictures.\n"
        "Use a longer or faster video, one clear face of 40 px or more, a higher --rate, longer events."
    )


def _copy(source: Source, path: Path) -> None:
    info = source.info
    frames = round((info.duration_s or 0) * (info.fps_nominal or 25)) or None
    shown = track(source, "frames", frames, console=Console(stderr=True), transient=True)
    writer: VideoWriter | None = None
    try:
        for frame in shown:
            if writer is None:
                height, width = frame.rgb.shape[:2]
                writer = VideoWriter(path, width, height, fps_hint=info.fps_nominal, threads=0)
            writer.write(frame.rgb, frame.pts_ns)
    finally:
        if writer is not None:
            writer.close()
