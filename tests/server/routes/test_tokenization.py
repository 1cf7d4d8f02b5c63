"""minilm/server/routes/tokenization.py: texts to tokens, and token ids to texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from tokenizers import Tokenizer

from minilm import MiniLM
from minilm.server.app import create_app
from tests.checkpoints import MakeCheckpoint

TEXTS = ["Hello, world!", "Hällo wörld 你好", "naïve 🙂 ①", "unaffable [SEP] x", "", "word " * 400]


@pytest.fixture(scope="module")
def library(model: MiniLM) -> Tokenizer:
    """The tokenizers library as the checkpoint's file sets it up, but for truncation and padding."""
    tokenizer = Tokenizer.from_file(str(model.checkpoint.directory / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@pytest.fixture(scope="module")
def client(model: MiniLM) -> Iterator[TestClient]:
    with TestClient(create_app(model)) as client:
        yield client


def expected(library: Tokenizer, text: str, *, special: bool) -> list[dict[str, Any]]:
    """What text-embeddings-inference makes of the library's encoding: places in bytes, none of [CLS]."""
    encoding = library.encode(text, add_special_tokens=special)
    tokens = []
    for index, (start, end) in enumerate(encoding.offsets):
        is_special = encoding.special_tokens_mask[index] == 1
        place = [len(text[:end_of].encode()) for end_of in (start, end)]
        tokens.append(
            {
                "id": encoding.ids[index],
                "text": encoding.tokens[index] if is_special else text[start:end],
                "special": is_special,
                "start": None if is_special else place[0],
                "stop": None if is_special else place[1],
            }
        )
    return tokens


@pytest.mark.parametrize("special", [True, False, None])
def test_tokens_are_those_of_the_library(
    client: TestClient, library: Tokenizer, special: bool | None
) -> None:
    answer = client.post("/tokenize", json={"inputs": TEXTS, "add_special_tokens": special})
    assert answer.json() == [expected(library, text, special=special is not False) for text in TEXTS]
    one = client.post("/tokenize", json={"inputs": TEXTS[1], "add_special_tokens": special})
    assert one.json() == [expected(library, TEXTS[1], special=special is not False)]


def test_places_count_bytes(client: TestClient) -> None:
    [tokens] = client.post("/tokenize", json={"inputs": "ä 你 b", "add_special_tokens": False}).json()
    assert [(t["text"], t["start"], t["stop"]) for t in tokens] == [("ä", 0, 2), ("你", 3, 6), ("b", 7, 8)]


def test_a_prompt_is_tokenized_with_the_text(make_checkpoint: MakeCheckpoint) -> None:
    model = MiniLM(make_checkpoint(), prompts={"query": "q: "})
    with TestClient(create_app(model)) as client:
        [tokens] = client.post("/tokenize", json={"inputs": "a", "prompt_name": "query"}).json()
        assert [t["text"] for t in tokens] == ["[CLS]", "q", ":", "a", "[SEP]"]
        assert (tokens[3]["start"], tokens[3]["stop"]) == (3, 4)
        refused = client.post("/tokenize", json={"inputs": "a", "prompt_name": "nothing"})
        assert "prompt_name" in refused.json()["error"]


@pytest.mark.parametrize("skip", [True, False, None])
def test_ids_are_decoded_as_the_library_decodes_them(
    client: TestClient, library: Tokenizer, skip: bool | None
) -> None:
    rows = [library.encode(text).ids for text in TEXTS]
    texts = [library.decode(row, skip_special_tokens=skip is not False) for row in rows]
    assert client.post("/decode", json={"ids": rows, "skip_special_tokens": skip}).json() == texts
    assert client.post("/decode", json={"ids": rows[0], "skip_special_tokens": skip}).json() == texts[:1]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/tokenize", {"inputs": []}, 400, "inputs is empty"),
        ("/tokenize", {"inputs": [1]}, 422, "inputs[0] is 1: it must be a text"),
        (
            "/tokenize",
            {"inputs": "a" * 64_001},
            413,
            "inputs[0] has 64,001 characters; /tokenize takes 64,000",
        ),
        ("/tokenize", {"inputs": ["a"] * 2049}, 413, "inputs has 2,049 texts"),
        ("/decode", {"ids": []}, 400, "ids is empty"),
        ("/decode", {"ids": [[]]}, 400, "ids[0] has no token ids"),
        ("/decode", {"ids": [30522]}, 422, "ids[0] has the token id 30522, and the vocabulary 0 to 30521"),
        ("/decode", {"ids": [-1]}, 422, "ids[0] is -1: it must be a token id"),
        ("/decode", {"ids": "a"}, 422, 'ids is "a": it must be a list of token ids'),
    ],
)
def test_refusals_name_the_field(
    client: TestClient, path: str, body: dict[str, Any], status: int, message: str
) -> None:
    answer = client.post(path, json=body)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text
