from __future__ import annotations

import io
from typing import Any

import pytest
from sink_samples import event, result, summary

from stream_mer.errors import OutputError
from stream_mer.sinks.progress import ProgressSink
from stream_mer.types import Result, SourceInfo

SECOND = 1_000_000_000


class Hands:
    """A wall clock that the test turns."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def info(**changes: Any) -> SourceInfo:
    fields = {"name": "clip.mp4", "digest": "", "width": 64, "height": 48, "fps_nominal": 25.0}
    return SourceInfo(**(fields | {"frames": 500, "duration_s": 20.0, "live": False} | changes))


def run(
    stream: io.StringIO, source: SourceInfo, frames: int = 250, *, quiet: bool = False, finish: bool = True
) -> None:
    hands = Hands()
    sink = ProgressSink(source, stream=stream, quiet=quiet, clock_ns=hands)
    for index in range(frames):
        hands.ns += SECOND // 20  # 20 frames a second of work
        sink.write(result(index, events=(event(),) if index == 7 else ()))
    sink.close(summary() if finish else None)
    sink.close(None)


def test_plain_lines_every_five_seconds_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    run(out, info())
    assert out.getvalue().splitlines() == [
        "clip.mp4:  20 %, 100 frames, 20.0 fps, 1 event, 20.3 s left",
        "clip.mp4:  40 %, 200 frames, 20.0 fps, 1 event, 15.1 s left",
        "clip.mp4: done: 250 frames, 20.0 fps, 1 event in 12.5 s",
    ]


def test_live_source_has_no_end_to_count_down_to() -> None:
    out = io.StringIO()
    run(out, info(live=True, frames=None, duration_s=None), finish=False)
    lines = out.getvalue().splitlines()
    assert lines[0] == "clip.mp4: 4.0 s, 100 frames, 20.0 fps, 1 event"
    assert lines[-1].startswith("clip.mp4: stopped: 250 frames")


def test_frames_serve_where_the_duration_is_unknown() -> None:
    out = io.StringIO()
    run(out, info(duration_s=None))
    assert "clip.mp4:  20 %," in out.getvalue()


def test_terminal_gets_a_bar_and_the_final_counts() -> None:
    out = Terminal()
    run(out, info())
    text = out.getvalue()
    assert "250 frames" in text
    assert "1 event" in text
    assert "━" in text or "\x1b" in text


def test_quiet_says_nothing_and_stdout_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
    out = Terminal()
    run(out, info(), quiet=True)
    assert out.getvalue() == ""
    hands = Hands()
    sink = ProgressSink(info(), clock_ns=hands)
    hands.ns = 6 * SECOND
    sink.write(result(0))
    sink.close(None)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1 frame," in captured.err


def test_names_that_look_like_markup_are_printed_as_they_are() -> None:
    out = Terminal()
    run(out, info(name="[red]x[/red].mp4"), frames=20)
    assert "[red]x[/red].mp4" in out.getvalue()


def test_lost_terminal_does_not_end_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    run(Gone(), info())


def test_repeated_result_is_not_a_frame() -> None:
    out = io.StringIO()
    sink = ProgressSink(info(), stream=out, clock_ns=lambda: 0)
    last = result(0)
    sink.write(last)
    sink.write(Result(last.frame, (), events=(event(),), repeated=True))
    sink.close(summary())
    assert "1 frame," in out.getvalue()
    assert "1 event" in out.getvalue()
    with pytest.raises(OutputError):
        sink.write(last)
