"""A small RTSP server (RTP over TCP, H.264) whose connections misbehave as a script says.

Source:
    RFC 2326 (RTSP), RFC 3550 (RTP), RFC 6184 (H.264 in RTP).
"""

from __future__ import annotations

import base64
import socketserver
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType

import av
from odd_videos import numbered

MTU = 1200
TICKS = 3600  # 90 kHz clock, 25 frames a second


@dataclass(frozen=True)
class Connection:
    """One connection: refuse with ``status``, or send ``frames`` and then behave as ``then`` says.

    ``then`` is ``"close"`` (cut the line), ``"stall"`` (say nothing more) or ``"bye"`` (RTCP goodbye).
    ``jump`` moves the RTP time stamps by so many seconds from frame ``jump_at`` on. ``pause_s`` lies
    between frames; before frame ``pause_at`` there is silence for ``pause_long_s``, and what belongs into
    it follows at once. With ``then_size`` as many frames of that size follow, ``then_ticks`` apart.
    """

    frames: int = 25
    then: str = "close"
    status: int = 200
    width: int = 96
    height: int = 64
    jump_at: int = -1
    jump: int = 0
    pause_s: float = 0.004
    pause_at: int = -1
    pause_long_s: float = 0.0
    then_size: tuple[int, int] | None = None
    then_ticks: int = TICKS


def encode(count: int, width: int, height: int) -> list[list[bytes]]:
    """H.264 access units, each a list of NAL units; parameter sets are repeated before key frames."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base = Fraction(1, 25)
    codec.options = {"tune": "zerolatency", "g": "10", "x264-params": "annexb=1:repeat-headers=1"}
    units = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(numbered(index % 256, width, height), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts = index
        units += [bytes(packet) for packet in codec.encode(frame)]
    units += [bytes(packet) for packet in codec.encode(None)]
    return [[nal.rstrip(b"\0") for nal in unit.split(b"\0\0\1") if nal.rstrip(b"\0")] for unit in units]


class ScriptedRtsp:
    """The server; use as a context manager. Connections beyond the script repeat its last entry."""

    def __init__(self, script: Sequence[Connection], *, user: str = "", password: str = "") -> None:
        self.script = list(script)
        self.credentials = f"{user}:{password}" if user else ""
        self.opened = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                outer.serve(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def url(self, credentials: str = "") -> str:
        at = f"{credentials}@" if credentials else ""
        return f"rtsp://{at}127.0.0.1:{self._server.server_address[1]}/ch1"

    def __enter__(self) -> ScriptedRtsp:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, peer: socketserver.StreamRequestHandler) -> None:
        plan: Connection | None = None
        try:
            while line := peer.rfile.readline().decode():
                method = line.split()[0]
                headers = {}
                while (header := peer.rfile.readline().decode().strip()) != "":
                    key, _, value = header.partition(":")
                    headers[key.lower()] = value.strip()
                if plan is None and method == "DESCRIBE":
                    wanted = base64.b64encode(self.credentials.encode()).decode()
                    if self.credentials and headers.get("authorization") != f"Basic {wanted}":
                        self.answer(peer, headers, 401, {"WWW-Authenticate": 'Basic realm="camera"'})
                        continue
                    with self._lock:
                        plan = self.script[min(self.opened, len(self.script) - 1)]
                        self.opened += 1
                    units = encode(plan.frames, plan.width, plan.height)
                    units += encode(plan.frames, *plan.then_size) if plan.then_size else []
                if plan is not None and plan.status != 200:
                    self.answer(peer, headers, plan.status, {})
                    return
                if method == "DESCRIBE":
                    self.answer(peer, headers, 200, {"Content-Type": "application/sdp"}, sdp(units))
                elif method == "SETUP":
                    transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
                    self.answer(peer, headers, 200, {"Transport": transport, "Session": "7"})
                elif method == "PLAY":
                    self.answer(peer, headers, 200, {"Session": "7"})
                    assert plan is not None
                    self.send(peer, plan, units)
                    return
                else:
                    self.answer(peer, headers, 200, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"})
        except OSError:
            return  # the client went away

    @staticmethod
    def answer(
        peer: socketserver.StreamRequestHandler,
        headers: dict[str, str],
        status: int,
        more: dict[str, str],
        body: str = "",
    ) -> None:
        reason = {200: "OK", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Error"}[status]
        lines = [f"RTSP/1.0 {status} {reason}", f"CSeq: {headers.get('cseq', '0')}"]
        lines += [f"{key}: {value}" for key, value in more.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        peer.wfile.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def send(
        self, peer: socketserver.StreamRequestHandler, plan: Connection, units: list[list[bytes]]
    ) -> None:
        sequence = 0
        for index, nals in enumerate(units):
            if index == plan.pause_at and self.stopping.wait(plan.pause_long_s):
                return
            later = max(0, index - plan.frames)
            stamp = (
                (index - later) * TICKS
                + later * plan.then_ticks
                + (plan.jump * 90_000 if 0 <= plan.jump_at <= index else 0)
            )
            for payload, last in payloads(nals):
                head = struct.pack(">BBHII", 0x80, 96 | 0x80 * last, sequence, stamp & 0xFFFFFFFF, 0x1234)
                sequence = (sequence + 1) & 0xFFFF
                packet = head + payload
                peer.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
            if self.stopping.wait(0.0 if 0 <= plan.pause_at <= index else plan.pause_s):
                return
        if plan.then == "bye":
            peer.wfile.write(b"$\1" + struct.pack(">HBBHI", 8, 0x81, 203, 1, 0x1234))
        if plan.then == "stall":
            self.stopping.wait(30)


def payloads(nals: list[bytes]) -> list[tuple[bytes, bool]]:
    """RTP payloads of one access unit (single NAL or FU-A), each with its marker bit."""
    parts: list[bytes] = []
    for nal in nals:
        if len(nal) <= MTU:
            parts.append(nal)
            continue
        indicator, kind = nal[0] & 0xE0 | 28, nal[0] & 0x1F
        pieces = [nal[i : i + MTU] for i in range(1, len(nal), MTU)]
        for i, piece in enumerate(pieces):
            flags = 0x80 * (i == 0) | 0x40 * (i == len(pieces) - 1)
            parts.append(bytes([indicator, flags | kind]) + piece)
    return [(part, i == len(parts) - 1) for i, part in enumerate(parts)]


def sdp(units: list[list[bytes]]) -> str:
    sets = ",".join(base64.b64encode(nal).decode() for nal in units[0] if nal[0] & 0x1F in (7, 8))
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=scripted\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:trackID=0\r\n"
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\n"
    )
