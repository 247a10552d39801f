"""Events out: nothing lost without being counted, whatever the network, the disk or a crash does."""

from __future__ import annotations

import http.server
import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_samples import event, result, summary

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.courier import Courier, DeliverySink, Refused
from stream_mer.sinks.event_stream import EventLines
from stream_mer.sinks.outbox import Letter, Outbox
from stream_mer.sinks.webhook import Webhook

QUICK = (0.005, 0.02)


WAIT_S = 60


def drained(courier: Courier) -> Courier:
    """Wait until nothing waits any more: how long closing is patient is no matter of these tests."""
    deadline = time.monotonic() + WAIT_S
    while courier.counts().waiting:
        assert time.monotonic() < deadline, courier.counts()
        time.sleep(0.005)
    return courier


def balanced(counts) -> bool:  # type: ignore[no-untyped-def]
    return counts.accepted == counts.delivered + counts.overflowed + counts.refused + counts.waiting


@given(
    st.lists(st.sampled_from(["put", "deliver", "refuse", "reopen", "late"]), max_size=40), st.integers(1, 5)
)
def test_the_outbox_is_a_bounded_queue_that_counts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], capacity: int
) -> None:
    path = tmp_path_factory.mktemp("box") / "outbox.sqlite"
    box, queue, number = Outbox(path, capacity=capacity), list[str](), 0
    known = {"delivered": 0, "refused": 0, "overflowed": 0}
    late: Letter | None = None
    for step in steps:
        if step == "put":
            box.put(f"e{number}", f'{{"n": {number}}}')
            queue.append(f"e{number}")
            number += 1
            if len(queue) > capacity:
                queue.pop(0)
                known["overflowed"] += 1
        elif step == "reopen":
            box.close()
            box = Outbox(path, capacity=capacity)
        elif step == "late":
            late = box.oldest()
        else:
            letter = box.oldest()
            assert (letter.id if letter else None) == (queue[0] if queue else None)
            if letter is not None:
                box.settle(letter.key, delivered=step == "deliver")
                queue.pop(0)
                known["delivered" if step == "deliver" else "refused"] += 1
        if late is not None and late.id not in queue:
            box.settle(late.key, delivered=True)  # overflowed or settled meanwhile: counted once only
        counts = box.counts()
        assert balanced(counts)
        assert counts.waiting == len(queue) <= capacity
        assert (counts.delivered, counts.refused, counts.overflowed) == tuple(known.values())
    box.close()


