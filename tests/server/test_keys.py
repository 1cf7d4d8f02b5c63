"""minilm/server/keys.py: the headers that carry a key, which keys pass, and the file of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from minilm.server.keys import key_refusal, read_keys

KEYS = ("first", "second,with,commas")
NONE = "no key was sent: send it as 'Authorization: Bearer KEY', 'api-key: KEY' or 'X-API-Key: KEY'"
WRONG = "the key that was sent is not one of this server's"


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([(b"authorization", b"Bearer first")], None),
        ([(b"authorization", b"bearer  first ")], None),
        ([(b"api-key", b"second,with,commas")], None),
        ([(b"x-api-key", b"first")], None),
        ([(b"x-api-key", b"first"), (b"api-key", b"first"), (b"authorization", b"Bearer first")], None),
        ([(b"authorization", b"Basic dXNlcg=="), (b"api-key", b"first")], None),  # a proxy asked for that
        ([], NONE),
        ([(b"authorization", b"Bearer ")], NONE),
        ([(b"api-key", b"")], NONE),
        ([(b"authorization", b"first")], NONE),
        ([(b"authorization", b"Basic first")], NONE),
        ([(b"authorization", b"Bearer firs")], WRONG),
        ([(b"authorization", b"Bearer first second")], WRONG),
        ([(b"x-api-key", b"FIRST")], WRONG),
        ([(b"x-api-key", b"second")], WRONG),
        ([(b"x-api-key", b"\xff\xfe")], WRONG),
        (
            [(b"authorization", b"Bearer none"), (b"api-key", b"first")],
            "different keys were sent, in Authorization and api-key: send one",
        ),
        (
            [(b"api-key", b"first"), (b"api-key", b"wrong")],
            "different keys were sent, in api-key and api-key: send one",
        ),
    ],
)
def test_a_key_may_come_in_three_headers(headers: list[tuple[bytes, bytes]], refusal: str | None) -> None:
    error = key_refusal(headers, KEYS)
    assert (error and error.detail) == refusal
    if error is not None:
        assert error.status_code == 401
        assert error.code == ("missing_api_key" if refusal == NONE else "invalid_api_key")
        assert error.headers == {"connection": "close", "www-authenticate": "Bearer"}


def test_a_file_of_keys_has_comments_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"\xef\xbb\xbf# of the search team\r\nfirst\r\n\r\n  second#2  \r\n")
    assert read_keys(str(path)) == ("first", "second#2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", " has no key: write one per line"),
        (b"# only a comment\n", " has no key: write one per line"),
        (b"good\nsecret # mine\n", ":2: a key must be printable ASCII without spaces"),
        (b"\xffsecret", ":1: a key must be printable ASCII without spaces"),
        (b"sec\0ret", ":1: a key must be printable ASCII without spaces"),
    ],
)
def test_a_wrong_file_of_keys_is_named_and_no_key_is_shown(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="key") as error:
        read_keys(str(path))
    assert str(error.value) == f"{path}{message}"
