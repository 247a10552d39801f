"""Posts each event to an HTTP address."""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from stream_mer.errors import ConfigError
from stream_mer.sinks.courier import Refused
from stream_mer.sinks.outbox import Letter

TIMEOUT_S = 10.0
RETRY_STATUS = frozenset({408, 425, 429})
"""Client errors that pass by themselves. Source: RFC 9110, RFC 6585, RFC 8470."""


class Webhook:
    """POST of one JSON object per event; the event's id is the ``Idempotency-Key``.

    An event may arrive twice (when the answer was lost); the key tells.

    Args:
        url: ``http://`` or ``https://``; redirects are not followed.
        token: sent as ``Authorization: Bearer``.
        timeout_s: longest wait for the answer.

    Raises:
        ConfigError: it is no such address, or a token would travel unencrypted to another machine.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or parts.scheme not in ("http", "https") or parts.username is not None:
            raise ConfigError(
                "webhook: this is no address to post to\n"
                "give https://HOST/PATH without user and password; a token goes into webhook_token_file"
            )
        if token is not None and parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
            raise ConfigError(f"webhook: the token would travel unencrypted to {host}\nuse https://")
        words = (parts.path, parts.query, token or "")
        if not all(word.isascii() and word.isprintable() and " " not in word for word in words):
            raise ConfigError(
                "webhook: the address or the token holds blanks or letters beyond ASCII\n"
                "write them percent-encoded (%20 for a blank); a token is one word"
            )
        self._scheme, self._host, self._port = parts.scheme, host, port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._token, self._timeout_s = token, timeout_s

    @property
    def name(self) -> str:
        """Host only: paths and queries of webhooks are often secrets."""
        return f"webhook {self._host}"

    def deliver(self, letter: Letter) -> None:
        """Post one event; see ``courier.Carrier``."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": letter.id,
            "User-Agent": "stream_mer",
        }
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        line = self._connect()
        try:
            line.request("POST", self._path, letter.body.encode(), headers)
            status = line.getresponse().status
        except (http.client.HTTPException, ValueError) as error:  # also a host that is no name (IDNA)
            raise OSError(f"no proper answer ({type(error).__name__})") from None
        finally:
            line.close()
        if 200 <= status < 300:
            return
        if 400 <= status < 500 and status not in RETRY_STATUS and status not in (401, 403, 404):
            raise Refused(f"HTTP status {status}")
        # A wrong token or path is put right some day; the events wait for it.
        raise OSError(f"HTTP status {status}")

    def close(self) -> None:
        """Every post has a connection of its own."""

    def _connect(self) -> http.client.HTTPConnection:
        if self._scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
