"""``stream-mer serve`` as a whole: scripted cameras, one that fails, metrics, reviews, an orderly end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream_mer.app.serve import ServeOptions, serve
from stream_mer.errors import ConfigError, EngineError
from stream_mer.sinks.video import VideoWriter
from stream_mer.synth.clip import iterate_clip
from stream_mer.synth.demo import DEMO_SEED, DEMO_SPEC, demo_portrait

ROOT = Path(__file__).resolve().parents[2]
CAMERAS = ROOT / "tests" / "capture" / "rtsp_cameras.py"
SECRET = "hunter2"
WAIT_S = 90


def until(what, seconds: float = WAIT_S):  # type: ignore[no-untyped-def]
    """Ask again and again until the answer is true; gives the answer."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
    return answer


class Service:
    """``serve`` in a process of its own, with what it said."""

    def __init__(self, folder: Path, *, text: str, wrap: tuple[str, ...] = ()) -> None:
        (folder / "cameras.toml").write_text(text)
        environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "OMP_NUM_THREADS": "1"}
        command = [*wrap, sys.executable, "-m", "stream_mer", "serve", "--config", "cameras.toml"]
        self.process = subprocess.Popen(
            [*command, "--log", "json"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.said: list[str] = []
        assert self.process.stderr is not None
        messages, self.process.stderr = self.process.stderr, None  # "communicate" would take lines away
        self._reader = threading.Thread(target=lambda: self.said.extend(messages), daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        def printed() -> str | None:
            assert self.process.poll() is None, self.said
            return next(
                (m[1] for line in self.said if (m := re.search(r'"dashboard: ([^"\s]+)', line))), None
            )

        return until(printed)

    def get(self, path: str) -> Any:
        try:
            answer = urllib.request.urlopen(self.url + path, timeout=20)
        except urllib.error.HTTPError as unready:
            answer = unready
        return json.loads(answer.read())

    def state(self) -> list[dict[str, Any]]:
        return self.get("api/state")["cameras"]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        return self.end()

    def end(self, seconds: float = WAIT_S) -> tuple[int, str]:
        """Wait for the end by itself; gives the exit code and what came on standard output."""
        out, _ = self.process.communicate(timeout=seconds)
        self._reader.join(5)
        return self.process.returncode, out


@contextmanager
def cameras(film: Path, count: int) -> Iterator[list[str]]:
    command = [sys.executable, str(CAMERAS), str(film), "--cameras", str(count), "--faults", "0"]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert made.stdout is not None
        urls = json.loads(made.stdout.readline())["urls"]
        print("go", file=made.stdin, flush=True)
        yield urls
    finally:
        made.kill()
        made.communicate()


def camera(name: str, source: str, more: str = "") -> str:
    return f'[[camera]]\nname = "{name}"\nsource = "{source}"\n{more}\n'


def film_with_events(path: Path) -> Path:
    """The demo's person with its six clear events, at a camera's rate."""
    portrait, mesh = demo_portrait()
    spec = replace(DEMO_SPEC, fps=25.0, width=400, height=300, face_px=120.0)
    writer = VideoWriter(path, spec.width, spec.height, fps_hint=spec.fps, threads=0)
    for frame in iterate_clip(portrait, mesh, spec, DEMO_SEED)[1]:
        writer.write(frame.rgb, frame.pts_ns)
    writer.close()
    return path


@pytest.mark.assets
def test_a_failing_camera_disturbs_nobody_and_everything_is_counted(assets_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    with cameras(film_with_events(tmp_path / "film.mp4"), 2) as urls:
        text = 'web = "127.0.0.1:0"\nrecord = "rec"\ndetector = "short"\nsr = "never"\nthreshold = 0.05\n'
        text += camera("door", urls[0]) + camera("hall", urls[1], "redact = true\nrecord = false")
        text += camera("gone", f"rtsp://admin:{SECRET}@127.0.0.1:9/x")
        service = Service(tmp_path, text=text)
        try:
            states = until(lambda: (s := service.state()) and min(c["frames"] for c in s[:2]) > 60 and s)
            assert [c["name"] for c in states] == ["door", "hall", "gone"]
            assert "nothing listens" in states[2]["note"]
            ready = {"ready": True, "late": {"2": "no frame yet"}}
            until(lambda: service.get("readyz") == ready)  # a busy machine makes a camera late for a moment
            metrics = urllib.request.urlopen(f"{service.url}metrics", timeout=20).read().decode()
            assert 'stream_mer_reconnects_total{camera="gone",reason="unreachable"}' in metrics
            picture = urllib.request.urlopen(f"{service.url}camera/0/picture.jpg", timeout=20).read()
            assert picture[:2] == b"\xff\xd8"
            found, _ = until(lambda: (e := [c["events"] for c in service.state()[:2]]) and all(e) and e)
            body = json.dumps({"camera": 0, "id": found[0]["id"], "verdict": "accept"}).encode()
            asked = urllib.request.Request(
                f"{service.url}api/review", body, {"Content-Type": "application/json"}
            )
            assert json.loads(urllib.request.urlopen(asked, timeout=20).read()) == {"saved": True}
        finally:
            code, out = service.stop()
    assert code == 130
    said = "".join(service.said)
    frames = {m[0]: (int(m[1]), int(m[2])) for m in re.findall(r"(\w+): (\d+) frames?, (\d+) lost", said)}
    assert frames["gone"] == (0, 0)
    (run,) = (tmp_path / "rec" / "door").iterdir()
    assert not (tmp_path / "rec" / "hall").exists(), "nothing is stored unless asked"
    assert json.loads((run / "run.json").read_text())["frames"] == frames["door"][0]
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert found[0]["id"] in [event["id"] for event in events]
    assert all(re.match(r"20\d\d-\d\d-\d\dT.*\+00:00", event["onset_utc"]) for event in events)
    printed = [json.loads(line) for line in out.splitlines()]
    assert {line["camera"] for line in printed} == {"door", "hall"}, "also where nothing is stored"
    assert [line for line in printed if line.pop("camera") == "door"] == events, "the same as in the file"
    review = json.loads((run / "reviews.jsonl").read_text())
    assert (review["id"], review["verdict"]) == (found[0]["id"], "accept")
    assert list((run / "segments").glob("overlay-*.mp4"))
    assert SECRET not in "".join(service.said) + out
    assert any('"level": "error"' in line and "gone" in line for line in service.said)
    assert "Art. 5(1)(f)" in "".join(service.said)
    plain = [line for line in service.said if line.strip() and not line.startswith("{")]
    assert plain in ([], plain[-1:]), "a log for machines; only an end by a signal is said as always"
    assert (tmp_path / "state" / "stream_mer").is_dir(), "the notice is remembered"


@pytest.mark.assets
def test_the_dashboards_token_is_not_in_the_log(assets_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    (tmp_path / "token").write_text(SECRET)
    text = 'web = "127.0.0.1:0"\nweb_token_file = "token"\ndetector = "short"\n'
    service = Service(tmp_path, text=text + camera("gone", "rtsp://127.0.0.1:9/x"))
    try:
        url = service.url
        assert any("open it once with ?token= and your token" in line for line in service.said)
        answer = urllib.request.urlopen(f"{url}api/state?token={SECRET}", timeout=20)
        assert answer.status == 200
    finally:
        _, out = service.stop()
    assert SECRET not in "".join(service.said) + out


@pytest.mark.data
@pytest.mark.assets
def test_nothing_is_contacted_in_an_empty_network(videos: Path, assets_dir: Path, tmp_path: Path) -> None:
    """In a network namespace without even a loopback, and with every connect traced."""
    for program in ("unshare", "strace"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    probe = subprocess.run(["unshare", "-n", "strace", "-o", "/dev/null", "true"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no network namespace may be made here: {probe.stderr.decode().strip()}")
    trace = tmp_path / "trace"
    wrap = (
        "unshare",
        "-n",
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=connect,sendto,sendmsg,sendmmsg",
        "-o",
        str(trace),
    )
    service = Service(
        tmp_path,
        text='detector = "short"\nrecord = "rec"\n' + camera("film", str(videos / "face_noface.mov")),
        wrap=wrap,
    )
    code, out = service.end(240)
    assert code == 0, service.said
    assert re.search(r"film: [1-9]\d* frames", "".join(service.said))
    assert all(json.loads(line)["camera"] == "film" for line in out.splitlines())
    spoken = [line for line in trace.read_text().splitlines() if "AF_INET" in line]
    assert spoken == [], "no address of any network was spoken to"


@pytest.mark.parametrize("flag", ["--check", None])
def test_a_wrong_file_ends_at_once(tmp_path: Path, flag: str | None) -> None:
    (tmp_path / "cameras.toml").write_text('[[camera]]\nname = "a"\nsource = "0"\ncolour = "x"\n')
    command = [
        sys.executable,
        "-m",
        "stream_mer",
        "serve",
        "--config",
        "cameras.toml",
        *([flag] if flag else []),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "stream-mer: cameras.toml, camera 'a': unknown key 'colour'\n"
        "known here: detector, max_duration_s, max_faces, min_duration_s, name, overlay, password_file, "
        "record, redact, source, sr, threshold, username\n"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('web = "0.0.0.0:8080"', "without a token"),
        ('web = "nowhere"', "is not an address"),
        ('web = "127.0.0.1:0"\nweb_token = " "', "token is empty"),
        ('webhook = "ftp://h/x"', "no address to post to"),
        ('webhook = "http://h/x"\nwebhook_token_file = "token"', "unencrypted"),
        ('mqtt = "http://h"', "no broker's address"),
        ('mqtt = "mqtt://h/all/#"', "topic with"),
        ('engine = "nope"', "no engine is called 'nope'"),
        ('classifier = "nope"', "nope"),
    ],
)
def test_what_could_not_be_started_is_not_called_right(tmp_path: Path, line: str, words: str) -> None:
    """Somebody checks the file before a service that runs is started again with it."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("paho.mqtt")
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "cameras.toml").write_text(f'{line}\n[[camera]]\nname = "a"\nsource = "0"\n')
    with pytest.raises((ConfigError, EngineError), match=words) as caught:
        serve(ServeOptions(tmp_path / "cameras.toml", check=True))
    assert SECRET not in str(caught.value)


def test_a_right_file_can_be_checked(tmp_path: Path) -> None:
    (tmp_path / "cameras.toml").write_text('[[camera]]\nname = "a"\nsource = "0"\n')
    command = [sys.executable, "-m", "stream_mer", "serve", "--config", "cameras.toml", "--check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "cameras.toml: 1 camera, nothing wrong\n")
