"""Says in words what went wrong with an address, and whether trying again can help."""

from __future__ import annotations

from stream_mer.errors import SourceDamaged, SourceError, SourceNotFound


class SourceRefused(SourceError):  # noqa: N818 - named like its siblings in the error tree
    """The server wants other credentials or forbids access: trying again would not help.

    Repeating a wrong password locks accounts on many cameras, so this always ends a source.
    """


_REFUSED = {
    "HTTPUnauthorizedError": ("wrong or missing user name and password", "put them right in the address"),
    "HTTPForbiddenError": ("the server forbids access", "ask for the right to view this stream"),
    "PermissionError": ("access is not permitted", "ask for the right to view this stream"),
}
_ABSENT = {
    "HTTPNotFoundError": (
        "the server has nothing under this path",
        "look up the stream's path in the camera's manual",
    ),
    "FileNotFoundError": ("there is nothing at this place", "check the address"),
}
_TROUBLE = {
    "gaierror": ("its host name is not known here", "check its spelling, and this machine's DNS and network"),
    "ConnectionRefusedError": ("nothing listens at this host and port", "is the camera on, the port right?"),
    "TimeoutError": ("no answer in time", "is the camera on and reachable from here?"),
    "ExitError": ("no data in time", "is the camera on and reachable from here?"),
    "ConnectionResetError": ("the other side cut the connection", "try again"),
    "BrokenPipeError": ("the other side cut the connection", "try again"),
    "HTTPServerError": ("the server reports an error of its own", "try again later, or look at its log"),
    "ProtocolNotFoundError": (
        "this FFmpeg was built without the protocol, or the stream leads to one that is not allowed",
        "use rtsp or https, or an FFmpeg with that protocol",
    ),
}
REASONS: dict[str, str] = {
    **dict.fromkeys(_REFUSED, "refused"),
    **dict.fromkeys(_ABSENT, "not_found"),
    "gaierror": "unresolved",
    "ConnectionRefusedError": "unreachable",
    "TimeoutError": "stall",
    "ExitError": "stall",
    "ConnectionResetError": "reset",
    "BrokenPipeError": "reset",
    "HTTPServerError": "server",
}
"""One word for every kind of failure, for counting; what is not here counts as ``other``."""
ENDED = "ended"
"""The word for a connection that was closed in an orderly way."""

_UNREADABLE = ("InvalidDataError", "DecoderNotFoundError", "DemuxerNotFoundError")


def explain(kind: str, reason: str, name: str, *, at_s: float | None = None) -> SourceError:
    """Make the error to raise for a failed address.

    Args:
        kind: Name of the library's exception class, such as ``"HTTPUnauthorizedError"``, or of the
            resolver's, ``"gaierror"``.
        reason: The library's own words, free of credentials, for kinds not known here.
        name: The address, credentials hidden.
        at_s: Time of the last picture, seconds; None while opening.

    Returns:
        ``SourceRefused``, ``SourceNotFound``, ``SourceDamaged`` or plain ``SourceError``, complete.
    """
    error = _error(kind, reason, name, at_s)
    error.reason = REASONS.get(kind, "unreadable" if kind in _UNREADABLE else "other")
    return error


def _error(kind: str, reason: str, name: str, at_s: float | None) -> SourceError:
    what = f"cannot open {name}" if at_s is None else f"{name} broke off at {at_s:.1f} s"
    if kind in _REFUSED:
        why, remedy = _REFUSED[kind]
        return SourceRefused(f"{what}: {why}\n{remedy}")
    if kind in _ABSENT:
        why, remedy = _ABSENT[kind]
        return SourceNotFound(f"{what}: {why}\n{remedy}")
    if kind in _UNREADABLE:
        return SourceDamaged(f"{what}: {reason}\nwhat is sent there is no video FFmpeg can read")
    why, remedy = _TROUBLE.get(kind, (reason, "check host, port and network"))
    return SourceError(f"{what}: {why}\n{remedy}")
