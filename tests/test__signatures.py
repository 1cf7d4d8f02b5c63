"""What type checkers say of the public methods: mypy checks the types, and pytest that the calls work."""

from __future__ import annotations

import numpy as np
import pytest
from typing_extensions import assert_type

from minilm import CrossEncoder, MiniLM
from minilm._arrays import Float32Array, Int64Array, IntArray
from minilm.cross_encoder import Ranked
from minilm.explanation import Explanation
from minilm.heads import Features
from minilm.quantization import Precision
from tests.checkpoints import MakeCheckpoint, write_cross_encoder

TEXTS = ["a b", "c"]


@pytest.fixture
def tiny(make_checkpoint: MakeCheckpoint) -> MiniLM:
    return MiniLM(make_checkpoint())


@pytest.fixture
def cross_encoder(make_checkpoint: MakeCheckpoint) -> CrossEncoder:
    return CrossEncoder(write_cross_encoder(make_checkpoint))


def test_encode_gives_an_array_per_text_or_one_for_all(tiny: MiniLM) -> None:
    assert assert_type(tiny.encode("a b"), Float32Array).shape == (16,)
    assert assert_type(tiny.encode(TEXTS), Float32Array).shape == (2, 16)
    assert assert_type(tiny.encode(iter(TEXTS), "query", batch_size=8), Float32Array).shape == (2, 16)


def test_token_embeddings_are_a_list_for_a_list(tiny: MiniLM) -> None:
    assert assert_type(tiny.encode("a b", output_value="token_embeddings"), Float32Array).shape == (4, 16)
    tokens = assert_type(tiny.encode(TEXTS, output_value="token_embeddings"), list[Float32Array])
    assert [vectors.shape for vectors in tokens] == [(4, 16), (3, 16)]


def test_features_are_a_dict_per_text(tiny: MiniLM) -> None:
    features = assert_type(tiny.encode("a b", output_value=None), Features)
    assert features["input_ids"].tolist() == [2, 5, 6, 3]
    several = assert_type(tiny.encode(TEXTS, output_value=None), list[Features])
    assert [features["input_ids"].tolist() for features in several] == [[2, 5, 6, 3], [2, 7, 3]]


def test_smaller_precisions_are_integers(tiny: MiniLM) -> None:
    assert assert_type(tiny.encode(TEXTS, precision="int8"), IntArray).dtype == np.int8
    assert assert_type(tiny.encode("a b", precision="ubinary"), IntArray).shape == (2,)
    tokens = tiny.encode(TEXTS, output_value="token_embeddings", precision="binary")
    assert [vectors.dtype for vectors in assert_type(tokens, IntArray | list[IntArray])] == [np.int8] * 2
    precision: Precision
    for precision in ("float32", "uint8"):  # any of the names, known only when the program runs
        assert assert_type(tiny.encode(TEXTS, precision=precision), Float32Array | IntArray).shape == (2, 16)


def test_queries_and_documents_have_the_types_of_encode(tiny: MiniLM) -> None:
    for encode in (tiny.encode_query, tiny.encode_document):
        assert assert_type(encode("a b"), Float32Array).shape == (16,)
        assert assert_type(encode(TEXTS, truncate_dim=3), Float32Array).shape == (2, 3)
        assert len(assert_type(encode(TEXTS, output_value="token_embeddings"), list[Float32Array])) == 2
        assert assert_type(encode("a b", output_value=None), Features)["sentence_embedding"].shape == (16,)
        assert assert_type(encode(TEXTS, precision="uint8"), IntArray).dtype == np.uint8


def test_the_other_methods_of_an_embedder(tiny: MiniLM) -> None:
    assert assert_type(tiny.similarity("a", TEXTS), Float32Array).shape == (1, 2)
    assert assert_type(tiny.similarity(tiny.encode(TEXTS), [[1.0] * 16]), Float32Array).shape == (2, 1)
    assert assert_type(tiny.similarity_pairwise(TEXTS, TEXTS), Float32Array).shape == (2,)
    assert assert_type(tiny.explain("a b", "c"), Explanation).contributions.shape == (4, 3)
    assert assert_type(tiny.tokenize(TEXTS), dict[str, Int64Array])["input_ids"].shape == (2, 4)
    assert assert_type(tiny.encode_tokens([[2, 5, 3]]), Float32Array).shape == (1, 16)
    assert len(assert_type(tiny.token_embeddings([[2, 5, 3]]), list[Float32Array])) == 1


def test_from_pretrained_takes_what_the_constructor_takes(tiny: MiniLM) -> None:
    directory = tiny.checkpoint.directory
    model = assert_type(MiniLM.from_pretrained(directory, threads=1, max_seq_length=5, device="cpu"), MiniLM)
    assert (model.threads, model.max_seq_length) == (1, 5)

    class Encoder(MiniLM):
        pass

    assert type(assert_type(Encoder.from_pretrained(directory), Encoder)) is Encoder


def test_a_cross_encoder_gives_one_score_per_pair(cross_encoder: CrossEncoder) -> None:
    assert assert_type(cross_encoder.predict(("a", "b")), np.float32 | Float32Array).shape == ()
    assert assert_type(cross_encoder.predict(["a", "b"]), np.float32 | Float32Array).shape == ()
    assert assert_type(cross_encoder.predict([("a", "b"), ["b", "c"]]), Float32Array).shape == (2,)
    ranking = assert_type(cross_encoder.rank("a", TEXTS), list[Ranked])
    assert_type(ranking[0]["corpus_id"], int)
    assert_type(ranking[0]["score"], float)
    assert sorted(ranked["corpus_id"] for ranked in ranking) == [0, 1]


def test_wrong_arguments_of_an_embedder_are_refused_by_name(tiny: MiniLM) -> None:
    # mypy would report an unused "type: ignore", so each call is wrong for it too
    with pytest.raises(TypeError, match="unexpected keyword argument 'lenght'"):
        tiny.encode("a", lenght=3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="batch_size must be a positive whole number, not '8'"):
        tiny.encode("a", batch_size="8")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="inputs must be a str or a sequence of str, not int"):
        tiny.encode_query(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="unexpected keyword argument 'lenght'"):
        MiniLM.from_pretrained(tiny.checkpoint.directory, lenght=3)  # type: ignore[call-arg]


def test_a_text_is_no_pair(cross_encoder: CrossEncoder) -> None:
    with pytest.raises(TypeError, match="inputs must be a pair of str or a sequence of them, not str"):
        cross_encoder.predict("ab")  # type: ignore[arg-type]
