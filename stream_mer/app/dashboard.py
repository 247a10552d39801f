"""Puts the dashboard behind ``live --web``: its server lives as long as the run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stream_mer.errors import ConfigError
from stream_mer.pipeline.plan import SinkRecipe
from stream_mer.sinks.history import DrawSettings, Status
from stream_mer.sinks.overlay import Painter
from stream_mer.types import SourceInfo


def parse_address(text: str) -> tuple[str, int]:
    """``HOST:PORT`` as its parts; a port alone means this machine only.

    Raises:
        ConfigError: it is not an address.

    >>> parse_address("8080"), parse_address("[::1]:9000")
    (('127.0.0.1', 8080), ('::1', 9000))
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 65536:
        raise ConfigError(f"--web {text} is not an address.\nGive HOST:PORT, for example 127.0.0.1:8080.")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextmanager
def dashboard(
    address: str, token: str | None, name: str, look: DrawSettings, status: Callable[[], Status]
) -> Iterator[SinkRecipe]:
    """Serve the dashboard inside the ``with`` block; gives the recipe of the sink that feeds it.

    Args:
        address: ``HOST:PORT``.
        token: required for any address but this machine's own.
        name: of the camera, credentials already out.
        look: how the picture is drawn.
        status: coverage and drops, asked once a frame.

    Raises:
        ConfigError: the extra ``web`` is not installed, the address is not free, or no token.
    """
    host, port = parse_address(address)
    try:
        from stream_mer.web.dashboard import Dashboard
        from stream_mer.web.live_state import LiveState
        from stream_mer.web.server import WebServer
        from stream_mer.web.sink import WebSink
    except ImportError as error:
        raise ConfigError(
            f"--web needs {error.name}, which is not installed.\nRun: pip install 'stream-mer[web]'"
        ) from error
    state = LiveState(name, threshold=look.threshold)
    server = WebServer(Dashboard([state], token=token), host, port, token=token)
    server.start()
    print(f"dashboard: {server.url}", file=sys.stderr)

    def figures() -> dict[str, float | int | None]:
        now = status()
        return {"coverage": now.coverage, "dropped": now.dropped, "latency_ms": now.latency_ms}

    def build(_: SourceInfo) -> WebSink:
        painter = Painter(look, status=status)
        return WebSink(state, painter.paint, remember=painter.remember, status=figures)

    try:
        yield SinkRecipe("web", build)
    finally:
        server.stop()
