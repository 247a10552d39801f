"""cameras.toml: what is wrong is said with its place, and no secret is ever repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.app.cameras import load_cameras
from stream_mer.errors import ConfigError

SECRET = "hunter2"


def load(folder: Path, text: str):  # type: ignore[no-untyped-def]
    path = folder / "cameras.toml"
    path.write_text(text, encoding="utf-8")
    return load_cameras(path)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("p@ss/w:rd\n")
    config = load(
        tmp_path,
        """
        web = "127.0.0.1:8080"
        record = "rec"
        keep_days = 7
        keep_gb = 1.5
        keep_thumbnails = true
        webhook = "https://example.org/hook"
        webhook_token_file = "pw"
        mqtt = "mqtt://broker/x"
        engine = "compact-x4"
        detector = "short"
        threshold = 0.9
        [[camera]]
        name = "door"
        source = "rtsp://10.0.0.5/ch1"
        username = "admin"
        password_file = "pw"
        redact = true
        [[camera]]
        name = "hall"
        source = 0
        detector = "full"
        record = false
        [[camera]]
        name = "film"
        source = "clip.mp4"
        """,
    )
    door, hall, film = config.cameras
    assert door.source == "rtsp://admin:p%40ss%2Fw%3Ard@10.0.0.5/ch1"
    assert (door.settings.redact, hall.settings.redact) == (True, False)
    assert (door.settings.detector, hall.settings.detector) == ("short", "full")
    assert {camera.settings.threshold for camera in config.cameras} == {0.9}
    assert (hall.source, hall.record) == ("0", False)
    assert film.source == str(tmp_path / "clip.mp4"), "paths are the file's neighbours"
    assert config.record == tmp_path / "rec"
    assert config.deliver.webhook_token == "p@ss/w:rd"
    assert "p@ss" not in repr(config)
    assert "p%40ss" not in repr(config)


CAMERA = '[[camera]]\nname = "door"\nsource = "rtsp://u:hunter2@h/x"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no camera"),
        ("camera = 3", "'camera' is a whole number"),
        ("camera = [3]", "no camera"),
        ("[[camera]]\nname = 'a'", "'source' is missing"),
        ("[[camera]]\nsource = '0'", "camera number 1: 'name' is missing"),
        ("[[camera]]\nname = '../a'\nsource = '0'", "not plain"),
        (CAMERA + "sourc = 'x'", "camera 'door': unknown key 'sourc'\ndid you mean 'source'"),
        (CAMERA + "engine = 'x'", "'engine' is shared by all cameras"),
        (CAMERA + "threshold = 'high'", "'threshold' is a text in quotes\ngive a whole number or a number"),
        (CAMERA + "threshold = true", "'threshold' is true or false"),
        (CAMERA + "threshold = 7", "camera 'door': --threshold 7 is not possible"),
        (CAMERA + CAMERA, "two cameras have this name"),
        (CAMERA + CAMERA.replace("door", "DOOR"), "two cameras have this name"),
        (CAMERA + "username = 'u'", "username and password_file go together"),
        (CAMERA + "username = 'u'\npassword_file = 'none'", "takes no username"),
        ("keep_gb = 3\n" + CAMERA, "need record"),
        ("keep_gb = -3\nrecord = 'x'\n" + CAMERA, "more than 0"),
        ("keep_thumbnails = true\n" + CAMERA, "nobody would see"),
        ("web_token_file = 'none'\n" + CAMERA, "cannot read web_token_file none"),
        (CAMERA * 1 + "x = ", "is not TOML"),
        ("password = 'hunter2'\n" + CAMERA, "unknown key 'password'"),
        ("record = ''\n" + CAMERA, "'record' is empty"),  # else: recorded beside the file
        (CAMERA.replace("rtsp://", "ftp://"), "camera 'door': cannot open ftp://***@h/x: the scheme 'ftp'"),
        (CAMERA.replace("h/x", "h/a b"), "camera 'door': the address rtsp://*** holds white space"),
        ("[[camera]]\nname = 'a'\nsource = ''", "'source' is empty"),
        ("[[camera]]\nname = 'a'\nsource = -1", "there is no camera -1"),
        ("[camera]\nname = 'a'\nsource = '0'", "give tables: [[camera]], with two brackets"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    said = str(caught.value)
    assert words in said
    assert "cameras.toml" in said
    assert 2 <= len(said.splitlines()) <= 3
    assert SECRET not in said


def test_a_file_from_an_editor_that_marks_its_encoding(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + CAMERA).cameras[0].name == "door"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_cameras(tmp_path / "none.toml")


_values = st.one_of(
    st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=8), st.just(SECRET)
)


@given(st.dictionaries(st.sampled_from(["web", "record", "threads", "sr", "camera", "mqtt", "x"]), _values))
def test_any_table_is_read_or_refused_without_its_secrets(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, object]
) -> None:
    plain = {"web", "record", "sr"}  # addresses and choices are repeated in messages, and may be
    table = {key: "x" if value == SECRET and key in plain else value for key, value in table.items()}
    lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
    text = "\n".join([*lines, *([] if "camera" in table else [CAMERA])])
    try:
        config = load(tmp_path_factory.mktemp("any"), text)
    except ConfigError as error:
        assert SECRET not in str(error)  # noqa: PT017
    else:
        assert SECRET not in repr(config)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        inside = "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) < 0xE000)
        return f'"{inside}"' if value != SECRET else f'"{SECRET}"'
    return {float("inf"): "inf", float("-inf"): "-inf"}.get(value, repr(value))  # type: ignore[call-overload]
