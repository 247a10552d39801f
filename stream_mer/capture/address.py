"""Decides what an address means and what FFmpeg may do with it, before anything is opened."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from stream_mer.capture.redact import redact
from stream_mer.errors import SourceError, SourceNotFound

_TLS = "tls,tcp,udp"
PROTOCOLS: MappingProxyType[str, str] = MappingProxyType(
    {
        "rtsp": f"rtsp,rtp,srtp,http,httpproxy,{_TLS}",
        "rtsps": f"rtsp,rtsps,rtp,srtp,{_TLS}",
        "http": f"http,https,httpproxy,crypto,{_TLS}",
        "https": f"http,https,httpproxy,crypto,{_TLS}",
        "rtmp": f"rtmp,rtmps,rtmpt,rtmpts,rtmpe,ffrtmphttp,http,https,{_TLS}",
        "rtmps": f"rtmp,rtmps,rtmpt,rtmpts,rtmpe,ffrtmphttp,http,https,{_TLS}",
        "srt": "srt,udp",
        "udp": "udp",
    }
)
"""Schemes that are opened at all, each with the protocols a stream of it may lead to. None of them
leads to ``file``: a play list from the network must not read this machine's disk."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]+)://")


@dataclass(frozen=True, slots=True)
class Opening:
    """How to open one source. ``url`` may hold credentials, ``name`` never does."""

    url: str
    name: str
    path: Path | None
    options: dict[str, str]


def is_address(text: str) -> bool:
    """Whether ``text`` names something on the network (``scheme://…``) and not a file.

    >>> is_address("rtsp://10.0.0.5/ch1"), is_address("C:/clip.mp4"), is_address("file:///clip.mp4")
    (True, False, False)
    """
    match = _SCHEME.match(text)
    return match is not None and match["scheme"].lower() != "file"


def resolve(address: str | Path, read_timeout_s: float) -> Opening:
    """Say how ``address`` is to be opened.

    Args:
        address: A path, or an address with one of the schemes of ``PROTOCOLS`` or ``file``.
        read_timeout_s: Longest silence of a network source, seconds.

    Raises:
        SourceNotFound: No such file.
        SourceError: Not a file, not readable, empty name, or an address that is not accepted.
    """
    text = str(address)
    if isinstance(address, str) and is_address(text):
        return _resolve_address(text, read_timeout_s)
    match = _SCHEME.match(text) if isinstance(address, str) else None
    path = Path(unquote(urlsplit(text).path)) if match else Path(address)
    _check_file(path, text)
    # "file:" keeps FFmpeg from reading a name such as "data:…" or "rtsp:x.mp4" as an address.
    # Events and messages carry the name as text: bytes that are no UTF-8 are spelled out.
    name = text.encode("utf-8", "backslashreplace").decode()
    return Opening(f"file:{path}", name, path, {"protocol_whitelist": "file"})


def _resolve_address(text: str, read_timeout_s: float) -> Opening:
    scheme = text.partition("://")[0].lower()
    if any(char.isspace() for char in text):
        raise SourceError(
            f"the address {scheme}://*** holds white space\nwrite it percent-encoded (%20 for a space)"
        )
    if scheme not in PROTOCOLS:
        raise SourceError(
            f"cannot open {redact(text)}: the scheme {scheme!r} is not accepted\n"
            f"use a file, a camera number, or one of {', '.join(sorted(PROTOCOLS))}"
        )
    options = {"protocol_whitelist": PROTOCOLS[scheme]}
    if scheme in ("rtsp", "rtsps"):
        # Over UDP a camera's key frames arrive with holes; the socket's own time limit, in
        # microseconds, also covers reads that FFmpeg does not let the caller interrupt.
        options |= {"rtsp_transport": "tcp", "timeout": str(round(read_timeout_s * 1e6))}
    return Opening(text, redact(text), None, options)


def is_unresolved(url: str) -> bool:
    """Whether an address names a host that has no network address just now; asks the system's resolver.

    >>> is_unresolved("rtsp://admin:secret@127.0.0.1:554/ch1"), is_unresolved("rtsp://camera.invalid/ch1")
    (False, True)
    """
    try:
        socket.getaddrinfo(urlsplit(url).hostname, None)
    except (socket.gaierror, UnicodeError):  # the second: what cannot be a name, such as one of 64 letters
        return True
    except ValueError:  # brackets in a password: not for us to say what the host is
        return False
    return False


def _check_file(path: Path, text: str) -> None:
    if not text.strip():
        raise SourceError("the source has an empty name\ngive a file, a camera number or an address")
    if "\0" in text:
        raise SourceNotFound(f"no such file: {text!r}\na file name cannot hold a zero byte")
    try:
        if path.is_dir():
            os.scandir(path).close()
            raise SourceError(f"{text!r} is a folder, not a video\ngive one of the files inside it")
        if not path.exists():
            raise SourceNotFound(f"no such file: {text!r}\ncheck the spelling and the folder it is in")
        if not path.is_file():
            raise SourceError(f"{text!r} is not a regular file\ncopy the video to a file first")
        with path.open("rb") as file:
            file.read(1)
    except PermissionError:
        raise SourceError(f"no permission to read {text!r}\nchange its rights or its owner") from None
    except SourceError:  # ours, which is an OSError, too
        raise
    except OSError as error:  # a bad disk, a server that is gone
        raise SourceError(f"cannot read {text!r}: {error.strerror}\ncheck the disk") from error


def content_digest(opening: Opening) -> str:
    """sha256 (hexadecimal) of a file's bytes, or of an address without its credentials.

    Raises:
        SourceError: The file cannot be read to its end.
    """
    if opening.path is None:
        return hashlib.sha256(opening.name.encode()).hexdigest()
    try:
        return file_digest(opening.path)
    except OSError as error:
        raise SourceError(f"cannot read {opening.name!r}: {error.strerror}\ncheck the disk") from error


def file_digest(path: Path) -> str:
    """sha256 (hexadecimal) of a file's bytes, whatever its size.

    Raises:
        OSError: It cannot be read to its end.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
