"""Simulated RTSP cameras in a process of their own: they play a film for ever, and fail on a schedule.

Prints one line of JSON with the addresses, then one a fault, at the moment the camera is back.
Meant for ``scripts/soak.py``; times are those of the system's monotonic clock.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import socketserver
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
from scripted_rtsp import ScriptedRtsp, payloads, sdp

FPS = 25
TICKS = 90_000 // FPS
LIVES_AT_LEAST_S = 7.0
"""A fault leaves a camera alone for so long: real ones do not fail every other second."""
KINDS = ("cut", "down", "stall", "jump", "burst")


def encode_film(path: Path, seconds: float, width: int, height: int) -> list[list[bytes]]:
    """The film's first seconds at 25 fps as H.264 access units, a key frame a second."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base = Fraction(1, FPS)
    codec.options = {
        "tune": "zerolatency",
        "preset": "veryfast",
        "g": str(FPS),
        "x264-params": "annexb=1:repeat-headers=1:threads=1",
    }
    units: list[bytes] = []
    with av.open(str(path)) as film:
        for index, frame in enumerate(film.decode(video=0)):
            if index >= seconds * FPS:
                break
            picture = frame.reformat(width, height, "yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, FPS)
            units += [bytes(packet) for packet in codec.encode(picture)]
    units += [bytes(packet) for packet in codec.encode(None)]
    return [[nal.rstrip(b"\0") for nal in unit.split(b"\0\0\1") if nal.rstrip(b"\0")] for unit in units]


class PlayingCamera(ScriptedRtsp):
    """A camera that is up, down (refuses everybody) or hung (answers nobody)."""

    def __init__(self, units: list[list[bytes]]) -> None:
        super().__init__([])
        self.units = units
        self.state = "up"
        self.line = 0
        self.jump = 0
        self.pause_s = 0.0

    def fail(self, kind: str, seconds: float) -> float:
        """Do it; returns when the camera was back, or did the odd thing."""
        if kind == "jump":
            self.jump += 90_000 * 3600
        elif kind == "burst":
            self.pause_s = 0.5
        elif kind == "cut":
            self.line += 1
        else:
            self.state = "down" if kind == "down" else "hung"
            self.line += kind == "down"
            self.stopping.wait(seconds)
            self.line += 1
            self.state = "up"
        return time.monotonic()

    def serve(self, peer: socketserver.StreamRequestHandler) -> None:
        line = self.line
        try:
            while text := peer.rfile.readline().decode():
                method, headers = text.split()[0], {}
                while (header := peer.rfile.readline().decode().strip()) != "":
                    key, _, value = header.partition(":")
                    headers[key.lower()] = value.strip()
                while self.state == "hung" and not self.stopping.wait(0.02):
                    pass
                if self.state == "down" or self.stopping.is_set():
                    self.answer(peer, headers, 500, {})
                    return
                if method == "DESCRIBE":
                    self.answer(peer, headers, 200, {"Content-Type": "application/sdp"}, sdp(self.units))
                elif method == "SETUP":
                    transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
                    self.answer(peer, headers, 200, {"Transport": transport, "Session": "7"})
                elif method == "PLAY":
                    self.answer(peer, headers, 200, {"Session": "7"})
                    self.play(peer, self.line if self.line != line else line)
                    return
                else:
                    self.answer(peer, headers, 200, {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"})
        except OSError:
            return

    def play(self, peer: socketserver.StreamRequestHandler, line: int) -> None:
        """The film in a loop at its own pace, until this line is cut."""
        sequence, index, due = 0, 0, time.monotonic()
        while line == self.line and not self.stopping.is_set():
            if self.state == "hung":
                self.stopping.wait(0.02)
                continue
            stamp = (index * TICKS + self.jump) & 0xFFFFFFFF
            out = bytearray()
            for payload, last in payloads(self.units[index % len(self.units)]):
                packet = struct.pack(">BBHII", 0x80, 96 | 0x80 * last, sequence, stamp, 0x1234) + payload
                sequence = (sequence + 1) & 0xFFFF
                out += b"$\0" + struct.pack(">H", len(packet)) + packet
            peer.wfile.write(out)
            index += 1
            due += 1 / FPS
            pause_s, self.pause_s = self.pause_s, 0.0
            if (left := due + pause_s - time.monotonic()) > 0:
                self.stopping.wait(left)  # after a pause it is late, and hurries: a burst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    units = encode_film(args.video, 12, 400, 300)
    cameras = [PlayingCamera(units) for _ in range(args.cameras)]
    print(json.dumps({"urls": [camera.url() for camera in cameras]}), flush=True)
    input()  # whoever started us says when
    lock, chance, threads = threading.Lock(), random.Random(args.seed), []
    every_s = max(args.seconds * args.cameras / max(1, args.faults), LIVES_AT_LEAST_S + 3)

    def plague(number: int, camera: PlayingCamera, seed: int) -> None:
        mine, start = random.Random(seed), time.monotonic() + every_s * (number + 1) / args.cameras
        for turn in range(args.faults // args.cameras):
            if camera.stopping.wait(max(0.0, start + turn * every_s - time.monotonic())):
                return
            kind, seconds, began = KINDS[turn % len(KINDS)], mine.uniform(0.5, 3.0), time.monotonic()
            back = camera.fail(kind, seconds)
            with lock:
                fault = {"camera": number, "kind": kind, "began": began, "back": back}
                print(json.dumps(fault), flush=True)

    for number, camera in enumerate(cameras):
        camera.__enter__()
        thread = threading.Thread(target=plague, args=(number, camera, chance.random()), daemon=True)
        thread.start()
        threads.append(thread)
    with contextlib.suppress(EOFError):
        input()  # and when it is over
    for camera in cameras:
        camera.__exit__(None, None, None)


if __name__ == "__main__":
    main()
