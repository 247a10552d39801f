"""The small parts of a service: its logs, its line to systemd, its notice, its relief under overload."""

from __future__ import annotations

import json
import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app.logs import start_logging
from stream_mer.app.notice import give_notice
from stream_mer.app.relief import DROPPING, SPARSE, Relief
from stream_mer.app.systemd import Systemd
from stream_mer.pipeline.plan import Progress

SECOND = 1_000_000_000


@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_password_reaches_the_log(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    handler = start_logging(kind)
    try:
        log = logging.LoggerAdapter(logging.getLogger("stream_mer.test"), {"camera": "door"})
        log.warning("cannot open %s", "rtsp://admin:hunter2@10.0.0.5/ch?token=hunter2")
        try:
            raise OSError("rtsp://admin:hunter2@10.0.0.5/ch")
        except OSError:
            log.exception("failed")
    finally:
        logging.getLogger().removeHandler(handler)
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert "rtsp://***@10.0.0.5/ch" in said
    if kind == "json":
        lines = [json.loads(line) for line in said.splitlines()]
        assert [line["level"] for line in lines] == ["warning", "error"]
        assert lines[0]["camera"] == "door"
        assert lines[0]["time"].endswith("+00:00")
        assert "OSError" in lines[1]["error"]


@given(user=st.text("abcXYZ019%._~-!$", min_size=3), secret=st.text("abcXYZ019%._~-!$@:/", min_size=5))
def test_no_password_reaches_the_log_whatever_it_is(user: str, secret: str) -> None:
    handler = start_logging("json")
    logging.getLogger().removeHandler(handler)
    record = logging.LogRecord("x", 30, "f", 1, "lost %s", (f"rtsp://{user}:{secret}@host/path",), None)
    said = json.loads(handler.format(record))["message"]
    assert said == "lost rtsp://***@host/path"


def test_systemd_hears_ready_alive_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = str(tmp_path / "notify")
        manager.bind(address)
        manager.settimeout(5)
        line = Systemd(
            {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}
        )
        assert line.watchdog_s == 2.0
        line.ready("2 of 2\ncameras")
        line.alive("fine")
        line.stopping()
        said = [manager.recv(1000).decode() for _ in range(3)]
    assert said == ["READY=1\nSTATUS=2 of 2 cameras", "WATCHDOG=1\nSTATUS=fine", "STOPPING=1"]
    line.alive("the manager has gone away")


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "4000000"}, {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}],
)
def test_without_systemd_nothing_happens(environment: dict[str, str]) -> None:
    line = Systemd(environment)
    assert line.watchdog_s is None
    line.ready("x")


def test_the_notice_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert give_notice(tmp_path / "state")
    assert "Art. 5(1)(f)" in capsys.readouterr().err
    assert not give_notice(tmp_path / "state")
    assert capsys.readouterr().err == ""


def test_where_it_cannot_be_remembered_it_is_given_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert give_notice(tmp_path / "file" / "state")
    assert give_notice(tmp_path / "file" / "state")


@dataclass(eq=False)
class FakeRun:
    backlog: int = 0
    dropped: int = 0
    progress: Progress = field(default_factory=lambda: Progress(first_result_ns=1))


@dataclass
class FakeEngine:
    chosen: list[int] = field(default_factory=list)

    def choose(self, level: int) -> None:
        self.chosen.append(level)


@dataclass
class FakeNetworks:
    super_resolver: FakeEngine = field(default_factory=FakeEngine)
    levels: tuple[str, ...] = ("nothing", "cheaper", "bicubic", SPARSE, DROPPING)


def drive(relief: Relief, start_s: float, seconds: float) -> list[str]:
    changes = [relief.look(round((start_s + tick / 10) * SECOND) + 1) for tick in range(round(seconds * 10))]
    return [change.name for change in changes if change is not None]


def test_overload_of_the_machine_is_relieved_in_the_stated_order_and_taken_back() -> None:
    runs, networks = [FakeRun(backlog=9), FakeRun(backlog=4)], FakeNetworks()
    relief = Relief(networks, lambda: runs)  # type: ignore[arg-type, return-value]
    assert drive(relief, 0, 4) == ["cheaper", "bicubic", SPARSE, DROPPING]
    assert networks.super_resolver.chosen == [1, 2, 2, 2]
    assert relief.sparse
    for run in runs:
        run.backlog = 0
    assert drive(relief, 4, 40) == [SPARSE, "bicubic", "cheaper", "nothing"]
    assert networks.super_resolver.chosen[-1] == 0
    assert not relief.sparse


def test_a_camera_that_still_opens_its_networks_is_no_overload() -> None:
    """Or every start on a busy machine would give up super-resolution before the first picture."""
    run = FakeRun(backlog=9, progress=Progress())
    relief = Relief(FakeNetworks(), lambda: [run])  # type: ignore[arg-type, return-value]
    for second in range(10):
        run.dropped += 25
        assert drive(relief, second, 1) == []
    run.progress.first_result_ns, run.backlog = 1, 0
    assert drive(relief, 10, 1) == [], "what was lost until then does not count either"
    run.backlog = 9
    assert drive(relief, 11, 1)[:1] == ["cheaper"]


def test_one_slow_camera_among_four_is_its_own_trouble() -> None:
    runs = [FakeRun(backlog=4), FakeRun(), FakeRun(), FakeRun()]
    relief = Relief(FakeNetworks(), lambda: runs)  # type: ignore[arg-type, return-value]
    for second in range(20):
        runs[0].dropped += 25
        assert drive(relief, second, 1) == []
    assert relief.ladder.level == 0
