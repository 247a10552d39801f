"""A scripted camera on the network: what it does wrong is told, survived, or ends the source at once."""

from __future__ import annotations

import inspect
import threading
import time
import traceback
from itertools import islice, pairwise
from pathlib import Path

import pytest
from odd_videos import number_of
from scripted_rtsp import Connection, ScriptedRtsp

from stream_mer.capture.address import resolve
from stream_mer.capture.backoff import BackoffSettings
from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.faults import SourceRefused
from stream_mer.capture.pyav import PyAvSource
from stream_mer.capture.reconnect import LinkChange, ReconnectingSource
from stream_mer.errors import SourceError, SourceNotFound

PASSWORD = "S3CRETw0rd"
QUICK = BackoffSettings(first_s=0.02, longest_s=0.1)


def reconnecting(server: ScriptedRtsp, **timeouts: float) -> ReconnectingSource:
    return ReconnectingSource(
        lambda: PyAvSource(server.url(), live=True, **timeouts), MonotonicClock(), backoff=QUICK
    )


def test_stream_arrives_whole_and_in_order() -> None:
    with ScriptedRtsp([Connection(frames=60)]) as server:
        source = PyAvSource(server.url(), live=True)
        frames = list(source)
        source.close()
    assert [number_of(frame.rgb) for frame in frames] == list(range(60))
    assert [frame.pts_ns for frame in frames] == [40_000_000 * i for i in range(60)]
    assert source.info.live
    assert (source.info.frames, source.info.duration_s) == (None, None)
    assert source.warnings == ()


@pytest.mark.parametrize(
    ("connection", "error", "words"),
    [
        (Connection(status=404), SourceNotFound, "nothing under this path"),
        (Connection(status=403), SourceRefused, "forbids"),
        (Connection(status=500), SourceError, "error of its own"),
    ],
)
def test_refusals_are_told_apart(connection: Connection, error: type[SourceError], words: str) -> None:
    with ScriptedRtsp([connection]) as server, pytest.raises(error, match=words) as caught:
        PyAvSource(server.url(), live=True)
    assert type(caught.value) is error


@pytest.mark.parametrize("credentials", ["", f"admin:{PASSWORD}", f"{PASSWORD}:x"])
def test_wrong_credentials_are_refused_and_shown_nowhere(credentials: str) -> None:
    with ScriptedRtsp([Connection()], user="admin", password="right") as server:
        with pytest.raises(SourceRefused, match="password") as caught:
            PyAvSource(server.url(credentials), live=True)
        assert server.opened == 0
    shown = "".join(traceback.format_exception(caught.value))
    assert PASSWORD not in shown
    assert caught.value.__context__ is None, "the library's own exception holds the address"


def test_right_credentials_are_used_and_not_shown() -> None:
    with ScriptedRtsp([Connection(frames=10)], user="admin", password=PASSWORD) as server:
        source = PyAvSource(server.url(f"admin:{PASSWORD}"), live=True)
        assert len(list(source)) == 10
        source.close()
        other = PyAvSource(server.url(f"admin:{PASSWORD}"), live=True)
        other.close()
    assert PASSWORD not in repr(source.info) + str(source.warnings)
    assert other.info.digest == source.info.digest


def test_nobody_listens() -> None:
    with ScriptedRtsp([Connection()]) as server:
        address = server.url(f"a:{PASSWORD}")
    with pytest.raises(SourceError, match="nothing listens") as caught:
        PyAvSource(address, live=True)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_a_host_name_nobody_knows() -> None:
    host = f"{'a' * 70}.invalid"  # no name may have a part this long, so nobody on the network is asked
    with pytest.raises(SourceError, match="host name is not known") as caught:
        PyAvSource(f"rtsp://a:{PASSWORD}@{host}/x", live=True)
    assert caught.value.reason == "unresolved"
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_silence_is_an_error_with_its_time() -> None:
    with ScriptedRtsp([Connection(frames=50, then="stall")]) as server:
        source = PyAvSource(server.url(f"a:{PASSWORD}"), live=True, read_timeout_s=0.5)
        with pytest.raises(SourceError, match=r"broke off at 2\.0 s: no data in time") as caught:
            list(source)
        source.close()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_interrupted_while_waiting_for_data() -> None:
    with ScriptedRtsp([Connection(frames=20, then="stall")]) as server:
        source = PyAvSource(server.url(), live=True, read_timeout_s=1.0)
        timer = threading.Timer(0.3, source.interrupt)
        timer.start()
        frames = list(source)  # ends without an error: it was asked to
        timer.join()
        source.close()
    assert len(frames) == 20


def test_jump_of_the_cameras_clock_is_a_new_epoch() -> None:
    with ScriptedRtsp([Connection(frames=60, jump_at=30, jump=3600)]) as server:
        source = PyAvSource(server.url(), live=True)
        frames = list(source)
        source.close()
    assert [frame.epoch for frame in frames] == [0] * 30 + [1] * 30
    assert frames[-1].pts_ns < 10_000_000_000


def test_short_gap_of_the_camera_stays_visible() -> None:
    with ScriptedRtsp([Connection(frames=60, jump_at=30, jump=2)]) as server:
        source = PyAvSource(server.url(), live=True)
        frames = list(source)
        source.close()
    assert {frame.epoch for frame in frames} == {0}
    assert frames[30].pts_ns - frames[29].pts_ns == 2_040_000_000


