"""``stream-mer synth``: labelled synthetic clips, each an MP4 with its truth beside it as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from rich.console import Console
from rich.progress import track

from stream_mer.app.console import counted
from stream_mer.app.outputs import remove_truth, require_writable
from stream_mer.app.portraits import astronaut, read_portraits
from stream_mer.core.degradation import SCALE
from stream_mer.core.windowing import FRAMES_PER_EVENT
from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.summary import write_text
from stream_mer.sinks.video import VideoWriter
from stream_mer.synth.clip import frames_of, iterate_clip, truth_of
from stream_mer.synth.dense import encoded_png
from stream_mer.synth.lowered import Lowered
from stream_mer.synth.plan import ClipPlan
from stream_mer.synth.pulse import Version
from stream_mer.synth.sheet import contact_sheet
from stream_mer.synth.spec import ClipSpec
from stream_mer.types import ImageU8

CLIPS_A_SEED = 1_000_000
"""Seeds of clips kept for one ``--seed``: the second clip of seed 0 must not be the first one of seed 1."""


@dataclass(frozen=True, slots=True)
class SynthOptions:
    """The flags of ``synth``."""

    out: Path
    portraits: Path | None
    clips: int
    seconds: float
    fps: float
    face_px: float
    seed: int
    assets: Path | None
    sheet: bool = False
    version: Version = "train"
    rate: float = 12.0
    durations_s: tuple[float, float] = (0.04, 0.2)
    one_sided: float = 0.0
    drop: float = 0.0
    repeat: float = 0.0
    lowered: bool = False
    """Whether the clips go through the paper's degradation."""


def make_clips(options: SynthOptions) -> int:
    """Write ``clip_<number>_<person>.mp4`` and ``.json`` (and a sheet as ``.png``) into ``options.out``.

    Events are put in as asked for, also where the frame rate shows them in one frame or none; that is said.

    Raises:
        ConfigError: a number out of range.
        SourceError: no usable portrait.
        OutputError: the folder or the disk refuses.
    """
    if options.clips < 1:
        raise ConfigError(f"--clips {options.clips} makes nothing.\nGive 1 or more.")
    if options.clips > CLIPS_A_SEED:
        raise ConfigError(f"--clips {options.clips} is more than one seed has.\nGive {CLIPS_A_SEED} at most.")
    if options.seed < 0:
        raise ConfigError(f"--seed {options.seed} is negative.\nGive 0 or more.")
    side = round(max(320.0, options.face_px * 2.5) / 16) * 16
    spec = ClipSpec(
        duration_s=options.seconds,
        fps=options.fps,
        width=side,
        height=side,
        face_px=options.face_px,
        event_rate=options.rate,
        event_durations_s=options.durations_s,
        one_sided=options.one_sided,
        drop_rate=options.drop,
        repeat_rate=options.repeat,
        version=options.version,
    )
    require_writable(options.out)
    people = (
        [astronaut()]
        if options.portraits is None
        else list(read_portraits(options.portraits, options.assets))
    )
    numbered = enumerate(zip(range(options.clips), cycle(people), strict=False))
    events, hidden = 0, 0
    for number, (_, person) in track(
        numbered, "clips", options.clips, console=Console(stderr=True), transient=True
    ):
        path = options.out / f"clip_{number:04d}_{person.name}.mp4"
        remove_truth(path)
        seed = options.seed * CLIPS_A_SEED + number
        plan, frames = iterate_clip(person.rgb, person.mesh, spec, seed)
        low = Lowered.of_clip(seed, options.version) if options.lowered else None
        shown = side // SCALE if low else side
        writer = VideoWriter(path, shown, shown, fps_hint=options.fps, threads=0)
        try:
            for frame in frames:
                writer.write(low(frame.rgb) if low else frame.rgb, frame.pts_ns)
        finally:
            writer.close()
        _write_truth(path, person.name, plan, low)
        if options.sheet:
            sheet = contact_sheet(person.rgb, person.mesh, seed, options.version)
            _write_picture(path.with_suffix(".png"), sheet)
        events += len(plan.events)
        hidden += sum(n < FRAMES_PER_EVENT for n in frames_of(plan))
    people_said = "1 person" if len(people) == 1 else f"{len(people)} people"
    found = counted(events, "micro-expression")
    print(f"{counted(options.clips, 'clip')} of {people_said}, {found} -> {options.out}")
    if hidden:
        print(f"  note: {hidden} of them show in fewer than three frames; the truth says in how many")
    return 0


def _write_truth(path: Path, person: str, plan: ClipPlan, low: Lowered | None) -> None:
    truth = {"clip": path.name, "subject": person, **(low.truth() if low else {}), **truth_of(plan)}
    write_text(path.with_suffix(".json"), json.dumps(truth, indent=2) + "\n", "the clip's truth")


def _write_picture(path: Path, rgb: ImageU8) -> None:
    try:
        path.write_bytes(encoded_png(rgb))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
