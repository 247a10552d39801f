"""Model files: fetched with the user's pip, verified, written whole or not at all."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from stream_mer.errors import AssetError
from stream_mer.runtime import assets
from stream_mer.runtime.assets import ASSETS, PIP_DOWNLOAD, Asset, AssetStore

SHORT = "face_detection_short_range.tflite"
CONTENT = {name: f"the content of {name}".encode() * 1000 for name in ASSETS}
WHEEL = "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl"
Pip = Callable[..., "FakePip"]


def _asset(name: str) -> Asset:
    content = CONTENT[name]
    return Asset(f"mediapipe/modules/{name}", len(content), hashlib.sha256(content).hexdigest())


def _wheel(folder: Path, **changed: bytes | None) -> Path:
    """The stand-in for the official wheel; ``changed`` members (by stem) differ or, if None, are absent."""
    with zipfile.ZipFile(folder / WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mediapipe/__init__.py", "raise SystemExit('must not be run')")
        for name, asset in assets.ASSETS.items():
            content = changed.get(Path(name).stem, CONTENT[name])
            if content is not None:
                archive.writestr(asset.member, content)
    return folder / WHEEL


class FakePip:
    """Stands in for ``subprocess.run``: makes the wheel, or fails as pip does."""

    def __init__(
        self, make: Callable[[Path], object] = _wheel, stderr: str = "", returncode: int = 0
    ) -> None:
        self.make, self.stderr, self.returncode = make, stderr, returncode
        self.commands: list[list[str]] = []

    def __call__(self, command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self.returncode == 0:
            self.make(Path(command[command.index("-d") + 1]))
        return subprocess.CompletedProcess(command, self.returncode, "", self.stderr)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pip:
    """Installs a ``FakePip``, small stand-ins for the assets, and a cache of its own."""
    monkeypatch.setattr(assets, "ASSETS", {name: _asset(name) for name in ASSETS})
    monkeypatch.setattr(assets.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "cache" / name))

    def install(*arguments: object, **options: object) -> FakePip:
        fake = FakePip(*arguments, **options)  # type: ignore[arg-type]
        monkeypatch.setattr(assets.subprocess, "run", fake)
        return fake

    return install


def _leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name not in ASSETS)


def test_the_first_call_fetches_all_and_the_next_none(pip: Pip, tmp_path: Path) -> None:
    fake, said = pip(), []
    store = AssetStore(report=said.append)
    path = store.path(SHORT)
    assert path == tmp_path / "cache" / "stream_mer" / "assets" / SHORT
    assert path.read_bytes() == CONTENT[SHORT]
    assert len(said) == 2
    for name in ASSETS:
        assert AssetStore().path(name).read_bytes() == CONTENT[name]
    assert len(fake.commands) == 1
    assert _leftovers(tmp_path) == []


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> Path:
    """A MediaPipe that has the short-range model, and must not be imported."""
    package = folder / "site" / "mediapipe"
    package.joinpath("modules").mkdir(parents=True)
    package.joinpath("__init__.py").write_text("raise SystemExit('must not be run')")
    package.joinpath("modules", SHORT).write_bytes(content)
    spec = spec_from_file_location("mediapipe", package / "__init__.py")
    monkeypatch.setattr(assets, "find_spec", lambda name: {"mediapipe": spec}[name])
    return package / "modules" / SHORT


def test_a_model_of_the_installed_mediapipe_is_used_as_it_lies(
    pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = pip()
    path = _install(tmp_path, monkeypatch, CONTENT[SHORT])
    assert AssetStore().path(SHORT) == path
    assert AssetStore(offline=True).path(SHORT) == path
    assert fake.commands == []
    with pytest.raises(AssetError):  # who gives a folder means that folder
        AssetStore(tmp_path / "given").path(SHORT)


def test_a_changed_model_of_the_installed_mediapipe_is_not_used(
    pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = pip()
    path = _install(tmp_path, monkeypatch, CONTENT[SHORT] + b"x")
    assert AssetStore().path(SHORT) != path
    assert len(fake.commands) == 1


def test_pip_is_the_users_own_and_runs_no_foreign_code(pip: Pip) -> None:
    fake = pip()
    AssetStore().path(SHORT)
    command = fake.commands[0]
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert "mediapipe==0.10.21" in command
    assert {"--no-deps", "--only-binary=:all:", "--platform", "--no-input"} <= set(command)
    assert not [word for word in command if "index" in word or "://" in word]
    assert not Path(command[command.index("-d") + 1]).exists()  # the 36 MB do not stay


def test_a_damaged_file_in_the_cache_is_fetched_again(pip: Pip) -> None:
    fake, said = pip(), []
    store = AssetStore(report=said.append)
    path = store.path(SHORT)
    path.write_bytes(CONTENT[SHORT][:-1])
    assert store.path(SHORT).read_bytes() == CONTENT[SHORT]
    assert len(fake.commands) == 2
    assert any("damaged" in line for line in said)


def _message(caught: pytest.ExceptionInfo[AssetError]) -> str:
    text = str(caught.value)
    assert len(text.splitlines()) <= 3
    assert isinstance(caught.value, OSError)
    assert caught.value.exit_code == 4
    return text


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        ("/usr/bin/python3: No module named pip\n", "-m ensurepip"),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken\nERROR: No matching\n",
            "cannot be reached",
        ),
        ("ERROR: Could not find a version at https://me:secret@host/simple\n", "Could not find a version"),
        ("", "pip gave no reason"),
    ],
    ids=["no pip", "no network", "no such version", "silent"],
)
def test_a_failed_download_says_why_and_what_to_do(pip: Pip, tmp_path: Path, stderr: str, says: str) -> None:
    pip(stderr=stderr, returncode=1)
    with pytest.raises(AssetError) as caught:
        AssetStore().path(SHORT)
    text = _message(caught)
    assert says in text
    assert "secret" not in text
    assert "--assets DIR" in text
    assert " ".join(PIP_DOWNLOAD) in text
    assert _leftovers(tmp_path) == []


def test_a_python_that_cannot_be_started(pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    pip()

    def missing(*_arguments: object, **_options: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(assets.subprocess, "run", missing)
    with pytest.raises(AssetError, match="cannot start") as caught:
        AssetStore().path(SHORT)
    _message(caught)


def test_a_pip_that_makes_nothing(pip: Pip) -> None:
    pip(make=lambda folder: None)
    with pytest.raises(AssetError, match="although it reported success"):
        AssetStore().path(SHORT)


@pytest.mark.parametrize(
    ("member", "says"),
    [(b"something else", "expected"), (None, "does not contain"), (b"x" * 10_000_000, "expected")],
    ids=["other content", "absent", "bomb"],
)
def test_a_wheel_with_wrong_content_is_refused(
    pip: Pip, tmp_path: Path, member: bytes | None, says: str
) -> None:
    pip(make=lambda folder: _wheel(folder, face_landmark=member))
    with pytest.raises(AssetError, match=says) as caught:
        AssetStore().path("face_landmark.tflite")
    _message(caught)
    assert _leftovers(tmp_path) == []
    assert not (AssetStore().folder / "face_landmark.tflite").exists()


@pytest.mark.parametrize("keep", [0, 100, 600])
def test_a_cut_off_wheel_is_refused(pip: Pip, tmp_path: Path, keep: int) -> None:
    def cut(folder: Path) -> None:
        wheel = _wheel(folder)
        wheel.write_bytes(wheel.read_bytes()[:keep])

    pip(make=cut)
    with pytest.raises(AssetError, match="damaged") as caught:
        AssetStore().path(SHORT)
    _message(caught)
    assert _leftovers(tmp_path) == []


def test_a_wheel_with_damaged_bytes_is_refused(pip: Pip) -> None:
    def flip(folder: Path) -> None:
        wheel = _wheel(folder)
        content = bytearray(wheel.read_bytes())
        start = content.index(b"mediapipe/modules/" + SHORT.encode()) + len("mediapipe/modules/") + len(SHORT)
        content[start + 20 : start + 40] = bytes(20)
        wheel.write_bytes(content)

    pip(make=flip)
    with pytest.raises(AssetError) as caught:
        AssetStore().path(SHORT)
    _message(caught)


def test_an_interrupted_write_leaves_nothing(
    pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip()

    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(assets.os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            AssetStore().path(SHORT)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert AssetStore().path(SHORT).read_bytes() == CONTENT[SHORT]


def test_a_full_disk_is_told(pip: Pip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(assets.os, "fsync", full)
    with pytest.raises(AssetError, match="No space left") as caught:
        AssetStore().path(SHORT)
    assert "--assets DIR" in _message(caught)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_cache_that_is_a_file_is_told(pip: Pip, tmp_path: Path) -> None:
    pip()
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(AssetError, match="cannot write"):
        AssetStore().path(SHORT)


class TestGivenFolder:
    """``--assets DIR``: nothing is ever downloaded."""

    @pytest.fixture(autouse=True)
    def no_download(self, pip: Pip) -> None:
        def refuse(_folder: Path) -> None:
            raise AssertionError("downloaded although a folder was given")

        pip(make=refuse)

    def test_files_are_used_where_they_are(self, tmp_path: Path) -> None:
        for name, content in CONTENT.items():
            (tmp_path / name).write_bytes(content)
        assert AssetStore(tmp_path).path(SHORT) == tmp_path / SHORT

    def test_a_missing_file_is_named_with_digest_and_command(self, tmp_path: Path) -> None:
        folder = tmp_path / "with space"
        with pytest.raises(AssetError) as caught:
            AssetStore(folder).path(SHORT)
        text = _message(caught)
        assert str(folder / SHORT) in text
        assert assets.ASSETS[SHORT].sha256 in text
        assert f"{' '.join(PIP_DOWNLOAD)} -d '{folder}'" in text

    def test_a_wrong_file_is_named_and_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / SHORT).write_bytes(b"mine")
        with pytest.raises(AssetError) as caught:
            AssetStore(tmp_path).path(SHORT)
        text = _message(caught)
        assert hashlib.sha256(b"mine").hexdigest() in text
        assert assets.ASSETS[SHORT].sha256 in text
        assert (tmp_path / SHORT).read_bytes() == b"mine"

    def test_the_wheel_itself_is_enough(self, tmp_path: Path) -> None:
        _wheel(tmp_path)
        for name in ASSETS:
            assert AssetStore(tmp_path).path(name).read_bytes() == CONTENT[name]

    def test_a_read_only_folder_with_the_wheel_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(**_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        _wheel(tmp_path)
        monkeypatch.setattr(assets.tempfile, "mkstemp", denied)  # root may write into any folder
        with pytest.raises(AssetError, match="cannot write"):
            AssetStore(tmp_path).path(SHORT)

    def test_offline_uses_the_cache_but_does_not_fetch(self) -> None:
        with pytest.raises(AssetError, match="downloads are switched off"):
            AssetStore(offline=True).path(SHORT)


def test_an_unknown_name_is_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        AssetStore(tmp_path).path("other.tflite")


def test_first_runs_at_once_do_not_disturb_each_other(pip: Pip, tmp_path: Path) -> None:
    fake = pip()
    start = threading.Barrier(8)
    contents: list[bool] = []

    def run() -> None:
        start.wait(10)
        contents.extend(AssetStore().path(name).read_bytes() == CONTENT[name] for name in ASSETS)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert contents == [True] * 24
    assert 1 <= len(fake.commands) <= 8
    assert _leftovers(tmp_path) == []


@pytest.mark.assets
def test_the_true_files_are_what_the_table_says(assets_dir: Path) -> None:
    for name, asset in ASSETS.items():
        content = (assets_dir / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (asset.size, asset.sha256)
