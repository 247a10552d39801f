"""The dashboard's pages and addresses: live picture, scores and events of every camera, and health.

Without a token only this machine's own names are answered (a foreign name in the Host header means
a web page elsewhere tries to reach us through the visitor's browser). With a token every address but
the two health checks asks for it: as ``?token=``, as ``Authorization: Bearer``, or in the cookie that
the first of these sets.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from stream_mer.web.live_state import LiveState

OPEN_PATHS = ("/healthz", "/readyz")
"""Health checks are asked by machines without secrets, and tell none."""
COOKIE = "stream_mer_token"
MAX_STREAMS = 16
"""Picture streams at once; a page uses one a camera, and each costs bandwidth."""
POLL_S = 0.03
_BOUNDARY = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: "


class Dashboard:
    """The web application over the states of the cameras.

    Args:
        states: one a camera, in the order of the page.
        token: what a visitor must know; None lets everybody on this machine in, and nobody else.
    """

    def __init__(self, states: Sequence[LiveState], *, token: str | None = None) -> None:
        self._states = list(states)
        self._page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
        self._streams = 0
        self._closing = False
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/api/state", self._state),
                Route("/camera/{number:int}/stream.mjpg", self._stream),
                Route("/camera/{number:int}/picture.jpg", self._picture),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
            ],
            middleware=[Middleware(_Door, token=token, policy=_content_policy(self._page))],
        )

    def close(self) -> None:
        """End the picture streams, so that the server can stop. Callable from any thread."""
        self._closing = True

    async def _index(self, request: Request) -> Response:
        if "token" in request.query_params:  # out of the address bar, the history and referrers
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(
                COOKIE, request.query_params["token"], httponly=True, samesite="strict", max_age=30 * 86400
            )
            return answer
        return HTMLResponse(self._page)

    async def _state(self, _: Request) -> Response:
        cameras = [state.snapshot() for state in self._states]
        return JSONResponse({"cameras": cameras}, headers={"Cache-Control": "no-store"})

    def _camera(self, request: Request) -> LiveState | None:
        number = int(request.path_params["number"])
        return self._states[number] if number < len(self._states) else None

    async def _picture(self, request: Request) -> Response:
        """The next picture as a file; the first request wakes the painting up."""
        state = self._camera(request)
        if state is None:
            return PlainTextResponse("no such camera", 404)
        seen, jpeg = state.picture()
        for _ in range(round(1.5 / POLL_S)):
            number, jpeg = state.picture()
            if number > seen or state.finished or self._closing:
                break
            await asyncio.sleep(POLL_S)
        if not jpeg:
            return PlainTextResponse("no picture yet", 503)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _stream(self, request: Request) -> Response:
        state = self._camera(request)
        if state is None:
            return PlainTextResponse("no such camera", 404)
        if self._streams >= MAX_STREAMS:
            return PlainTextResponse(f"{MAX_STREAMS} viewers already; close one", 503)
        return StreamingResponse(
            self._frames(state),
            media_type="multipart/x-mixed-replace; boundary=frame",
            headers={"Cache-Control": "no-store"},
        )

    async def _frames(self, state: LiveState) -> AsyncIterator[bytes]:
        """Every new picture; a slow viewer misses some, and nobody waits for it."""
        sent = 0
        self._streams += 1
        try:
            while not self._closing:
                number, jpeg = state.picture()
                if number > sent:
                    sent = number
                    yield _BOUNDARY + str(len(jpeg)).encode() + b"\r\n\r\n" + jpeg + b"\r\n"
                elif state.finished:
                    return
                else:
                    await asyncio.sleep(POLL_S)
        finally:
            self._streams -= 1

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"alive": True})

    async def _readyz(self, _: Request) -> Response:
        """Ready when every camera delivers; names and reasons stay inside, numbers say which."""
        late = {str(number): why for number, state in enumerate(self._states) if (why := state.ready())}
        return JSONResponse({"ready": not late, "late": late}, status_code=503 if late else 200)


class _Door:
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

        refusal = self._refusal(HTTPConnection(scope))
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
        words = "a token is needed: open the address that was printed at the start, with ?token=..."
        return PlainTextResponse(words, 401, headers={"WWW-Authenticate": "Bearer"})


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


def _content_policy(page: str) -> str:
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
