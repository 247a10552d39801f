"""Events over MQTT, against a broker of a few lines that misbehaves as told.

Source: MQTT 3.1.1 (OASIS), 3.1 to 3.4: CONNECT, CONNACK, PUBLISH, PUBACK.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed")


from stream_mer.errors import ConfigError
from stream_mer.sinks.courier import Courier
from stream_mer.sinks.mqtt import Mqtt
from stream_mer.sinks.outbox import Letter, Outbox

QUICK = (0.01, 0.05)


class Broker(socketserver.ThreadingTCPServer):
    """Takes QoS 1 messages; ``cut_after`` messages of a connection it hangs up without a receipt."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.users: list[bytes] = []
        self.refuse = 0
        self.cut_after = [10**9]
        super().__init__(("127.0.0.1", 0), Peer)


class Peer(socketserver.StreamRequestHandler):
    server: Broker

    def handle(self) -> None:
        cut = self.server.cut_after.pop(0) if len(self.server.cut_after) > 1 else self.server.cut_after[0]
        while head := self.rfile.read(1):
            length, shift = 0, 0
            while True:
                byte = self.rfile.read(1)[0]
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            body = self.rfile.read(length)
            if head[0] >> 4 == 1:
                self.server.users.append(body)
                self.wfile.write(bytes([0x20, 2, 0, self.server.refuse]))
            elif head[0] >> 4 == 3:
                if cut == 0:
                    return
                cut -= 1
                end = 2 + int.from_bytes(body[:2], "big")
                self.server.got.append((body[2:end].decode(), body[end + 2 :].decode()))
                self.wfile.write(b"\x40\x02" + body[end : end + 2])
            elif head[0] >> 4 == 12:
                self.wfile.write(b"\xd0\x00")
            elif head[0] >> 4 == 14:
                return


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_events_arrive_with_a_receipt(broker: Broker, tmp_path: Path) -> None:
    address = f"mqtt://door:hunter2@127.0.0.1:{broker.server_address[1]}/site/faces"
    courier = Courier(Outbox(tmp_path / "box"), lambda: Mqtt(address, timeout_s=5), pauses_s=QUICK)
    for number in range(20):
        courier.send(str(number), f'{{"n": {number}}}')
    for _ in range(1200):  # how long closing is patient is no matter of this test
        if courier.counts().waiting == 0:
            break
        threading.Event().wait(0.05)
    counts = courier.close()
    assert (counts.delivered, counts.waiting) == (20, 0)
    assert broker.got == [("site/faces", f'{{"n": {n}}}') for n in range(20)]
    assert len(broker.users) == 1, "one connection for all"
    assert b"hunter2" in broker.users[0]


def test_a_broker_that_hangs_up_gets_them_again(broker: Broker, tmp_path: Path) -> None:
    broker.cut_after = [2, 0, 1, 10**9]
    address = f"mqtt://127.0.0.1:{broker.server_address[1]}"
    courier = Courier(Outbox(tmp_path / "box"), lambda: Mqtt(address, timeout_s=60), pauses_s=QUICK)
    for number in range(6):
        courier.send(str(number), str(number))
    for _ in range(400):
        if courier.counts().waiting == 0:
            break
        threading.Event().wait(0.05)
    assert courier.close().delivered == 6
    assert [body for _, body in broker.got] == [str(n) for n in range(6)]
    assert len(broker.users) == 4, "nobody but the courier connects again"


def test_a_refused_password_is_an_error_without_it(broker: Broker) -> None:
    broker.refuse = 5
    carrier = Mqtt(f"mqtt://u:hunter2@127.0.0.1:{broker.server_address[1]}", timeout_s=5)
    with pytest.raises(OSError, match="let us in") as caught:
        carrier.deliver(Letter(1, "a", "{}"))
    assert "hunter2" not in str(caught.value) + carrier.name
    carrier.close()


@pytest.mark.parametrize("wrong", ["", "http://h", "mqtt://", "mqtt://u:hunter2@:x"])
def test_wrong_addresses(wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Mqtt(wrong)
    assert "hunter2" not in str(caught.value)
