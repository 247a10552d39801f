"""Runs the dashboard in a thread of its own; starting and stopping take a bounded time."""

from __future__ import annotations

import re
import socket
import threading

import uvicorn

from stream_mer.errors import ConfigError
from stream_mer.web.dashboard import Dashboard
from stream_mer.web.door import is_loopback

START_S = 10.0
STOP_S = 5.0
_TOKEN = re.compile(r"[!-~]([ -~]*[!-~])?")
"""What an address, a header and a cookie can all carry: ASCII, no blank at either end (RFC 9110, 5.5)."""


class WebServer:
    """A running dashboard.

    Args:
        dashboard: what to serve.
        host, port: where; port 0 takes a free one. The address must agree with the dashboard's token:
            without one, only loopback is served.
        token: the dashboard's token, for the check.

    Attributes:
        port: the port really used.

    Raises:
        ConfigError: off loopback without a token, a token that is empty or cannot be sent, or the
            address cannot be used.
    """

    def __init__(self, dashboard: Dashboard, host: str, port: int, *, token: str | None = None) -> None:
        require_safe(host, port, token)
        self._dashboard, self._host = dashboard, host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=64)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"cannot serve the dashboard on {host}:{port}: {getattr(error, 'strerror', None) or error}\n"
                "choose another HOST:PORT, or end what uses this one"
            ) from error
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            dashboard.app,
            log_config=None,  # the program's own logging decides
            access_log=False,  # it would print tokens
            lifespan="off",
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    @property
    def url(self) -> str:
        """The address to open; the token is not in it, for it ends up where others read."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}/"

    def start(self) -> None:
        """Begin to answer.

        Raises:
            ConfigError: the server did not come up within ten seconds.
        """
        self._thread.start()
        waited = threading.Event()
        for _ in range(round(START_S / 0.02)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waited.wait(0.02)
        self.stop()
        raise ConfigError(f"the dashboard on {self._host} did not start\ntry another address with --web")

    def stop(self) -> bool:
        """Stop answering, within five seconds; idempotent, callable from any thread.

        Returns:
            True if the server's thread has ended.
        """
        self._dashboard.close()
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_S / 2)
            if self._thread.is_alive():
                self._server.force_exit = True
                self._thread.join(STOP_S / 2)
        self._socket.close()
        return not self._thread.is_alive()


def require_safe(host: str, port: int, token: str | None) -> None:
    """Check that nobody is let in who should not be.

    Raises:
        ConfigError: off loopback without a token, or a token that is empty or cannot be sent.
    """
    if token is not None and not _TOKEN.fullmatch(token):
        # An empty one (a variable that is not set, on a command line) would let everybody in.
        raise ConfigError(
            "the dashboard's token is empty, or holds more than letters, digits and signs of ASCII\n"
            "give another one, for example from: openssl rand -hex 16"
        )
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"--web {host}:{port} would show faces to the network without a token\n"
            "give one (--web-token, web_token_file), or serve this machine only: 127.0.0.1:8080"
        )
