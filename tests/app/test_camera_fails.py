"""A camera that does not come up: how often it is tried, what is counted, and what the dashboard says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import pytest

from stream_mer.app.camera import Camera
from stream_mer.capture.faults import SourceRefused, explain
from stream_mer.config import Settings
from stream_mer.errors import SourceError, StreamMerError
from stream_mer.types import RunSummary

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
