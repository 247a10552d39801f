"""``stream-mer replay``: judges the piece of video an event came from once more and compares."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from stream_mer.app.compose import DetectorFactory
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.outputs import say
from stream_mer.app.pieces import Piece, judge
from stream_mer.capture.address import content_digest, resolve
from stream_mer.capture.index import VideoIndex, index_video
from stream_mer.config import Settings
from stream_mer.core.decision import identified
from stream_mer.core.metrics import interval_iou
from stream_mer.core.segments import TAIL_NS, Segment, plan_segments
from stream_mer.errors import ConfigError, EngineError, SourceError
from stream_mer.runtime.assets import AssetStore
from stream_mer.sinks.event_log import read_events
from stream_mer.sinks.event_table import find_logs
from stream_mer.sinks.summary import read_summary
from stream_mer.types import Event, RunSummary

DIFFERENT = 5


@dataclass(frozen=True, slots=True)
class Recorded:
    """A finished run of one video: what it said, and how to run the same again."""

    folder: Path
    summary: RunSummary
    settings: Settings
    video: Path

    @classmethod
    def at(cls, folder: Path, video: Path | None = None, assets: Path | None = None) -> Recorded:
        """The run in this folder.

        Args:
            folder: holds ``run.json``.
            video: where the recording lies now, if it was moved.
            assets: folder with the detector's model files; ``run.json`` keeps no paths of this kind.

        Raises:
            ConfigError: no finished run of a recording there, or the video is not the one it judged.
            SourceNotFound: the video is gone.
        """
        summary = read_summary(folder / "run.json")
        if not summary.source_sha256:
            raise ConfigError(f"{folder} is no run of a recording; live video cannot be seen again.")
        video = video or Path(summary.source)
        if content_digest(resolve(video, 1.0)) != summary.source_sha256:
            raise SourceError(
                f"{video} is not the video this run judged (its sha256 differs).\n"
                "Give the unchanged recording with --video."
            )
        return cls(folder, summary, replace(settings_of_run(summary.settings), assets=assets), video)

    def networks(self) -> Networks:
        """The same networks, run the same way.

        Raises:
            EngineError: this installation has others.
        """
        way = self.summary.settings.get("way")
        networks = pick_networks(self.settings, way=tuple(way) if isinstance(way, list) else None)
        if networks.digests() != self.summary.engines:
            raise EngineError(
                f"this installation's engines are not those of the run ({', '.join(self.summary.engines)}).\n"
                "Install the version that run.json names."
            )
        calibration = self.summary.settings.get("calibration", networks.calibration.digest)
        if calibration != networks.calibration.digest:
            raise EngineError(
                f"this installation reads scores otherwise than the run did (calibration {calibration}).\n"
                "Install the version that run.json names, or judge the video again with 'process'."
            )
        return networks

    def segments(self) -> tuple[VideoIndex, tuple[Segment, ...]]:
        """How the run cut the video."""
        index = index_video(self.video)
        longest_ns = round(self.settings.max_duration_s * 1e9)
        length_ns = round(self.settings.segment_s * 1e9)
        return index, plan_segments(index.keys, index.frames, index.end_ns, length_ns, longest_ns)


def settings_of_run(record: dict[str, object]) -> Settings:
    """The settings that ``run.json`` tells; what it does not know has its default."""
    known = {field.name for field in fields(Settings)}
    plain: dict[str, Any] = {key: value for key, value in record.items() if key in known}
    return Settings(**{**plain, "far": None})  # the threshold it resolved to is there


def replay(event_id: str, run_dir: Path, video: Path | None, assets: Path | None) -> int:
    """Find an event by (the beginning of) its id, judge its segment again up to it, and print both.

    Returns:
        0 if the same event came out, 5 if not.

    Raises:
        ConfigError: no such event.
    """
    folder, event = find_event(event_id, run_dir)
    run = Recorded.at(folder, video, assets)
    detectors = DetectorFactory(run.settings, AssetStore(assets))
    found = judge_again(run, event, run.networks(), detectors)
    best = max(found, key=lambda e: _overlap(e, event), default=None)
    print(f"recorded  {_words(event)}")
    if best is None or _overlap(best, event) <= 0:
        print("replayed  nothing there")
        return DIFFERENT
    again = identified(replace(best, track_id=event.track_id, source=event.source), run.summary.source_sha256)
    print(f"replayed  {_words(again)}")
    same = again.id == event.id and again.label == event.label and _close(again, event)
    print("the same event" if same else "not the same event: see the versions in run.json")
    return 0 if same else DIFFERENT


def find_event(event_id: str, run_dir: Path) -> tuple[Path, Event]:
    """The folder and the event with this id or beginning of an id.

    Raises:
        ConfigError: none, or several different ones.
    """
    found = [
        (log.parent, event)
        for _, log in find_logs([run_dir])
        for event in read_events(log)
        if event.id.startswith(event_id)
    ]
    if len({event.id for _, event in found}) != 1:
        many = f"{len(found)} events begin with" if found else "there is no event"
        raise ConfigError(f"{many} {event_id} in {run_dir}.\nSee 'stream-mer events {run_dir}' for the ids.")
    return found[0]


def judge_again(run: Recorded, event: Event, networks: Networks, detectors: DetectorFactory) -> list[Event]:
    """What the event's segment gives when it is judged once more, from its start to just behind the event."""
    index, segments = run.segments()
    segment = next(s for s in reversed(segments) if s.start_ns <= event.apex_ns)
    until_ns = event.offset_ns + TAIL_NS + 3 * round(run.settings.max_duration_s * 1e9)
    until_ns = min(until_ns, segment.until_ns) if segment.until_ns is not None else until_ns
    say(f"judging {(event.offset_ns - segment.warm_ns) / 1e9:.1f} s of video again ...")
    piece = Piece(
        name="",
        path=str(run.video),
        digest=run.summary.source_sha256,
        segment=replace(segment, until_ns=until_ns, stop_ns=segment.stop_ns or until_ns),
        entry=index.entry(segment.key, segment.warm_ns) if segment.key else None,
        settings=run.settings,
        way=networks.way,
    )
    return judge(piece, networks, detectors, []).events


def _overlap(one: Event, two: Event) -> float:
    return interval_iou((one.onset_ns, one.offset_ns), (two.onset_ns, two.offset_ns))


def _close(one: Event, two: Event) -> bool:
    times = (one.onset_ns, one.apex_ns, one.offset_ns) == (two.onset_ns, two.apex_ns, two.offset_ns)
    return times and abs(one.probability - two.probability) < 1e-6


def _words(event: Event) -> str:
    times = " .. ".join(f"{t / 1e9:.3f}" for t in (event.onset_ns, event.apex_ns, event.offset_ns))
    return f"{event.id}  {times} s  {event.label} {event.probability:.4f}"
