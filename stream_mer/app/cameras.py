"""Reads ``cameras.toml``, the file that says which cameras ``stream-mer serve`` watches, and how."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stream_mer.app.sources import open_source
from stream_mer.capture.redact import redact
from stream_mer.config import Settings
from stream_mer.errors import ConfigError, StreamMerError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_CAMERAS = 64
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
"""A camera's name is a folder's name and a label in metrics, so it must be a plain one."""
SHARED = ("engine", "classifier", "device", "backend", "threads", "assets")
"""Settings of the networks, which all cameras share: only at the top of the file."""
OWN = ("sr", "detector", "min_duration_s", "max_duration_s", "threshold", "redact", "max_faces", "overlay")
"""Settings a camera may have for itself; at the top of the file they are every camera's default."""


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """One camera. ``source`` may hold credentials, so it is neither printed nor shown in ``repr``."""

    name: str
    source: str = field(repr=False)
    settings: Settings
    record: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where events are sent. Addresses and passwords are not shown in ``repr``."""

    webhook: str | None = field(default=None, repr=False)
    webhook_token: str | None = field(default=None, repr=False)
    mqtt: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """The whole file."""

    cameras: tuple[CameraConfig, ...]
    settings: Settings
    web: str | None = None
    web_token: str | None = field(default=None, repr=False)
    record: Path | None = None
    keep_days: float | None = None
    keep_gb: float | None = None
    keep_thumbnails: bool = False
    deliver: Delivery = Delivery()


_TOP: dict[str, tuple[type, ...]] = {
    "web": (str,),
    "web_token": (str,),
    "web_token_file": (str,),
    "record": (str,),
    "keep_days": (int, float),
    "keep_gb": (int, float),
    "keep_thumbnails": (bool,),
    "webhook": (str,),
    "webhook_token_file": (str,),
    "mqtt": (str,),
    "camera": (list,),
}
_CAMERA: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "source": (str, int),
    "username": (str,),
    "password_file": (str,),
    "record": (bool,),
}
_SETTING: dict[str, tuple[type, ...]] = {
    "threads": (int,),
    "min_duration_s": (int, float),
    "max_duration_s": (int, float),
    "threshold": (int, float),
    "overlay": (bool,),
    "redact": (bool,),
    "max_faces": (int,),
}


def load_cameras(path: Path) -> FleetConfig:
    """Read and check the file; paths in it are relative to its folder.

    Raises:
        ConfigError: not there, not TOML, an unknown key, a wrong type, a value out of range, two
            cameras of one name, or none at all. Values are never repeated in the message where they
            might hold a password.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows begin with a mark
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror or error}\ngive a file like the one in the README"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = re.search(r"\(at [^)]*\)", str(error))  # the rest may quote the line, password and all
        raise ConfigError(
            f"{path} is not TOML {where[0] if where else ''}\nstrings need quotes, tables need [[camera]]"
        ) from None
    return _Reader(path).fleet(table)


