"""An input that is not a text, a pair or a prompt gives an error that names it, never a wrong vector."""

from __future__ import annotations

import collections
import enum
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minilm import CrossEncoder, MiniLM
from minilm.cli.main import main
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.hostile import assert_unit_vectors

MISSING = "is missing (None): leave it out, or put a text in its place"


@pytest.fixture
def tiny(make_checkpoint: MakeCheckpoint) -> MiniLM:
    return MiniLM(make_checkpoint("tiny"))


@pytest.fixture
def cross_encoder(make_checkpoint: MakeCheckpoint) -> CrossEncoder:
    return CrossEncoder(write_cross_encoder(make_checkpoint))


class Lying(str):
    """A str whose methods return wrong answers."""

    def __len__(self) -> int:
        return 1 << 40

    def __str__(self) -> str:
        return "another text"

    def __radd__(self, other: str) -> str:
        return "another text"

    def encode(self, *_: object) -> bytes:
        raise RuntimeError


class Word(str, enum.Enum):
    HELLO = "hello"


@pytest.mark.parametrize(
    "text",
    [Lying("hello"), Word.HELLO, np.str_("hello"), np.array(["hello", "x"])[0], np.array("hello").item()],
    ids=["lying", "enum", "numpy", "of an array", "item"],  # pytest would call these methods to name the test
)
@pytest.mark.parametrize("prompt", [None, "query: "])
def test_a_kind_of_str_counts_by_its_characters(tiny: MiniLM, text: str, prompt: str | None) -> None:
    expected = tiny.encode("hello", prompt=prompt)
    np.testing.assert_array_equal(tiny.encode(text, prompt=prompt), expected)
    np.testing.assert_array_equal(tiny.encode([text, text], prompt=prompt)[1], expected)
    assert tiny.explain(text, "hello").a.text == "hello"


def recursive() -> list[Any]:
    itself: list[Any] = ["a"]
    itself.append(itself)
    return itself


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "inputs must be a str or a sequence of str, not NoneType"),
        (1.5, "inputs must be a str or a sequence of str, not float"),
        (str, "inputs must be a str or a sequence of str, not type"),
        ({"a", "b"}, "inputs must be a str or a sequence of str, not set"),
        ({"a": 1}.keys(), "inputs must be a str or a sequence of str, not dict_keys"),
        (collections.ChainMap(), "inputs must be a str or a sequence of str, not ChainMap"),
        (np.bytes_(b"a"), "inputs must be a str or a sequence of str, not bytes_: decode it first"),
        (memoryview(b"ab"), "inputs[0] is int, not str"),
        (range(3), "inputs[0] is int, not str"),
        (np.array(5), "inputs[0] is int, not str"),
        (np.array(None, dtype=object), f"inputs[0] {MISSING}"),
        (np.array(["a", None, "b"], dtype=object), f"inputs[1] {MISSING}"),
        (np.array([["a", "b", "c"]]), "inputs[0] is ndarray, not str"),
        (np.array([b"a"]), "inputs[0] is bytes_, not str: decode it first"),
        (np.ma.masked_array(["a", "b"], mask=[False, True]), f"inputs[1] {MISSING}".replace("None", "--")),
        (recursive(), "inputs[1] is list, not str"),
        (("a", ("b",)), "inputs[1] is tuple, not str"),
        (["a", 3j], "inputs[1] is complex, not str"),
        (["a"] * 5000 + [None], f"inputs[5000] {MISSING}"),  # the text is in the second window
        ((text for text in ("a", 2)), "inputs[1] is int, not str"),
        ([collections.UserString("a")], "inputs[0] is UserString, not str"),
    ],
)
def test_an_input_that_is_not_text_is_named_with_its_index(tiny: MiniLM, inputs: Any, message: str) -> None:
    with pytest.raises(TypeError) as error:
        tiny.encode(inputs)
    assert str(error.value) == message


def test_an_error_of_the_callers_generator_is_the_callers(tiny: MiniLM) -> None:
    def broken() -> Iterator[str]:
        yield "a"
        raise KeyError("the caller's")

    for call in (tiny.encode, tiny.tokenize):
        with pytest.raises(KeyError, match="the caller's"):
            call(broken())
    assert_unit_vectors(tiny, ["a"])  # and no lock is left held


