"""minilm/server/routes/classification.py: the labels of texts and pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from minilm import CrossEncoder, MiniLM
from minilm.server.app import create_app
from minilm.server.routes.classification import sorted_predictions
from tests.checkpoints import MakeCheckpoint, write_cross_encoder

NAMES = {"0": "contradiction", "1": "entailment", "2": "neutral"}
PAIRS = [("a b", "c"), ("d", "e f g")]
# float32 and two layers; another pack may round in another order
SCORE = 1e-6


@pytest.fixture
def classifier(make_checkpoint: MakeCheckpoint) -> CrossEncoder:
    return CrossEncoder(write_cross_encoder(make_checkpoint, labels=3, id2label=NAMES))


@pytest.fixture
def client(model: MiniLM, classifier: CrossEncoder) -> Iterator[TestClient]:
    with TestClient(create_app(model, classifier=classifier)) as client:
        yield client


def predict(client: TestClient, inputs: Any, **fields: Any) -> Any:
    answer = client.post("/predict", json={"inputs": inputs, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def assert_predicted(predictions: list[dict[str, Any]], scores: np.ndarray) -> None:
    """Each label has its score, and the highest comes first."""
    order = np.argsort(-scores)
    assert [p["label"] for p in predictions] == [NAMES[str(index)] for index in order]
    np.testing.assert_allclose([p["score"] for p in predictions], scores[order], rtol=0, atol=SCORE)


def test_several_labels_have_the_probabilities_of_softmax(
    client: TestClient, classifier: CrossEncoder
) -> None:
    expected = classifier.predict(PAIRS, apply_softmax=True)
    batch = predict(client, [list(pair) for pair in PAIRS])
    for predictions, scores in zip(batch, expected, strict=True):
        assert_predicted(predictions, scores)
    assert_predicted(predict(client, list(PAIRS[0])), expected[0])  # a pair, not two texts
    assert sum(p["score"] for p in batch[0]) == pytest.approx(1, abs=SCORE)


def test_a_text_is_no_pair(client: TestClient, classifier: CrossEncoder) -> None:
    encoding = classifier.tokenizer.backend.encode("a b")
    [logits] = classifier.predict_tokens([encoding.ids], [[0] * len(encoding.ids)])
    for inputs in ("a b", ["a b"]):
        assert_predicted(predict(client, inputs, raw_scores=True), logits)
    [predictions] = predict(client, [["a b"]], raw_scores=True)
    assert_predicted(predictions, logits)


def test_hugging_faces_parameters_choose_the_function_and_the_number(
    client: TestClient, classifier: CrossEncoder
) -> None:
    [logits] = classifier.predict(PAIRS[:1])
    for name, scores in (
        ("sigmoid", 1 / (1 + np.exp(-logits))),
        ("none", logits),
        (None, np.exp(logits) / np.exp(logits).sum()),
    ):
        predictions = predict(client, list(PAIRS[0]), parameters={"function_to_apply": name})
        assert_predicted(predictions, scores)
        best = predict(client, list(PAIRS[0]), parameters={"function_to_apply": name, "top_k": 1})
        assert best == predictions[:1]


@pytest.mark.parametrize(
    ("problem_type", "labels", "function"),
    [
        # as transformers' pipeline chooses it
        ("multi_label_classification", 3, lambda x: 1 / (1 + np.exp(-x))),
        ("single_label_classification", 3, lambda x: np.exp(x) / np.exp(x).sum()),
        ("regression", 1, lambda x: x),
        (None, 1, lambda x: 1 / (1 + np.exp(-x))),
    ],
)
def test_the_function_is_that_of_the_checkpoints_problem(
    model: MiniLM, make_checkpoint: MakeCheckpoint, problem_type: str | None, labels: int, function: Any
) -> None:
    fields = {"problem_type": problem_type} if problem_type else {}
    ours = CrossEncoder(write_cross_encoder(make_checkpoint, labels=labels, **fields))
    logits = np.atleast_1d(ours.predict(PAIRS[0], activation_fn=lambda x: x))
    with TestClient(create_app(model, classifier=ours)) as client:
        predictions = predict(client, list(PAIRS[0]))
    scores = {prediction["label"]: prediction["score"] for prediction in predictions}
    found = [scores[f"LABEL_{index}"] for index in range(labels)]
    np.testing.assert_allclose(found, function(logits), rtol=0, atol=SCORE)


def test_equal_scores_keep_the_order_of_the_labels() -> None:
    given = np.array([0.25, 0.5, 0.25], np.float32)
    assert [p["label"] for p in sorted_predictions(given, ["a", "b", "c"])] == ["b", "a", "c"]


@pytest.mark.parametrize(
    "inputs", [[], ["a", "b", "c"], [["a"], []], [["a", "b", "c"]], [["a"], "b"], 5, [[5]]]
)
def test_other_forms_are_refused_with_an_example(client: TestClient, inputs: Any) -> None:
    answer = client.post("/predict", json={"inputs": inputs})
    assert answer.status_code == 422
    assert 'a list of such lists: [["a"], ["b"]]' in answer.json()["error"]


def test_long_inputs_are_refused_if_they_may_not_be_cut(client: TestClient) -> None:
    answer = client.post("/predict", json={"inputs": "a " * 100, "truncate": False})
    assert answer.status_code == 413
    assert "longer than the model's 16 tokens" in answer.json()["error"]
    assert len(predict(client, "a " * 100, truncate=True)) == 3


def test_the_reranker_is_the_classifier_if_there_is_no_other(
    model: MiniLM, make_checkpoint: MakeCheckpoint
) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    with TestClient(create_app(model, reranker=reranker)) as client:
        [prediction] = predict(client, list(PAIRS[0]))
        assert prediction["label"] == "LABEL_0"
        assert abs(prediction["score"] - reranker.predict(PAIRS[0])) < SCORE
    with TestClient(create_app(model)) as client:
        answer = client.post("/predict", json={"inputs": "a"})
        assert answer.status_code == 404
        assert "start it with --classifier MODEL" in answer.json()["error"]
