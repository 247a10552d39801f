from __future__ import annotations

import re

import pytest
from web_samples import event, result

pytest.importorskip("starlette", reason="the extra 'web' is not installed")
pytest.importorskip("httpx", reason="httpx is not installed; the test client needs it")

from starlette.testclient import TestClient

from stream_mer.web.dashboard import Dashboard, Service
from stream_mer.web.door import is_loopback
from stream_mer.web.live_state import LiveState

TOKEN = "correct horse"


def client(*states: LiveState, token: str | None = None, host: str = "localhost:8080") -> TestClient:
    return TestClient(Dashboard(states, token=token).app, base_url=f"http://{host}", follow_redirects=False)


@pytest.fixture
def state() -> LiveState:
    made = LiveState("door <b>")
    made.publish(result(25, scores=((900, 0.8),), events=(event(800),)))
    made.publish_picture(b"\xff\xd8jpeg")
    return made


def test_state_holds_every_camera(state: LiveState) -> None:
    answer = client(state, LiveState("hall")).get("/api/state")
    assert answer.headers["cache-control"] == "no-store"
    cameras = answer.json()["cameras"]
    assert [camera["name"] for camera in cameras] == ["door <b>", "hall"]
    assert cameras[0]["events"][0]["label"] == "surprise"
    assert cameras[0]["scores"] == {"1": [[0.9, 0.8]]}


def test_picture_and_stream(state: LiveState) -> None:
    state.finish()  # so that the stream has an end
    here = client(state)
    assert here.get("/camera/0/picture.jpg").content == b"\xff\xd8jpeg"
    answer = here.get("/camera/0/stream.mjpg")
    assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
    assert (
        answer.content == b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 6\r\n\r\n\xff\xd8jpeg\r\n"
    )


def test_no_such_camera_or_picture(state: LiveState) -> None:
    here = client(state, LiveState("hall"))
    assert here.get("/camera/2/stream.mjpg").status_code == 404
    assert here.get("/camera/7/picture.jpg").status_code == 404
    assert here.get("/camera/-1/picture.jpg").status_code == 404
    assert here.get("/camera/1/picture.jpg").status_code == 503
    assert here.get("/etc/passwd").status_code == 404


def test_page_asks_nobody_else(state: LiveState) -> None:
    answer = client(state).get("/")
    page = answer.text
    assert "<title>stream_mer</title>" in page
    assert not re.search(
        r"(?i)https?:|//[a-z]|@import|<script src|<link[^>]+stylesheet", page.replace("// ", "")
    )
    assert "innerHTML" not in page, "names of cameras are text, never markup"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2


def test_health(state: LiveState) -> None:
    assert client(state).get("/healthz").status_code == 200
    assert client(state).get("/readyz").json() == {"ready": True, "late": {}}
    answer = client(state, LiveState("hall")).get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "late": {"1": "no frame yet"}})
    answer = client(LiveState("door"), LiveState("hall")).get("/readyz")
    assert answer.status_code == 503, "no camera delivers"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "127.9.9.9"]
)
def test_without_a_token_this_machines_names_are_answered(state: LiveState, host: str) -> None:
    assert client(state).get("/api/state", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil", "", "[::2]:1"]
)
def test_without_a_token_no_other_name_is(state: LiveState, host: str) -> None:
    """A page elsewhere whose name suddenly means 127.0.0.1 (DNS rebinding) must not read faces."""
    for path in ("/", "/api/state", "/camera/0/picture.jpg"):
        assert client(state).get(path, headers={"host": host}).status_code == 421
    assert client(state).get("/healthz", headers={"host": host}).status_code == 200


