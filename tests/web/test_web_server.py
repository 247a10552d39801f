from __future__ import annotations

import http.client
import select
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from web_samples import event, result

pytest.importorskip("uvicorn", reason="the extra 'web' is not installed")

from stream_mer.errors import ConfigError
from stream_mer.web.dashboard import Dashboard
from stream_mer.web.live_state import LiveState
from stream_mer.web.server import WebServer
from stream_mer.web.sink import WebSink

WAIT_S = 20


@pytest.fixture
def camera() -> Iterator[LiveState]:
    """A camera that delivers 50 results a second until the test ends."""
    state, stop = LiveState("door"), threading.Event()

    def deliver() -> None:
        sink = WebSink(state, lambda item: item.frame.rgb)
        for index in range(100_000):
            sink.write(
                result(index, scores=((index * 40, 0.3),), events=(event(40 * index),) if index == 5 else ())
            )
            if stop.wait(0.02):
                return

    thread = threading.Thread(target=deliver)
    thread.start()
    yield state
    stop.set()
    thread.join(WAIT_S)


@pytest.fixture
def server(camera: LiveState) -> Iterator[WebServer]:
    made = WebServer(Dashboard([camera]), "127.0.0.1", 0)
    made.start()
    yield made
    made.stop()


def connect(server: WebServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_S)


def test_live_stream_delivers_picture_after_picture(server: WebServer) -> None:
    connection = connect(server)
    connection.request("GET", "/camera/0/stream.mjpg")
    answer = connection.getresponse()
    assert answer.status == 200
    data = b""
    while data.count(b"--frame") < 4:
        data += answer.read(1000)
    connection.close()


def test_stop_is_bounded_while_somebody_watches(server: WebServer) -> None:
    connection = connect(server)
    connection.request("GET", "/camera/0/stream.mjpg")
    connection.getresponse().read(10)
    before = time.monotonic()
    assert server.stop()
    assert time.monotonic() - before < 6
    assert server.stop(), "idempotent"
    assert not [t for t in threading.enumerate() if t.name == "web"]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), 1).close()


def test_a_review_without_declared_length_ends_where_it_is_too_long(server: WebServer) -> None:
    """A body in chunks could otherwise go on until the memory is full."""
    connection = connect(server)
    connection.putrequest("POST", "/api/review")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    sent = 0
    try:
        for _ in range(10_000):
            connection.send(b"1000\r\n" + b"[" * 4096 + b"\r\n")
            sent += 4096
            if select.select([connection.sock], [], [], 0)[0]:
                break
    except OSError:  # the server has hung up already
        pass
    assert connection.getresponse().status == 413
    connection.close()
    assert sent < 10_000 * 4096, "it did not read to the end"


def test_taken_port_is_a_config_error(server: WebServer) -> None:
    with pytest.raises(ConfigError, match=r"cannot serve the dashboard on 127\.0\.0\.1:\d+: Addr"):
        WebServer(Dashboard([]), "127.0.0.1", server.port)
    with pytest.raises(ConfigError, match="cannot serve the dashboard"):
        WebServer(Dashboard([]), "127.0.0.1", 70_000)


def test_off_loopback_needs_a_token() -> None:
    with pytest.raises(ConfigError, match="without a token"):
        WebServer(Dashboard([]), "0.0.0.0", 0)
    made = WebServer(Dashboard([], token="t"), "0.0.0.0", 0, token="t")
    assert made.url == f"http://0.0.0.0:{made.port}/", "the token is printed nowhere"
    assert made.stop(), "never started, yet stopped without fuss"


@pytest.mark.parametrize("token", ["", " ", "blank ", "ключ", "two\nlines"])
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_a_token_that_protects_nothing_or_cannot_be_sent_is_refused(host: str, token: str) -> None:
    """``--web-token "$TOKEN"`` with no such variable is an empty one: ``?token=`` would let everybody in."""
    with pytest.raises(ConfigError, match="token is empty, or"):
        WebServer(Dashboard([], token=token), host, 0, token=token)


@pytest.mark.parametrize("token", ["aB+c/d==", "a&b#c%20?", 'a b;c"d,e\\'])
def test_the_token_opens_whatever_signs_it_has(token: str) -> None:
    made = WebServer(Dashboard([LiveState("door")], token=token), "127.0.0.1", 0, token=token)
    made.start()
    try:
        visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        page = visitor.open(f"{made.url}?token={quote(token, safe='')}", timeout=WAIT_S)
        assert "token" not in page.url, "out of the address bar"
        assert visitor.open(f"{page.url}api/state", timeout=WAIT_S).status == 200, "the cookie serves"
    finally:
        made.stop()


def test_page_works_in_a_browser(server: WebServer, tmp_path: Path) -> None:
    """The page as a browser builds it, scripts run under their content policy."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    flags += ["--virtual-time-budget=2000", "--dump-dom"]
    done = subprocess.run(
        [browser, *flags, server.url], capture_output=True, text=True, timeout=60, check=False
    )
    page = done.stdout
    assert ">door</h2>" in page, done.stderr[-2000:]
    assert 'class="pill running"' in page
    assert '<span class="what">surprise</span>' in page
    assert ">live</span>" in page
    assert "Content Security Policy" not in done.stderr