@pytest.mark.parametrize(
    ("prompt", "error", "message"),
    [
        (5, TypeError, "prompt must be a str, not int"),
        (b"query: ", TypeError, "prompt must be a str, not bytes: decode it first"),
        ("a\ud800", ValueError, r"prompt holds the lone surrogate '\\ud800' at position 1"),
    ],
)
def test_a_prompt_that_is_not_text_is_named(
    tiny: MiniLM, cross_encoder: CrossEncoder, prompt: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tiny.encode(["fine"], prompt=prompt)
    with pytest.raises(error, match=message):
        cross_encoder.predict([("a", "b")], prompt=prompt)
    with pytest.raises(error, match=message.replace("prompt", r"prompts\['p'\]", 1)):
        MiniLM(tiny.checkpoint.directory, prompts={"p": prompt})


@pytest.mark.parametrize("name", [5, ["query"], {}, b"query"])
def test_an_unknown_prompt_name_is_refused(tiny: MiniLM, name: Any) -> None:
    with pytest.raises(ValueError, match="prompt_name must be one of query, document, not"):
        tiny.encode(["a"], prompt_name=name)
    with pytest.raises(ValueError, match="default_prompt_name must be one of query, document, not"):
        tiny.default_prompt_name = name


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "inputs must be a pair of str or a sequence of them, not NoneType"),
        ("ab", "inputs must be a pair of str or a sequence of them, not str"),
        (b"ab", "inputs must be a pair of str or a sequence of them, not bytes: decode it first"),
        ({"a": "b", "c": "d"}, "inputs must be a pair of str or a sequence of them, not dict"),
        ({("a", "b")}, "inputs must be a pair of str or a sequence of them, not set"),
        (5, "inputs must be a pair of str or a sequence of them, not int"),
        ([("a", "b"), ("a", b"b")], r"inputs[1] must be a pair of str, not ('a', b'b')"),
        ([("a", "b"), "ab"], "inputs[1] must be a pair of str, not 'ab'"),
        ([("a", "b", "c")], "inputs[0] must be a pair of str, not ('a', 'b', 'c')"),
        (("a", None), f"inputs[0][1] {MISSING}"),
    ],
)
def test_an_input_that_is_not_a_pair_is_named_with_its_index(
    cross_encoder: CrossEncoder, inputs: Any, message: str
) -> None:
    with pytest.raises(TypeError) as error:
        cross_encoder.predict(inputs)
    assert str(error.value) == message


def test_a_surrogate_in_a_pair_is_named_with_its_place(cross_encoder: CrossEncoder) -> None:
    with pytest.raises(
        ValueError, match=r"inputs\[2\]\[1\] holds the lone surrogate '\\ud800' at position 1"
    ):
        cross_encoder.predict([("a", "b"), ("a", "b"), ("a", "b\ud800")])
    with pytest.raises(ValueError, match=r"documents\[1\] holds the lone surrogate"):
        cross_encoder.rank("a", ["b", "\udfff"])
    with pytest.raises(ValueError, match="query holds the lone surrogate"):
        cross_encoder.rank("\udfff", ["b"])


@pytest.mark.parametrize(
    ("query", "documents", "message"),
    [
        ("a", "document", "documents must be a sequence of str, not str"),
        ("a", {"b": 1}, "documents must be a sequence of str, not dict"),
        ("a", None, "documents must be a sequence of str, not NoneType"),
        ("a", ["b", None], f"documents[1] {MISSING}"),
        (None, ["b"], f"query {MISSING}"),
    ],
)
def test_a_query_or_document_that_is_not_text_is_named(
    cross_encoder: CrossEncoder, query: Any, documents: Any, message: str
) -> None:
    with pytest.raises(TypeError) as error:
        cross_encoder.rank(query, documents)
    assert str(error.value) == message


def test_documents_may_come_one_by_one(cross_encoder: CrossEncoder) -> None:
    documents = ["a b", "c", "d e f"]
    assert cross_encoder.rank("a", iter(documents), return_documents=True) == cross_encoder.rank(
        "a", documents, return_documents=True
    )


@pytest.mark.parametrize("x", [None, [None], [["a"]], b"a", {"a": 1}, {"a"}, [["1", "2"]], np.array([b"1"])])
def test_similarity_refuses_what_is_neither_text_nor_numbers(tiny: MiniLM, x: Any) -> None:
    with pytest.raises(ValueError, match="embeddings must be numbers, not"):
        tiny.similarity("a", x)


def test_the_command_line_takes_any_bytes(tiny: MiniLM, capsys: pytest.CaptureFixture[str]) -> None:
    """Python receives arguments that are not UTF-8 as lone surrogates."""
    model = ["--model", str(tiny.checkpoint.directory)]
    assert main(["compare", "\udcff", "b", *model]) in (1, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "lone surrogate" in captured.err
    assert main(["compare", "\0\u202e\u0301", "b", *model]) == 0