PATHS = ["/", "/api/state", "/camera/0/picture.jpg", "/camera/0/stream.mjpg", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_with_a_token_nothing_is_shown_without_it(state: LiveState, path: str) -> None:
    state.finish()
    here = client(state, token=TOKEN, host="10.0.0.1")
    wrong: list[dict[str, dict[str, str]]] = [
        {},
        {"params": {"token": "correct hors"}},
        {"params": {"token": ""}},
        {"params": {"token": "ключ"}},
        {"headers": {"Authorization": "Bearer nope"}},
        {"headers": {"Authorization": f"Basic {TOKEN}"}},
        {"headers": {"Cookie": "stream_mer_token=no"}},
    ]
    for how in wrong:
        answer = here.get(path, **how)  # type: ignore[arg-type]
        assert answer.status_code == 401, how
        assert TOKEN not in answer.text
        assert "door" not in answer.text


def test_token_opens_by_query_bearer_and_cookie(state: LiveState) -> None:
    here = client(state, token=TOKEN, host="10.0.0.1")
    assert here.get("/api/state", params={"token": TOKEN}).status_code == 200
    assert here.get("/api/state", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200
    first = here.get("/", params={"token": TOKEN})
    assert (first.status_code, first.headers["location"]) == (303, "/"), "out of the address bar"
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert here.get("/").status_code == 200, "from now on the cookie serves"


def test_health_needs_no_token_and_names_no_camera(state: LiveState) -> None:
    here = client(state, LiveState("secret lab"), token=TOKEN, host="10.0.0.1")
    assert here.get("/healthz").status_code == 200
    assert "secret" not in here.get("/readyz").text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "pc.local", "", "10.0.0.1", "::ffff:10.0.0.1"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_all_cameras_come_through_one_connection(state: LiveState) -> None:
    other = LiveState("hall")
    other.publish_picture(b"second")
    state.finish()
    other.finish()
    answer = client(state, other).get("/pictures")
    body, got = answer.content, {}
    while body:
        number, length = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        got[number], body = body[8 : 8 + length], body[8 + length :]
    assert got == {0: b"\xff\xd8jpeg", 1: b"second"}


def test_a_review_is_kept_shown_and_told_whether_it_is_saved(state: LiveState) -> None:
    saved: list[tuple[int, str, str]] = []

    def save(number: int, event_id: str, verdict: str) -> bool:
        saved.append((number, event_id, verdict))
        return True

    app = Dashboard([state], service=Service(review=save)).app
    here = TestClient(app, base_url="http://localhost:8080")
    event_id = state.snapshot()["events"][0]["id"]
    answer = here.post("/api/review", json={"camera": 0, "id": event_id, "verdict": "reject"})
    assert answer.json() == {"saved": True}
    assert saved == [(0, event_id, "reject")]
    assert here.get("/api/state").json()["cameras"][0]["events"][0]["review"] == "reject"
    assert client(state).post("/api/review", json={"camera": 0, "id": event_id, "verdict": ""}).json() == {
        "saved": False
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("no json", 400),
        ('{"camera": 0}', 400),
        ('{"camera": 3, "id": "1-800", "verdict": "accept"}', 400),
        ('{"camera": -1, "id": "1-800", "verdict": "accept"}', 400),
        ('{"camera": 0, "id": "1-800", "verdict": "maybe"}', 400),
        ('{"camera": 0, "id": "unknown", "verdict": "accept"}', 404),
        ('{"camera": Infinity, "id": "1-800", "verdict": "accept"}', 400),
        ("[" * 4000, 400),
        (b"\xff\xfe\xfd", 400),
        ("[" + "1," * 4000 + "1]", 413),
    ],
)
def test_wrong_reviews(state: LiveState, body: str | bytes, status: int) -> None:
    assert client(state).post("/api/review", content=body).status_code == status


def test_other_pages_may_not_review(state: LiveState) -> None:
    event_id = state.snapshot()["events"][0]["id"]
    review = {"camera": 0, "id": event_id, "verdict": "accept"}
    here = client(state)
    assert here.post("/api/review", json=review, headers={"origin": "http://evil"}).status_code == 403
    mine = {"origin": "http://localhost:8080"}
    assert here.post("/api/review", json=review, headers=mine).status_code == 200


def test_thumbnails(state: LiveState) -> None:
    assert client(state).get("/camera/0/events/1-800/apex.jpg").status_code == 404
    state.keep_thumbnails("1-800", (b"one", b"two", b"three"))
    assert client(state).get("/camera/0/events/1-800/apex.jpg").content == b"two"
    assert client(state).get("/camera/0/events/1-800/none.jpg").status_code == 404
    assert state.snapshot()["events"][0]["thumbnails"]
