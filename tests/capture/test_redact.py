"""No credential survives `redact`, whatever it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.capture.redact import redact

CORE = "S3CRET"
ODD = st.text(alphabet=st.sampled_from("@:/?#&=%;'\"\\[]()<>,.!$*+~^|`{}_-aZ9äß漢\u0000"), max_size=12)
PERCENT = st.text(min_size=0, max_size=6).map(lambda s: "".join(f"%{b:02X}" for b in s.encode()))
SECRET = st.builds(lambda a, b: a + CORE + b, ODD | PERCENT, ODD | PERCENT)
SCHEME = st.sampled_from(["rtsp", "rtsps", "http", "https", "rtmp", "srt", "RTSP"])
AROUND = st.sampled_from(
    ["", "cannot open ", "[tcp @ 0x55d] Connection to ", "[Errno 5] Input/output error: '"]
)
AFTER = st.sampled_from(["", "'", " failed: Connection refused", "\nretry", ", trying rtsp://b:c@d/"])


@given(SCHEME, SECRET, AROUND, AFTER)
def test_password_never_survives(scheme: str, password: str, before: str, after: str) -> None:
    text = redact(f"{before}{scheme}://admin:{password}@10.0.0.5:554/ch1{after}")
    assert CORE not in text
    assert "admin" not in text


@given(SCHEME, SECRET)
def test_user_name_alone_never_survives(scheme: str, user: str) -> None:
    assert CORE not in redact(f"{scheme}://{user}@host/x")


@given(
    st.sampled_from(
        ["token", "Password", "key", "api_key", "x-access-token", "sig", "passphrase", "pwd", "auth"]
    ),
    SECRET,
    st.sampled_from(["?", "?fps=25&", "#", "?a=b;", "/", "/channel=1_", "/channel=1,"]),
)
def test_secret_query_value_never_survives(key: str, value: str, start: str) -> None:
    text = redact(f"open https://host/live{start}{key}={value}&size=1 failed")
    assert CORE not in text
    assert text.endswith(" failed")


@given(SCHEME, SECRET, SECRET)
def test_password_and_token_together(scheme: str, password: str, token: str) -> None:
    assert CORE not in redact(f"{scheme}://u:{password}@h/x?token={token}")


@given(st.text() | st.builds(lambda s, p: f"{s}://u:{p}@h/?key={p}", SCHEME, SECRET))
def test_second_pass_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(alphabet=st.characters(exclude_characters="/")))
def test_text_without_address_is_untouched(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://10.0.0.5:554/ch1?fps=25", "rtsp://10.0.0.5:554/ch1?fps=25"),
        ("rtsp://u:p@10.0.0.5:554/ch1", "rtsp://***@10.0.0.5:554/ch1"),
        ("a rtsp://u:p@h/x, b http://v:q@i/y.", "a rtsp://***@h/x, b http://***@i/y."),
        ("https://h/x?monkey=7&token=9", "https://h/x?monkey=7&token=***"),
        ("//u:p@h/x", "//***@h/x"),
        ("http://u:p?q@h/x", "http://***"),
        ("rtsp://h:554/user=admin_password=tl_channel=1_stream=0.sdp", "rtsp://h:554/user=***"),
        ("rtsp://h/channel=1_password=tl_stream=0.sdp", "rtsp://h/channel=1_password=***"),
        ("rtsp://h/monkey=7/ch1", "rtsp://h/monkey=7/ch1"),
    ],
)
def test_what_is_kept(text: str, expected: str) -> None:
    assert redact(text) == expected
