"""minilm/server/routes/ollama.py: Ollama's routes, and what its clients ask first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from starlette.testclient import TestClient

from minilm import MiniLM, __version__
from minilm.server.app import create_app
from minilm.server.settings import ServerSettings
from tests.serving import BOUND, A, B

NAME = "all-MiniLM-L6-v2"
LONG = "word " * 400


@pytest.fixture(scope="module")
def client(model: MiniLM) -> Iterator[TestClient]:
    with TestClient(create_app(model)) as client:
        yield client


@pytest.fixture(scope="module")
def strict(model: MiniLM) -> Iterator[TestClient]:
    settings = ServerSettings(strict_model=True, served_model_names=("all-minilm", "other"))
    with TestClient(create_app(model, settings)) as client:
        yield client


def test_embed_gives_the_vectors_of_a_text_and_of_several(client: TestClient, model: MiniLM) -> None:
    answer = client.post("/api/embed", json={"model": NAME, "input": [A, B]}).json()
    np.testing.assert_allclose(answer["embeddings"], model.encode([A, B]), rtol=0, atol=BOUND)
    assert (answer["prompt_eval_count"], answer["load_duration"]) == (18, 0)
    assert answer["total_duration"] > 0
    one = client.post("/api/embed", json={"model": NAME, "input": A}).json()
    np.testing.assert_allclose(one["embeddings"], [model.encode(A)], rtol=0, atol=BOUND)


def test_dimensions_are_kept_and_scaled_and_0_is_all(client: TestClient, model: MiniLM) -> None:
    expected = model.encode(A)
    for dimensions, width in ((8, 8), (0, 384), (None, 384)):
        body = {"model": NAME, "input": A, "dimensions": dimensions}
        [vector] = client.post("/api/embed", json=body).json()["embeddings"]
        short = expected[:width] / np.linalg.norm(expected[:width])
        np.testing.assert_allclose(vector, short, rtol=0, atol=BOUND)


@pytest.mark.parametrize("given", [{}, {"input": None}, {"input": ""}, {"input": []}])
def test_no_input_has_no_embedding(client: TestClient, given: dict[str, Any]) -> None:
    answer = client.post("/api/embed", json={"model": NAME, **given})
    assert (answer.status_code, answer.json()["embeddings"]) == (200, [])


def test_long_texts_are_cut_unless_truncate_is_false(client: TestClient, model: MiniLM) -> None:
    with pytest.warns(UserWarning, match="cut at 256"):
        expected = model.encode([LONG])
    for truncate in (None, True):
        body = {"model": NAME, "input": LONG, "truncate": truncate}
        answer = client.post("/api/embed", json=body).json()
        np.testing.assert_allclose(answer["embeddings"], expected, rtol=0, atol=BOUND)
        assert answer["prompt_eval_count"] == 256
    refused = client.post("/api/embed", json={"model": NAME, "input": LONG, "truncate": False})
    assert refused.status_code == 400
    assert "longer than the model's 256 tokens" in refused.json()["error"]


def test_the_former_route_takes_a_prompt(client: TestClient, model: MiniLM) -> None:
    answer = client.post("/api/embeddings", json={"model": NAME, "prompt": A})
    np.testing.assert_allclose(answer.json()["embedding"], model.encode(A), rtol=0, atol=BOUND)
    assert client.post("/api/embeddings", json={"model": NAME, "prompt": ""}).json() == {"embedding": []}


def test_options_that_change_no_embedding_are_accepted(client: TestClient) -> None:
    options = {"num_ctx": 2048, "temperature": 0.1, "stop": ["a"], "num_thread": 4, "unknown": None}
    for keep_alive in (None, 0, -1, 1.5, "5m", "-1", "0", "1h30m", "1.5s"):
        if keep_alive == "-1":
            continue  # Go's durations have a unit
        body = {"model": NAME, "input": "a", "options": options, "keep_alive": keep_alive}
        assert client.post("/api/embed", json=body).status_code == 200, keep_alive


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"input": 5}, "input"),
        ({"input": ["a", None]}, "input"),
        ({"input": "a", "options": {"num_ctx": 128}}, "--max-seq-length 128"),
        (
            {"input": "a", "options": {"num_ctx": "many"}},
            "options has num_ctx 'many': it must be",
        ),
        (
            {"input": "a", "options": {"rope_frequency_base": 5}},
            "options has 'rope_frequency_base', which is",
        ),
        ({"input": "a", "options": 5}, "options"),
        ({"input": "a", "keep_alive": "-1"}, "a duration such as 5m"),
        ({"input": "a", "keep_alive": True}, "a duration such as 5m"),
        ({"input": "a", "dimensions": 385}, "dimensions must lie in 1 to 384"),
        ({"input": "a", "dimensions": -1}, "dimensions"),
        ({"input": "a", "truncate": "no"}, "truncate"),
        ({"input": "a", "model": None}, "model"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_by_name(
    client: TestClient, field: dict[str, Any], message: str
) -> None:
    answer = client.post("/api/embed", json={"model": NAME, **field})
    assert (answer.status_code, [*answer.json()]) == (400, ["error"])
    assert message in answer.json()["error"]


def test_the_examples_for_curl_give_no_content_type(client: TestClient, model: MiniLM) -> None:
    body = json.dumps({"model": NAME, "input": A})
    for header in ({"Content-Type": "application/x-www-form-urlencoded"}, {}):
        answer = client.post("/api/embed", content=body, headers=header)
        np.testing.assert_allclose(answer.json()["embeddings"], [model.encode(A)], rtol=0, atol=BOUND)
    broken = client.post("/api/embed", content="{")
    assert (broken.status_code, [*broken.json()]) == (400, ["error"])


def test_the_model_is_listed_under_each_of_its_names(strict: TestClient, model: MiniLM) -> None:
    models = strict.get("/api/tags").json()["models"]
    assert [(card["name"], card["model"]) for card in models] == [("all-minilm",) * 2, ("other",) * 2]
    weights = model.checkpoint.directory / "model.safetensors"
    assert weights.stat().st_size < models[0]["size"] < weights.stat().st_size + (2 << 20)
    assert len(bytes.fromhex(models[0]["digest"])) == 32
    assert models[0]["details"]["embedding_length"] == 384


def test_show_describes_the_model(client: TestClient, model: MiniLM) -> None:
    # the weights' own shapes, but those of the pooler, which no embedding needs
    with safe_open(model.checkpoint.directory / "model.safetensors", "numpy") as tensors:
        names = [name for name in tensors.keys() if "pooler" not in name and "position_ids" not in name]  # noqa: SIM118
        count = sum(int(np.prod(tensors.get_slice(name).get_shape())) for name in names)
    for name in ({"model": NAME}, {"name": f"{NAME}:latest"}):
        answer = client.post("/api/show", json=name).json()
        assert answer["model_info"]["general.parameter_count"] == count
        assert answer["capabilities"] == ["embedding"]
        assert answer["model_info"]["bert.context_length"] == 256
    unknown = client.post("/api/show", json={"model": "llama"})
    assert (unknown.status_code, [*unknown.json()]) == (404, ["error"])
    assert client.post("/api/show", json={}).json() == {"error": "model is required"}


def test_a_strict_server_answers_404_to_other_names(strict: TestClient) -> None:
    for name, status in (("all-minilm", 200), ("other:latest", 200), ("all-minilm:33m", 404), (NAME, 404)):
        for path, text in (("/api/embed", "input"), ("/api/embeddings", "prompt")):
            assert strict.post(path, json={"model": name, text: "a"}).status_code == status, name


def test_version_is_that_of_minilm(client: TestClient) -> None:
    assert client.get("/api/version").json() == {"version": __version__}
