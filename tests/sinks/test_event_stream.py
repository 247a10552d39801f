"""Events on standard output: whole lines of JSON at once, and nothing that could hold up the watching."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sink_samples import event, result

from stream_mer.sinks.event_log import from_line
from stream_mer.sinks.event_stream import EventLines, EventStream

LINES = EventLines("door", lambda: {"cnn": "b" * 64}, lambda ns: f"utc{ns}")


@pytest.fixture
def pipe() -> Iterator[list[int]]:
    ends = list(os.pipe())
    yield ends
    for end in ends:
        os.close(end)


def test_every_event_is_a_line_at_once(pipe: list[int]) -> None:
    sink = EventStream(LINES, pipe[1])
    sink.write(result(0, events=(event(40), event(400))))
    lines = os.read(pipe[0], 65_536).decode().splitlines()
    assert [json.loads(line)["camera"] for line in lines] == ["door", "door"]
    record = from_line(lines[0])
    assert (record.event, record.camera, record.onset_utc) == (event(40), "door", "utc40000000")


def test_cameras_share_it_and_no_line_is_torn(pipe: list[int]) -> None:
    def one(camera: str) -> None:
        sink = EventStream(EventLines(camera, dict), pipe[1])
        for number in range(40):  # all of them fit into a pipe
            sink.write(result(number, events=(event(40 * number),)))

    threads = [threading.Thread(target=one, args=(name,)) for name in ("door", "hall")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = os.read(pipe[0], 1 << 20)
    assert sorted(json.loads(line)["camera"] for line in said.splitlines()) == ["door"] * 40 + ["hall"] * 40


@pytest.mark.timeout(60)
def test_a_reader_that_sleeps_holds_nobody_up(pipe: list[int], caplog: pytest.LogCaptureFixture) -> None:
    """A program that starts the service and never reads its output must not stop the cameras."""
    sink = EventStream(LINES, pipe[1])
    with caplog.at_level(logging.WARNING):
        for number in range(500):
            sink.write(result(number, events=(event(40 * number),)))
    words = [record.getMessage() for record in caplog.records]
    assert words == ["events are left out on standard output: nobody reads it"], "said once"
    assert all(json.loads(line) for line in os.read(pipe[0], 1 << 20).splitlines()), "what came is whole"
    sink.write(result(500, events=(event(9000),)))
    assert json.loads(os.read(pipe[0], 65_536))["onset_ns"] == 9_000_000_000, "and it goes on"


def test_a_reader_that_has_gone_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    read, write = os.pipe()
    os.close(read)
    sink = EventStream(LINES, write)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            sink.write(result(number, events=(event(40 * number),)))
    assert len(caplog.records) == 1
    os.close(write)


@pytest.mark.parametrize("how", [0, os.O_APPEND])
def test_a_full_disk_leaves_no_half_line(tmp_path: Path, how: int) -> None:
    """With ``>> events.jsonl`` the next event would be glued to it, and both be lost."""
    resource = pytest.importorskip("resource", reason="no file size limits here")
    path = tmp_path / "events.jsonl"
    before = b"x" * (1 << 20) + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how)
    os.write(descriptor, before)
    door, hall = (EventStream(EventLines(name, dict), descriptor) for name in ("door", "hall"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))  # as a disk with ten bytes left
    try:
        door.write(result(0, events=(event(40),)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    hall.write(result(1, events=(event(80),)))
    os.close(descriptor)
    assert json.loads(path.read_bytes()[len(before) :])["camera"] == "hall"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo terminals here")
def test_on_a_terminal_the_line_of_progress_is_taken_away_first() -> None:
    ours, theirs = os.openpty()
    EventStream(LINES, theirs).write(result(0, events=(event(40),)))
    assert os.read(ours, 65_536).startswith(b"\r\x1b[2K{")
    os.close(ours)
    os.close(theirs)
