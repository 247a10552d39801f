"""An RTSP server that nobody here wrote: Debian's gst-rtsp-server, driven by the system's own Python."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest
from odd_videos import number_of, numbered

from stream_mer.capture.backoff import BackoffSettings
from stream_mer.capture.clock import MonotonicClock
from stream_mer.capture.faults import SourceRefused
from stream_mer.capture.pyav import PyAvSource
from stream_mer.capture.reconnect import LinkChange, ReconnectingSource
from stream_mer.errors import SourceNotFound
from stream_mer.sinks.video import VideoWriter

PYTHON = "/usr/bin/python3"
SECRET = "S3CRETw0rd"
SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_address("127.0.0.1"); server.set_service(sys.argv[2])
factory = GstRtspServer.RTSPMediaFactory()
source = f'filesrc location="{sys.argv[1]}" ! qtdemux'
factory.set_launch(f"( {source} ! rtph264pay name=pay0 pt=96 config-interval=-1 )")
server.get_mount_points().add_factory("/ch1", factory)
if len(sys.argv) > 3:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", sys.argv[3]), token)
    server.set_auth(auth)
    factory.add_role_from_structure(Gst.Structure.from_string(
        "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true")[0])
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of numbered pictures."""
    path = tmp_path_factory.mktemp("gst") / "film.mp4"
    writer = VideoWriter(path, 96, 64, fps_hint=25)
    for index in range(50):
        writer.write(numbered(index, 96, 64), 40_000_000 * index)
    writer.close()
    return path


class GstServer:
    def __init__(self, film: Path, password: str = "", port: str = "0") -> None:
        command = [PYTHON, "-c", SERVER, str(film), port, *([password] if password else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        port = self.process.stdout.readline().strip()
        if not port:
            reason = (self.process.stderr.read().strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"gst-rtsp-server is not installed here: {reason}")
        self.port = port

    def url(self, credentials: str = "", path: str = "ch1") -> str:
        at = f"{credentials}@" if credentials else ""
        return f"rtsp://{at}127.0.0.1:{self.port}/{path}"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def gst(film: Path) -> Iterator[type[GstServer]]:
    if not sys.platform.startswith("linux") or not Path(PYTHON).exists():
        pytest.skip("gst-rtsp-server is tried on Linux with the system's Python")
    made: list[GstServer] = []

    class Mine(GstServer):
        def __init__(self, **how: str) -> None:
            super().__init__(film, **how)
            made.append(self)

    yield Mine
    for server in made:
        server.kill()


def test_the_film_arrives_whole(gst: type[GstServer]) -> None:
    source = PyAvSource(gst().url(), live=True)
    frames = list(islice(source, 45))
    source.close()
    numbers = [number_of(frame.rgb) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 45))
    assert all(
        after.pts_ns - before.pts_ns == pytest.approx(40e6, abs=2e6) for before, after in pairwise(frames)
    )


def test_digest_authentication_and_its_failures(gst: type[GstServer]) -> None:
    server = gst(password=SECRET)
    for wrong in ("", f"admin:{SECRET}x"):
        with pytest.raises(SourceRefused) as caught:
            PyAvSource(server.url(wrong), live=True)
        assert SECRET not in str(caught.value)
    source = PyAvSource(server.url(f"admin:{SECRET}"), live=True)
    assert len(list(islice(source, 5))) == 5
    source.close()
    with pytest.raises(SourceNotFound):
        PyAvSource(server.url(f"admin:{SECRET}", "elsewhere"), live=True)


def test_a_killed_server_comes_back_in_a_new_epoch(gst: type[GstServer]) -> None:
    server, seen = gst(), list[LinkChange]()
    quick = BackoffSettings(first_s=0.2, longest_s=0.5)
    source = ReconnectingSource(
        lambda: PyAvSource(server.url(), live=True), MonotonicClock(), backoff=quick, observe=seen.append
    )
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 20:
            server.kill()
            time.sleep(0.3)
            gst(port=server.port)
        if frame.epoch and len(frames) > 30:
            break
    source.interrupt()
    source.close()
    assert {frame.epoch for frame in frames} == {0, 1}
    assert all(after.pts_ns > before.pts_ns for before, after in pairwise(frames))
    assert seen[0].lost
    assert not seen[-1].lost
