"""The dashboard's door: who may come in, and what every answer says about itself.

Without a token only this machine's own names are answered (a foreign name in the Host header means
a web page elsewhere tries to reach us through the visitor's browser). With a token every address but
the two health checks asks for it: as ``?token=``, as ``Authorization: Bearer``, or in the cookie that
the first of these sets. What changes something is only taken from pages of our own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS = ("/healthz", "/readyz")
"""Health checks are asked by machines without secrets, and tell none."""
COOKIE = "stream_mer_token"


class Door:
    """Middleware: who may come in, and what every answer says about itself."""

    def __init__(self, app: ASGIApp, *, token: str | None, policy: str) -> None:
        self._app, self._token = app, token
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def marked(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]  # type: ignore[misc]
            await send(message)

        visit = HTTPConnection(scope)
        refusal = self._refusal(visit) or _foreign(scope, visit)
        await (refusal or self._app)(scope, receive, marked)  # type: ignore[arg-type]

    def _refusal(self, visit: HTTPConnection) -> Response | None:
        if visit.url.path in OPEN_PATHS:
            return None
        if self._token is None:
            if is_loopback(_host_name(visit.headers.get("host", ""))):
                return None
            return PlainTextResponse("this dashboard answers only to localhost", 421)
        scheme, _, bearer = visit.headers.get("authorization", "").partition(" ")
        given = [visit.query_params.get("token"), visit.cookies.get(COOKIE)]
        given.append(bearer.strip() if scheme.lower() == "bearer" else None)
        known = self._token.encode()
        # No short cut: the time taken must not depend on which of them, or how much, was right.
        matches = [hmac.compare_digest(word.encode(), known) for word in given if word is not None]
        if any(matches):
            return None
        words = "a token is needed: add ?token=... to the address, with the one this program was started with"
        return PlainTextResponse(words, 401, headers={"WWW-Authenticate": "Bearer"})


def _foreign(scope: Scope, visit: HTTPConnection) -> Response | None:
    """Refuse to change anything on behalf of a page that is not ours: its Origin is another host."""
    origin = visit.headers.get("origin")
    if scope["method"] in ("GET", "HEAD") or origin is None:
        return None
    if urlsplit(origin).netloc == visit.headers.get("host", ""):
        return None
    return PlainTextResponse("only the dashboard itself may change something", 403)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(header: str) -> str:
    """The host of a Host header, without port and brackets."""
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::\d+)?", header)
    return bracketed[1] if bracketed else header.rpartition(":")[0] if ":" in header else header


def content_policy(page: str) -> str:
    """Nothing from elsewhere, and of scripts and styles only exactly the page's own."""

    def digests(tag: str) -> str:
        parts = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        shas = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts)
        return " ".join(f"'sha256-{sha}'" for sha in shas)

    return (
        f"default-src 'none'; script-src {digests('script')}; style-src {digests('style')}; "
        "img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
