"""minilm/server/content_encoding.py: compressed bodies, and compressed answers."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    zstd = pytest.importorskip("backports.zstd", reason="the extra serve is not installed")

from minilm.server.content_encoding import answer_coding, decode
from minilm.server.responses import RequestError
from tests.serving import Server

TEXTS = json.dumps({"inputs": ["one text"] * 64}).encode()
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
    "identity": bytes,
    "identity, gzip": gzip.compress,
}
LIMIT = 8 * 2**20


def ask(server: Server, body: bytes, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/embed", body, {"Content-Type": "application/json", **names})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coded_body_is_answered_as_the_body_itself(server: Server, coding: str) -> None:
    _, plain = ask(server, TEXTS)
    answer, content = ask(server, CODINGS[coding](TEXTS), Content_Encoding=coding)
    assert (answer.status, content) == (200, plain)


@pytest.mark.parametrize("coding", ["br", "gzip, zstd", "gzip, gzip", "compress", "aws-chunked"])
def test_other_codings_are_refused_with_what_is_taken(server: Server, coding: str) -> None:
    answer, content = ask(server, b"x" * 100, Content_Encoding=coding)
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, deflate, zstd")
    assert f"Content-Encoding: {coding} is not decoded" in json.loads(content)["error"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize("fault", ["cut", "corrupt", "followed", "plain"])
def test_a_broken_stream_is_refused(server: Server, coding: str, fault: str) -> None:
    whole = CODINGS[coding](TEXTS)
    body = {
        "cut": whole[:-1],
        "corrupt": whole[:10] + b"\xff\xff" + whole[12:],
        "followed": whole * 2,
        "plain": TEXTS,
    }
    answer, content = ask(server, body[fault], Content_Encoding=coding)
    assert answer.status == 400
    reason = {"cut": "it ends too early", "followed": "bytes follow its end; send one stream"}.get(fault, "")
    assert (
        f"the body is not valid {coding}, which its Content-Encoding says: {reason}"
        in json.loads(content)["error"]
    )


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_refused(server: Server, coding: str) -> None:
    bomb = CODINGS[coding](bytes(40 * LIMIT))
    answer, content = ask(server, bomb, Content_Encoding=coding)
    assert answer.status == 413
    assert (
        json.loads(content)["error"]
        == "the decoded body is longer than this server's limit of 8,388,608 bytes"
    )


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bomb_takes_no_more_memory_than_the_limit(coding: str) -> None:
    bomb = CODINGS[coding](bytes(100 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match="1,000,000 bytes"):
            decode(bomb, coding, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000  # a list of blocks, and the whole
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_body_may_have_exactly_the_length_of_the_limit(coding: str) -> None:
    assert decode(CODINGS[coding](b"x" * 1000), coding, 1000) == b"x" * 1000
    with pytest.raises(RequestError, match="1,000 bytes"):
        decode(CODINGS[coding](b"x" * 1001), coding, 1000)


def test_a_zstd_frame_that_asks_for_much_memory_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    frame = compressor.compress(b"x") + compressor.flush()
    with pytest.raises(RequestError, match="not valid zstd"):
        decode(frame, "zstd", 1000)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0, zstd;q=0.000", None),
        ("gzip;q=0.2, identity;q=0.8", None),
        ("*", "zstd"),
        ("*;q=0", None),
        ("zstd;q=0, *", "gzip"),
        ("br, deflate", None),
        ("gzip;q=x", None),
    ],
)
def test_the_coding_is_the_one_that_the_client_likes_best(accepted: str, coding: str | None) -> None:
    assert answer_coding(accepted) == coding


@pytest.mark.parametrize(("coding", "decoded"), [("gzip", gzip.decompress), ("zstd", zstd.decompress)])
def test_a_large_answer_is_compressed_where_the_client_accepts_it(
    server: Server, coding: str, decoded: Callable[[bytes], bytes]
) -> None:
    plain, content = ask(server, TEXTS)
    assert plain.headers["content-encoding"] is None
    answer, compressed = ask(server, TEXTS, Accept_Encoding=coding)
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert len(compressed) == int(answer.headers["content-length"]) < len(content) / 2  # equal vectors
    assert decoded(compressed) == content


def test_a_small_answer_is_not_compressed(server: Server) -> None:
    answer, _ = ask(server, b'{"inputs": "a", "dimensions": 2}', Accept_Encoding="gzip")
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == (None, None)
