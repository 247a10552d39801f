"""The dashboard's pages and addresses: pictures, scores and events of every camera, reviews, and health."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from stream_mer.web.door import COOKIE, Door, content_policy
from stream_mer.web.live_state import VERDICTS, LiveState

MAX_STREAMS = 16
"""Picture streams at once; a page uses one for all its cameras, and each costs bandwidth."""
MAX_BODY = 4096
POLL_S = 0.03
PATIENCE_S = 5.0
"""How long a single picture is waited for: nothing is painted until somebody asks."""
_BOUNDARY = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: "
_FRESH = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Service:
    """What the dashboard may ask of the rest of the program.

    Args:
        metrics: from an ``Accept`` header to the scrape's body and content type.
        overload: ``level``, its ``name``, and the last ``steps``, for the page.
        review: camera number, event id, verdict; True if it is saved on disk.
    """

    metrics: Callable[[str], tuple[bytes, str]] | None = None
    overload: Callable[[], Mapping[str, Any]] = lambda: {"level": 0, "name": "", "steps": []}
    review: Callable[[int, str, str], bool] = lambda _number, _id, _verdict: False


class Dashboard:
    """The web application over the states of the cameras.

    Args:
        states: one a camera, in the order of the page.
        token: what a visitor must know; None lets everybody on this machine in, and nobody else.
        service: the rest of the program.
    """

    def __init__(
        self, states: Sequence[LiveState], *, token: str | None = None, service: Service | None = None
    ) -> None:
        self._states = list(states)
        self._service = service or Service()
        self._page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
        self._streams = 0
        self._closing = False
        self.app = Starlette(
            routes=[
                Route("/", self._index),
                Route("/api/state", self._state),
                Route("/api/review", self._review, methods=["POST"]),
                Route("/pictures", self._pictures),
                Route("/camera/{number:int}/stream.mjpg", self._stream),
                Route("/camera/{number:int}/picture.jpg", self._picture),
                Route("/camera/{number:int}/events/{event}/{moment}.jpg", self._thumbnail),
                Route("/metrics", self._metrics),
                Route("/healthz", self._healthz),
                Route("/readyz", self._readyz),
            ],
            middleware=[Middleware(Door, token=token, policy=content_policy(self._page))],
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
        return JSONResponse({"cameras": cameras, "overload": dict(self._service.overload())}, headers=_FRESH)

    async def _review(self, request: Request) -> Response:
        """JSON with ``camera`` (number), ``id`` and ``verdict`` (one of ``VERDICTS``)."""
        body = b""
        async for chunk in request.stream():  # its length is not always declared
            body += chunk
            if len(body) > MAX_BODY:
                return PlainTextResponse("too long", 413)
        try:
            asked = json.loads(body)
            number, event, verdict = int(asked["camera"]), str(asked["id"]), str(asked["verdict"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return PlainTextResponse("a review is JSON with camera, id and verdict", 400)
        if verdict not in VERDICTS or not 0 <= number < len(self._states):
            return PlainTextResponse(f"no such camera, or not one of {VERDICTS}", 400)
        if not self._states[number].review(event, verdict):
            return PlainTextResponse("no such event among the last ones", 404)
        saved = await asyncio.to_thread(self._service.review, number, event, verdict)
        return JSONResponse({"saved": saved}, headers=_FRESH)

    def _camera(self, request: Request) -> LiveState | None:
        number = int(request.path_params["number"])
        return self._states[number] if number < len(self._states) else None

    async def _picture(self, request: Request) -> Response:
        """The next picture as a file; the first request wakes the painting up."""
        state = self._camera(request)
        if state is None:
            return PlainTextResponse("no such camera", 404)
        seen, jpeg = state.picture()
        for _ in range(round(PATIENCE_S / POLL_S)):
            number, jpeg = state.picture()
            if number > seen or state.finished or self._closing:
                break
            await asyncio.sleep(POLL_S)
        if not jpeg:
            return PlainTextResponse("no picture yet", 503)
        return Response(jpeg, media_type="image/jpeg", headers=_FRESH)

    async def _thumbnail(self, request: Request) -> Response:
        state, event, moment = (
            self._camera(request),
            request.path_params["event"],
            request.path_params["moment"],
        )
        jpeg = state.thumbnail(event, moment) if state is not None else None
        if jpeg is None:
            return PlainTextResponse("no such picture", 404)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    async def _stream(self, request: Request) -> Response:
        """One camera as MJPEG, for players and other programs."""
        state = self._camera(request)
        if state is None:
            return PlainTextResponse("no such camera", 404)

        def part(_: int, jpeg: bytes) -> bytes:
            return _BOUNDARY + str(len(jpeg)).encode() + b"\r\n\r\n" + jpeg + b"\r\n"

        return self._streaming([state], part, "multipart/x-mixed-replace; boundary=frame")

    async def _pictures(self, _: Request) -> Response:
        """All cameras in one answer, each picture behind its camera's number and its length.

        Browsers open six connections to a server and no more; with one stream a camera, a page of six
        cameras could ask nothing else.
        """

        def part(number: int, jpeg: bytes) -> bytes:
            return number.to_bytes(4, "big") + len(jpeg).to_bytes(4, "big") + jpeg

        return self._streaming(self._states, part, "application/octet-stream")

    def _streaming(
        self, states: Sequence[LiveState], part: Callable[[int, bytes], bytes], kind: str
    ) -> Response:
        if self._streams >= MAX_STREAMS:
            return PlainTextResponse(f"{MAX_STREAMS} viewers already; close one", 503)
        return StreamingResponse(self._frames(states, part), media_type=kind, headers=_FRESH)

    async def _frames(
        self, states: Sequence[LiveState], part: Callable[[int, bytes], bytes]
    ) -> AsyncIterator[bytes]:
        """Every new picture; a slow viewer misses some, and nobody waits for it."""
        sent = [0] * len(states)
        self._streams += 1
        try:
            while not self._closing:
                news = False
                for place, state in enumerate(states):
                    number, jpeg = state.picture()
                    if number > sent[place]:
                        sent[place], news = number, True
                        yield part(place, jpeg)
                if not news:
                    if all(state.finished for state in states):
                        return
                    await asyncio.sleep(POLL_S)
        finally:
            self._streams -= 1

    async def _metrics(self, request: Request) -> Response:
        if self._service.metrics is None:
            return PlainTextResponse("no metrics here", 404)
        body, kind = self._service.metrics(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": kind, **_FRESH})

    async def _healthz(self, _: Request) -> Response:
        return JSONResponse({"alive": True})

    async def _readyz(self, _: Request) -> Response:
        """Ready when a camera delivers; those that do not are told by number, names stay inside."""
        late = {str(number): why for number, state in enumerate(self._states) if (why := state.ready())}
        ready = len(late) < len(self._states)
        return JSONResponse({"ready": ready, "late": late}, status_code=200 if ready else 503)
