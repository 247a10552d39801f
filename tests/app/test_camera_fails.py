"""A camera that does not come up: how often it is tried, what is counted, and what the dashboard says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from stream_mer.app.camera import Camera
from stream_mer.capture.faults import SourceRefused, explain
from stream_mer.config import Settings
from stream_mer.errors import OutputError, SourceError, StreamMerError
from stream_mer.pipeline.plan import Plan
from stream_mer.types import Frame, FrameFaces, Result, RunSummary, SourceInfo

NAME = "rtsp://***@10.0.0.5/ch1"


class FailingCamera(Camera):
    """Every run fails as the script says; nothing is waited for."""

    def __init__(self, script: Sequence[StreamMerError], chances: Sequence[float] = (0.5,)) -> None:
        self.script, self.notes, self.given_up = list(script), list[str](), 0
        super().__init__(
            "door",
            "rtsp://admin:hunter2@10.0.0.5/ch1",
            Settings(),
            None,  # type: ignore[arg-type]  (no run gets that far)
            None,  # type: ignore[arg-type]
            lambda: False,
            lambda _camera, _started: (),
            note=self.notes.append,
            over=self.count,
            chance=cycle(chances).__next__,
        )
        self._pause.wait_until = lambda _: True  # type: ignore[method-assign]

    def count(self) -> None:
        self.given_up += 1

    def run_once(self) -> RunSummary:
        raise self.script.pop(0)


def unreachable() -> SourceError:
    return explain("ConnectionRefusedError", "", NAME)


def refused() -> SourceError:
    return explain("HTTPUnauthorizedError", "", NAME)


def test_a_refused_password_is_counted_told_and_not_tried_again() -> None:
    camera = FailingCamera([unreachable(), unreachable(), refused(), unreachable()])
    camera.keep()
    assert isinstance(refused(), SourceRefused)
    assert len(camera.script) == 1
    assert camera.reconnects == {"unreachable": 2, "refused": 1}, "an alarm can ask for the reason"
    assert camera.given_up == 1, "the dashboard must not call it waiting"
    assert camera.notes[-1].startswith("gave up: ")


@pytest.mark.parametrize(
    ("chance", "pauses"), [(0.0, ("0.5", "1.0", "2.0", "4.0")), (1.0, ("0.5", "0.8", "1.6", "3.2"))]
)
def test_attempts_come_later_and_later_and_not_all_at_once(chance: float, pauses: Sequence[str]) -> None:
    """After a power cut all cameras are away, and must not be tried in step for ever."""
    camera = FailingCamera([*(unreachable() for _ in pauses), refused()], [chance])
    camera.keep()
    assert tuple(note.split()[-2] for note in camera.notes[:-1]) == pauses
    assert camera.restarts == len(pauses)


class Three:
    """A source that delivers three frames and then fails, if it is to."""

    info = SourceInfo("scripted", "0" * 64, 4, 4, 25.0, None, None, live=True)
    losses: dict[str, int] = {}
    warnings: tuple[str, ...] = ()

    def __init__(self, failure: SourceError | None) -> None:
        self.failure = failure

    def __iter__(self) -> Iterator[Frame]:
        for index in range(3):
            yield Frame(index, index * 40_000_000, np.zeros((4, 4, 3), np.uint8))
        if self.failure is not None:
            raise self.failure

    def interrupt(self) -> None: ...
    def close(self) -> None: ...


class Passing:
    """A step without networks."""

    def push(self, item: Frame | FrameFaces) -> tuple[FrameFaces | Result]:
        return (FrameFaces(item, ()) if isinstance(item, Frame) else Result(item.frame, ()),)

    def flush(self) -> tuple[()]:
        return ()

    def close(self) -> None: ...


class PlainCamera(Camera):
    """Real runs of ``Three``, into a folder that cannot be written."""

    def __init__(self, folder: Path, failure: SourceError | None = None) -> None:
        self.failure = failure
        super().__init__(
            "door",
            "rtsp://10.0.0.5/ch1",
            Settings(),
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            lambda: False,
            lambda _camera, _started: (),
            folder=lambda _: folder / "a-file" / "run",
        )
        (folder / "a-file").touch()

    def _plan(self, started: datetime) -> Plan:
        def summarise(_: object) -> RunSummary:
            return RunSummary("scripted", 3, {}, 0.1, 25.0, 25.0, 0.0, 0, 0, 1.0, {}, {}, {}, {}, "0")

        return Plan(
            lambda: Three(self.failure),
            lambda _: Passing(),  # type: ignore[arg-type,return-value]
            lambda _: Passing(),  # type: ignore[arg-type,return-value]
            (),
            summarise,
        )


def test_a_full_disk_makes_no_count_go_back(tmp_path: Path) -> None:
    """``run.json`` that cannot be written took all that the run had counted with it."""
    camera = PlainCamera(tmp_path)
    for runs in (1, 2):
        with pytest.raises(OutputError, match="run's summary"):
            camera.run_once()
        assert camera.totals().processed == 3 * runs
        assert camera.run is None, "it is over"


def test_a_full_disk_does_not_hide_a_refused_password(tmp_path: Path) -> None:
    """Else it would be tried again and again, and the account locked."""
    camera = PlainCamera(tmp_path, refused())
    with pytest.raises(SourceRefused):
        camera.run_once()
    assert camera.totals().processed == 3
