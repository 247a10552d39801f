"""Video over HTTP reads like a file, and an address never leads to this machine's disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from odd_videos import number_of, numbers, write_video

from stream_mer.capture.faults import SourceRefused
from stream_mer.capture.pyav import PyAvSource
from stream_mer.errors import SourceError, SourceNotFound


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A web server: ``/v.ts`` is a video, the other paths answer as their names say."""
    video = write_video(tmp_path / "v.ts", numbers(30)).read_bytes()
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{tmp_path}/v.ts\n#EXT-X-ENDLIST\n"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/v.ts":
                self.reply(200, video)
            elif self.path == "/list.m3u8":
                self.reply(200, playlist.encode())
            elif self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", f"file://{tmp_path}/v.ts")
                self.end_headers()
            elif self.path == "/page":
                self.reply(200, b"<html><body>log in first</body></html>" * 50)
            else:
                self.send_error(int(self.path.strip("/").partition("?")[0]))

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_video_over_http(site: str) -> None:
    source = PyAvSource(f"{site}/v.ts")
    frames = list(source)
    source.close()
    assert [number_of(frame.rgb) for frame in frames] == list(range(30))
    assert not source.info.live


@pytest.mark.parametrize(
    ("path", "error"),
    [("401", SourceRefused), ("403", SourceRefused), ("404", SourceNotFound), ("503", SourceError)],
)
def test_answers_are_told_apart(site: str, path: str, error: type[SourceError]) -> None:
    with pytest.raises(SourceError) as caught:
        PyAvSource(f"{site}/{path}?token=S3CRET")
    assert type(caught.value) is error
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("path", ["moved", "list.m3u8", "page"])
def test_what_leads_to_the_disk_or_to_no_video_is_refused(site: str, path: str) -> None:
    with pytest.raises(SourceError):
        PyAvSource(f"{site}/{path}", open_timeout_s=2.0)
