"""minilm/server/routes/inside.py: ``/trace`` is what the readable encoder computes."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from minilm import MiniLM
from minilm.checkpoint.weights import load_parameters
from minilm.trace.oracle import weights_path
from tests.checkpoints import MakeCheckpoint
from tests.intermediates import encode_with_intermediates
from tests.serving import A, B, Server


def test_everything_is_that_of_the_readable_encoder(server: Server, model: MiniLM) -> None:
    status, answer, _ = server.ask("/trace", {"text_a": A, "text_b": "Two cats."})
    assert status == 200
    parameters = load_parameters(weights_path(model.checkpoint), model.config)
    rows = model.tokenizer.texts([A, "Two cats."]).input_ids
    assert answer["tokens"] == [len(row) for row in rows]
    for text, row in zip(answer["texts"], rows, strict=True):
        assert [piece["id"] for piece in text["pieces"]] == row
        ids = np.array([row])
        expected = encode_with_intermediates(ids, np.ones_like(ids), parameters, model.config)
        # the same float32 program; the order of its sums depends on the number of BLAS's threads
        assert np.allclose(text["attention"], np.concatenate(expected.attention_probs), rtol=0, atol=1e-5)
        states = np.concatenate(expected.hidden_states)
        assert np.allclose(text["norms"], np.linalg.norm(states, axis=-1), rtol=1e-5)
        # what each token adds to the mean, along the mean
        mean = states[-1].mean(axis=0, dtype=np.float64)
        assert np.allclose(text["pooled_shares"], states[-1] @ mean / len(row) / (mean @ mean), atol=1e-6)
        # a projection makes no step longer
        steps = np.linalg.norm(np.diff(text["path"], axis=0), axis=-1)
        assert (steps <= np.linalg.norm(np.diff(states, axis=0), axis=-1) + 1e-5).all()
    # float32 embeddings, equal to 3e-7 in each component
    assert len(answer["scores"]) == model.config.num_hidden_layers + 1
    assert abs(answer["scores"][-1] - model.similarity(A, "Two cats.").item()) < 1e-6


def test_attention_in_base64_is_the_same(server: Server) -> None:
    _, answer, _ = server.ask("/trace", {"text_a": A})
    _, packed, _ = server.ask("/trace", {"text_a": A, "encoding_format": "base64"})
    expected = np.array(answer["texts"][0]["attention"])
    attention = np.frombuffer(base64.b64decode(packed["texts"][0]["attention"]), "<f4")
    # the same program twice; JSON has all digits of a float32
    np.testing.assert_allclose(attention.reshape(expected.shape), expected, rtol=0, atol=1e-7)


def test_one_text_has_no_score(server: Server) -> None:
    for body in ({"text_a": A}, {"text_a": A, "text_b": None}):
        _, answer, _ = server.ask("/trace", body)
        assert (len(answer["texts"]), answer["scores"]) == (1, None)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"text_a": " "}, 422, "text_a"),
        ({"text_a": A, "text_b": ""}, 422, "text_b"),
        ({"text_b": B}, 422, "text_a"),
        ({"text_a": A, "text_b": "word " * 63}, 413, "text_b"),
        ({"text_a": "word " * 300}, 413, "text_a"),
        ({"text_a": A, "text_bb": B}, 422, "text_bb"),
        ({"text_a": A, "encoding_format": "binary"}, 422, "encoding_format"),
        ({"text_a": "\ud800"}, 422, "text_a"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    server: Server, body: dict[str, str], status: int, param: str | None
) -> None:
    answered, answer, _ = server.ask("/trace", body)
    assert (answered, answer["error"]["param"]) == (status, param)


def test_64_tokens_are_taken(server: Server) -> None:
    status, answer, _ = server.ask("/trace", {"text_a": "word " * 62})  # and [CLS] and [SEP]
    assert (status, answer["tokens"]) == (200, [64])


def test_a_shorter_limit_cuts_as_everywhere(make_checkpoint: MakeCheckpoint) -> None:
    server = Server("--model", str(make_checkpoint()), "--max-seq-length", "6")
    try:
        _, answer, _ = server.ask("/trace", {"text_a": "a b c a b c a b c", "text_b": "a"})
    finally:
        assert server.stop() == 0
    assert (answer["tokens"], answer["truncated"]) == ([6, 3], [0])
