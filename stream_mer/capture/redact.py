"""Takes passwords out of addresses before anything is shown or stored.

Everything after ``//`` up to the last ``@`` of an unbroken run of text counts as credentials, so a
password may hold ``@``, ``:`` or ``/`` and still not survive; so does everything from the value of a
key such as ``token=`` on, also in a path, where many cameras want it. Where it is doubtful what is
secret, more is hidden rather than less.
"""

from __future__ import annotations

import re

MASK = "***"

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*:)?//(?P<rest>\S+)")
_SECRET_KEYS = (
    "access_?key|access_?token|api_?key|auth|authorization|credentials?|jwt|key|passphrase|passwd|"
    "password|pass|pwd|secret|sig|signature|token|user|username"
)
_SECRET_PAIR = re.compile(rf"(?P<key>(?:[?&;#/,](?:[\w\-]*[_\-])?|_)(?:{_SECRET_KEYS})=)\S*", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide the credentials of every address in ``text``.

    Works on a bare address as well as on a sentence or a library's error message holding one. A
    second pass changes nothing. An address with white space inside its password is not an address
    any more and is cut only up to that space; such addresses are refused when a source is opened.

    Args:
        text: Anything.

    Returns:
        The same text, with ``***`` for user names, passwords and secret query values.

    >>> redact("cannot open rtsp://admin:p@ss/w@10.0.0.5:554/ch1?fps=25&token=abc")
    'cannot open rtsp://***@10.0.0.5:554/ch1?fps=25&token=***'
    """
    return _ADDRESS.sub(_redact_address, text)


def _redact_address(match: re.Match[str]) -> str:
    start = f"{match['scheme'] or ''}//"
    credentials, at, rest = match["rest"].rpartition("@")
    if any(mark in credentials for mark in "?&;#") or _SECRET_PAIR.search(credentials):
        # Either the password holds a '?' or a secret value holds an '@': no telling which part is
        # the secret, so nothing of it is kept.
        return start + MASK
    return start + (MASK + at if at else "") + _SECRET_PAIR.sub(rf"\g<key>{MASK}", rest)