@pytest.mark.parametrize("then", ["close", "bye", "stall"])
def test_lost_camera_comes_back(then: str) -> None:
    script = [Connection(frames=20, then=then), Connection(status=500), Connection(status=404)]
    script.append(Connection(frames=20, width=64, height=48, then="stall"))
    with ScriptedRtsp(script) as server:
        source = reconnecting(server, read_timeout_s=0.4)
        frames = list(islice(source, 40))
        source.interrupt()
        source.close()
        assert server.opened == 4
    assert [number_of(frame.rgb) for frame in frames] == list(range(20)) * 2
    assert [frame.epoch for frame in frames] == [0] * 20 + [1] * 20
    assert [frame.rgb.shape for frame in frames[18:22]] == [(64, 96, 3)] * 2 + [(48, 64, 3)] * 2
    assert all(after.pts_ns > before.pts_ns for before, after in pairwise(frames))
    assert source.reconnects == 1
    assert "connections lost: 1, made again: 1" in source.warnings[-1]


def test_first_connection_is_not_tried_for_ever() -> None:
    with ScriptedRtsp([Connection(status=404)]) as server:
        with pytest.raises(SourceNotFound):
            reconnecting(server)
        assert server.opened == 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_many_connections_leave_nothing_open() -> None:
    with ScriptedRtsp([Connection(frames=6)]) as server:
        PyAvSource(server.url(), live=True).close()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        for round_number in range(25):
            source = PyAvSource(server.url(), live=True)
            list(islice(source, round_number % 5))
            source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


@pytest.mark.timeout(120)
def test_failing_address_leaves_nothing_open() -> None:
    with ScriptedRtsp([Connection(status=404)]) as server:
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(10):
            with pytest.raises(SourceNotFound):
                PyAvSource(server.url(), live=True)
        left = len(list(Path("/proc/self/fd").iterdir()))
    assert left <= descriptors + 1  # the server's side of the last one may still be closing


def test_stamps_that_wrap_go_on() -> None:
    """RTP's 32 bit stamps wrap every 13 hours at 90 kHz."""
    jump = (2**32 - 30 * 3600) / 90_000
    with ScriptedRtsp([Connection(frames=60, jump_at=0, jump=int(jump))]) as server:
        source = PyAvSource(server.url(), live=True)
        frames = list(source)
        source.close()
    assert (int(jump) * 90_000 + 59 * 3600) >> 32, "it does wrap on the way"
    assert {frame.epoch for frame in frames} == {0}
    assert [frame.pts_ns for frame in frames] == [40_000_000 * i for i in range(60)]


def test_a_burst_after_a_pause_keeps_its_own_times() -> None:
    """Cameras pause around key frames and then send everything at once: arrival is not time."""
    with ScriptedRtsp([Connection(frames=60, pause_at=20, pause_long_s=0.6)]) as server:
        source = PyAvSource(server.url(), live=True)
        frames = list(source)
        source.close()
    assert [frame.pts_ns for frame in frames] == [40_000_000 * i for i in range(60)]
    assert {frame.epoch for frame in frames} == {0}


def test_a_stall_is_noticed_within_two_seconds() -> None:
    with ScriptedRtsp([Connection(frames=30, then="stall")]) as server:
        source = PyAvSource(server.url(), live=True)
        last = 0.0
        with pytest.raises(SourceError, match="no data in time") as caught:
            for _ in source:
                last = time.monotonic()
        noticed = time.monotonic() - last
        source.close()
    assert caught.value.reason == "stall"
    assert 1.0 < noticed < 20, "2 s, and what a busy machine adds"
    assert resolve(server.url(), 2.0).options["timeout"] == "2000000", "the socket's own limit, microseconds"
    assert inspect.signature(PyAvSource).parameters["read_timeout_s"].default == 2.0


def test_another_size_and_rate_in_the_middle_of_a_connection() -> None:
    with ScriptedRtsp([Connection(frames=30, then_size=(64, 48), then_ticks=1800)]) as server:
        source = PyAvSource(server.url(), live=True)
        frames = list(source)
        source.close()
    assert [frame.rgb.shape[:2] for frame in frames] == [(64, 96)] * 30 + [(48, 64)] * 30
    steps = [after.pts_ns - before.pts_ns for before, after in pairwise(frames)]
    assert steps == [40_000_000] * 30 + [20_000_000] * 29
    assert any("picture size" in line for line in source.warnings)


@pytest.mark.parametrize(
    ("connection", "reason"),
    [
        (Connection(status=401), "refused"),
        (Connection(status=403), "refused"),
        (Connection(status=404), "not_found"),
        (Connection(status=500), "server"),
    ],
)
def test_every_refusal_has_its_word(connection: Connection, reason: str) -> None:
    with ScriptedRtsp([connection]) as server, pytest.raises(SourceError) as caught:
        PyAvSource(server.url(), live=True)
    assert caught.value.reason == reason


def test_every_loss_and_return_is_told() -> None:
    seen: list[LinkChange] = []
    script = [Connection(frames=10), Connection(status=500), Connection(frames=10, then="stall")]
    with ScriptedRtsp(script) as server:
        source = ReconnectingSource(
            lambda: PyAvSource(server.url(f"a:{PASSWORD}"), live=True),
            MonotonicClock(),
            backoff=QUICK,
            observe=seen.append,
        )
        list(islice(source, 20))
        source.interrupt()
        source.close()
    assert [(change.lost, change.reason) for change in seen] == [
        (True, "ended"),
        (True, "server"),
        (False, ""),
    ]
    assert PASSWORD not in repr(seen)