def test_a_crash_takes_nothing_back(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    box = Outbox(path)
    for number in range(50):
        box.put(str(number), "{}")
    # Not closed: as after SIGKILL. Another process sees what was accepted.
    again = Outbox(path)
    assert again.counts().waiting == 50
    again.close()
    box.close()


def test_an_outbox_that_cannot_be_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database, but long enough to be looked at" * 30)
    with pytest.raises(OutputError, match="cannot keep events"):
        Outbox(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot keep events"):
        Outbox(tmp_path / "file" / "box")


def test_a_damaged_outbox_is_told_at_the_start(tmp_path: Path) -> None:
    """It opened, then every event ended the watching of its camera, and the end was a traceback."""
    box = Outbox(tmp_path / "box")
    for number in range(100):
        box.put(str(number), "x" * 500)
    box.close()
    content = (tmp_path / "box").read_bytes()
    (tmp_path / "box").write_bytes(content[:4096] + b"\xa5" * 4096 + content[8192:])
    with pytest.raises(OutputError, match="is damaged: move it away"):
        Outbox(tmp_path / "box")


class Moody:
    """Fails at random, refuses some for good, and says what arrived."""

    name = "moody"

    def __init__(self, seed: int) -> None:
        self.arrived: list[str] = []
        self.closed = 0
        self._random = random.Random(seed)

    def deliver(self, letter: Letter) -> None:
        chance = self._random.random()
        if chance < 0.3:
            raise OSError("not now")
        if int(letter.id) % 10 == 3:
            raise Refused("never")
        self.arrived.append(letter.id)

    def close(self) -> None:
        self.closed += 1


def test_everything_arrives_in_order_or_is_counted(tmp_path: Path) -> None:
    carrier = Moody(1)
    courier = Courier(Outbox(tmp_path / "box"), lambda: carrier, pauses_s=QUICK)
    for number in range(100):
        courier.send(str(number), "{}")
    counts = drained(courier).close()
    assert carrier.arrived == [str(n) for n in range(100) if n % 10 != 3]
    assert (counts.accepted, counts.delivered, counts.refused, counts.waiting) == (100, 90, 10, 0)
    assert carrier.closed == 1
    assert courier.close() == counts


def test_what_does_not_arrive_waits_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_mer.sinks.courier.CLOSING_S", 0.2)

    class Down(Moody):
        def deliver(self, letter: Letter) -> None:
            raise OSError("no route")

    courier = Courier(Outbox(tmp_path / "box"), lambda: Down(0), pauses_s=QUICK)
    for number in range(5):
        courier.send(str(number), "{}")
    assert courier.close().waiting == 5
    carrier = Moody(2)
    counts = drained(Courier(Outbox(tmp_path / "box"), lambda: carrier, pauses_s=QUICK)).close()
    assert (counts.waiting, counts.delivered + counts.refused) == (0, 5)


def test_an_event_sent_while_the_courier_finds_nothing_has_its_last_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came between the courier's look and its word that nothing waits; closing believed that word."""
    box, gate, under_way, go_on = Outbox(tmp_path / "box"), *(threading.Event() for _ in range(3))
    real = box.oldest

    def oldest() -> Letter | None:
        letter = real()
        gate.wait(WAIT_S)
        return letter

    class Slow(Moody):
        def deliver(self, letter: Letter) -> None:
            under_way.set()
            go_on.wait(WAIT_S)

    monkeypatch.setattr(box, "oldest", oldest)
    courier = Courier(box, lambda: Slow(0), pauses_s=QUICK)
    sending = threading.Thread(target=courier.send, args=("1", "{}"))
    sending.start()
    sending.join(0.5)  # where nothing keeps it out, the event is in by now
    gate.set()
    sending.join()
    assert under_way.wait(WAIT_S)
    assert not courier._empty.is_set(), "closing would not wait for it"
    go_on.set()
    assert drained(courier).close().delivered == 1


def test_two_programs_with_one_destination_send_everything_once(tmp_path: Path) -> None:
    """Two services on one machine that post to one address share the queue; each sent all of it."""
    arrived: list[tuple[str, str]] = []

    class Telling(Moody):
        def __init__(self, who: str) -> None:
            super().__init__(0)
            self.who = who

        def deliver(self, letter: Letter) -> None:
            time.sleep(0.002)  # as a network would; in it the other one finds the same event
            arrived.append((self.who, letter.id))

    first, second = (
        Courier(Outbox(tmp_path / "box"), lambda who=who: Telling(who), pauses_s=QUICK)  # type: ignore[misc]
        for who in ("first", "second")
    )
    for number in range(20):
        first.send(f"a{number}", "{}")
        second.send(f"b{number}", "{}")
    drained(first)
    sent = [letter for _, letter in arrived]
    assert sorted(sent) == sorted([*(f"a{n}" for n in range(20)), *(f"b{n}" for n in range(20))])
    assert len({who for who, _ in arrived}) == 1
    on_duty, other = (first, second) if arrived[0][0] == "first" else (second, first)
    on_duty.close()
    other.send("last", "{}")
    assert drained(other).close().delivered == 41, "the other one takes over"
    assert [letter for _, letter in arrived].count("last") == 1


def test_a_disk_that_is_full_for_a_while_does_not_end_the_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, carrier, troubles = Outbox(tmp_path / "box"), Moody(1), ["settle", "settle", "oldest"]

    def failing(name: str):  # type: ignore[no-untyped-def]
        real = getattr(box, name)

        def call(*args, **how):  # type: ignore[no-untyped-def]
            if troubles and troubles[0] == name:
                troubles.pop(0)
                raise OutputError("cannot keep events: database or disk is full")
            return real(*args, **how)

        return call

    for name in ("settle", "oldest"):
        monkeypatch.setattr(box, name, failing(name))
    courier = Courier(box, lambda: carrier, pauses_s=QUICK)
    for number in (1, 2):
        courier.send(str(number), "{}")
    counts = drained(courier).close()
    assert troubles == []
    assert (counts.delivered, counts.waiting) == (2, 0), "and sent again, under the same key, where in doubt"
    assert set(carrier.arrived) == {"1", "2"}


def test_a_queue_that_cannot_be_read_is_an_output_error(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box")
    box.close()
    with pytest.raises(OutputError, match="cannot keep events"):
        box.oldest()
    with pytest.raises(OutputError, match="cannot keep events"):
        box.counts()


def test_the_sink_sends_what_the_log_writes(tmp_path: Path) -> None:
    bodies: list[str] = []

    class Taking(Moody):
        def deliver(self, letter: Letter) -> None:
            bodies.append(letter.body)

    courier = Courier(Outbox(tmp_path / "box"), lambda: Taking(0), pauses_s=QUICK)
    lines = EventLines("door", lambda: {"sr": "a" * 64, "cnn": "b" * 64}, lambda ns: f"utc{ns}", "sr")
    sink = DeliverySink(courier, lines)
    sink.write(result(0, events=(event(40), event(400))))
    sink.write(result(1))
    sink.close(summary())
    sink.close(None)
    with pytest.raises(OutputError, match="already closed"):
        sink.write(result(2))
    drained(courier).close()
    first = json.loads(bodies[0])
    assert len(bodies) == 2
    assert (first["onset_ns"], first["onset_utc"]) == (40_000_000, "utc40000000")
    assert first["camera"] == "door", "one address takes the events of many cameras"
    used = {"cnn": "b" * 12} | ({"sr": "a" * 12} if first["sr"] else {})
    assert first["engines"] == used, "a face's own pixels went through no super-resolution"


class Hook(http.server.BaseHTTPRequestHandler):
    statuses: list[int]
    asked: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((dict(self.headers), body))
        status = self.statuses.pop(0) if self.statuses else 204
        if status == 0:  # cut the line
            self.close_connection = True
            return
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[type[Hook]]:
    class Mine(Hook):
        statuses: list[int] = []
        asked: list[tuple[dict[str, str], bytes]] = []

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    Mine.port = server.server_address[1]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Mine
    server.shutdown()
    server.server_close()
    thread.join()


def test_webhook_posts_until_it_is_taken(hook: type[Hook], tmp_path: Path) -> None:
    hook.statuses += [500, 0, 429, 401, 200, 422, 302, 200]
    url = f"http://127.0.0.1:{hook.port}/in?key=secret"  # type: ignore[attr-defined]
    carrier = Webhook(url, token="t0ken")
    assert "secret" not in carrier.name
    courier = Courier(Outbox(tmp_path / "box"), lambda: carrier, pauses_s=QUICK)
    for number in range(3):
        courier.send(str(number), f'{{"n": {number}}}')
    counts = drained(courier).close()
    assert (counts.delivered, counts.refused, counts.waiting) == (2, 1, 0)
    headers, body = hook.asked[0]
    assert (headers["Idempotency-Key"], headers["Authorization"], body) == ("0", "Bearer t0ken", b'{"n": 0}')
    assert [h["Idempotency-Key"] for h, _ in hook.asked] == ["0"] * 5 + ["1"] + ["2"] * 2


@pytest.mark.parametrize(
    "wrong", ["", "ftp://h/x", "https://u:hunter2@h/x", "https://", "http://[", "http://h:x/"]
)
def test_wrong_webhooks(wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Webhook(wrong)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "token"),
    [("https://h/a b", None), ("https://h/é", None), ("https://h/?x=é", None)]
    + [("https://h/x", word) for word in ("ключ", "two\nlines", "two words")],
)
def test_what_a_request_cannot_carry_is_said_at_the_start(url: str, token: str | None) -> None:
    with pytest.raises(ConfigError, match="blanks or letters"):
        Webhook(url, token=token)


def test_a_host_that_is_no_name_is_tried_again_as_any_other_trouble() -> None:
    """The courier's thread must survive it; the resolver's own error is a ValueError."""
    with pytest.raises(OSError, match="no proper answer"):
        Webhook("http://.example.org/x", timeout_s=0.5).deliver(Letter(1, "a", "{}"))


def test_a_token_does_not_travel_unencrypted() -> None:
    with pytest.raises(ConfigError, match="unencrypted"):
        Webhook("http://example.org/x", token="t")
    Webhook("http://127.0.0.1/x", token="t")