class _Reader:
    """Checks tables and says where in the file something is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fleet(self, table: Mapping[str, Any]) -> FleetConfig:
        shared = (*SHARED, *OWN)
        self._check(table, {**_TOP, **_types(shared)}, "at the top")
        common = self._settings(table, shared, Settings(), "at the top")
        entries = table.get("camera", [])
        if not entries or not all(isinstance(entry, dict) for entry in entries):
            raise self._error(
                "at the top", "there is no camera", "add a table [[camera]] with name and source"
            )
        if len(entries) > MOST_CAMERAS:
            raise self._error(
                "at the top", f"{len(entries)} cameras", f"one machine serves at most {MOST_CAMERAS}"
            )
        cameras = tuple(self._camera(entry, number, common) for number, entry in enumerate(entries, 1))
        names = [camera.name.lower() for camera in cameras]
        twice = next((camera.name for camera in cameras if names.count(camera.name.lower()) > 1), None)
        if twice is not None:
            raise self._error(f"camera {twice!r}", "two cameras have this name", "give each its own")
        if table.get("keep_thumbnails") and not table.get("record") and not table.get("web"):
            raise self._error("at the top", "keep_thumbnails without record or web", "nobody would see them")
        if (table.get("keep_days") is not None or table.get("keep_gb") is not None) and not table.get(
            "record"
        ):
            raise self._error("at the top", "keep_days and keep_gb need record", 'add record = "FOLDER"')
        for key in ("keep_days", "keep_gb"):
            if table.get(key) is not None and not 0 < table[key] < 1e6:
                raise self._error("at the top", f"{key} = {table[key]}", "give more than 0")
        token = table.get("web_token")
        if "web_token_file" in table:
            token = self._secret(table["web_token_file"], "at the top", "web_token_file")
        hook_token = None
        if "webhook_token_file" in table:
            hook_token = self._secret(table["webhook_token_file"], "at the top", "webhook_token_file")
        return FleetConfig(
            cameras,
            common,
            table.get("web"),
            token,
            self._path.parent / table["record"] if "record" in table else None,
            table.get("keep_days"),
            table.get("keep_gb"),
            bool(table.get("keep_thumbnails", False)),
            Delivery(table.get("webhook"), hook_token, table.get("mqtt")),
        )

    def _camera(self, table: Mapping[str, Any], number: int, common: Settings) -> CameraConfig:
        name = table.get("name")
        where = f"camera {name!r}" if isinstance(name, str) and name else f"camera number {number}"
        self._check(table, {**_CAMERA, **_types(OWN)}, where, SHARED)
        for key in ("name", "source"):
            if key not in table:
                raise self._error(where, f"{key!r} is missing", f'add {key} = "…"')
        if not NAME.fullmatch(table["name"]):
            raise self._error(
                where, "the name is not plain", "use letters, digits, space, . _ - (40 at most)"
            )
        return CameraConfig(
            table["name"],
            self._checked(self._source(table, where), where),
            self._settings(table, OWN, common, where),
            bool(table.get("record", True)),
        )

    def _checked(self, source: str, where: str) -> str:
        """The source, if it could be opened at all: what never can would be tried for ever."""
        try:
            open_source(source, paced=True)
        except StreamMerError as error:
            raise ConfigError(f"{self._path}, {where}: {error}") from None
        return source

    def _source(self, table: Mapping[str, Any], where: str) -> str:
        source = str(table["source"])
        if isinstance(table["source"], int) and table["source"] < 0:
            raise self._error(where, f"there is no camera {source}", "count them from 0")
        if "username" not in table and "password_file" not in table:
            path = self._path.parent / source
            return str(path) if not source.isdecimal() and "://" not in source else source
        if not {"username", "password_file"} <= table.keys():
            raise self._error(where, "username and password_file go together", "give both or none")
        scheme, mark, rest = source.partition("://")
        if not mark or "@" in rest.partition("/")[0]:
            raise self._error(
                where, f"source {redact(source)} takes no username", "give scheme://host/path without one"
            )
        password = self._secret(table["password_file"], where, "password_file")
        return f"{scheme}://{quote(table['username'], safe='')}:{quote(password, safe='')}@{rest}"

    def _secret(self, name: str, where: str, key: str) -> str:
        try:
            text = (self._path.parent / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not text"
            raise self._error(where, f"cannot read {key} {name}: {reason}", "check its place") from None
        if not text:
            raise self._error(where, f"{key} {name} is empty", "put the secret on its first line")
        return text

    def _settings(
        self, table: Mapping[str, Any], keys: tuple[str, ...], base: Settings, where: str
    ) -> Settings:
        given = {key: table[key] for key in keys if key in table}
        if "assets" in given:
            given["assets"] = self._path.parent / given["assets"]
        try:
            return replace(base, **given)
        except ConfigError as error:
            raise ConfigError(f"{self._path}, {where}: {error}") from None

    def _check(
        self,
        table: Mapping[str, Any],
        known: Mapping[str, tuple[type, ...]],
        where: str,
        elsewhere: tuple[str, ...] = (),
    ) -> None:
        for key, value in table.items():
            if key in elsewhere:
                raise self._error(where, f"{key!r} is shared by all cameras", "put it at the top of the file")
            if key not in known:
                near = get_close_matches(key, known, 1)
                advice = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
                raise self._error(where, f"unknown key {key!r}", advice)
            kinds = known[key]
            if value == "":
                raise self._error(where, f"{key!r} is empty", "give a value, or leave the line out")
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                wanted = " or ".join(_WORDS[kind] for kind in kinds)
                raise self._error(
                    where, f"{key!r} is {_WORDS.get(type(value), 'something else')}", f"give {wanted}"
                )

    def _error(self, where: str, what: str, advice: str) -> ConfigError:
        return ConfigError(f"{self._path}, {where}: {what}\n{advice}")


_WORDS: dict[type, str] = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "tables: [[camera]], with two brackets",
    dict: "a table",
}


def _types(keys: tuple[str, ...]) -> dict[str, tuple[type, ...]]:
    names = {setting.name for setting in fields(Settings)}
    return {key: _SETTING.get(key, (str,)) for key in keys if key in names}
