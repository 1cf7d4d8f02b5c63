"""minilm/server/names.py: the id of the served model, wherever its weights lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from minilm import MiniLM
from minilm.hub import DEFAULT_MODEL, Checkpoint, default_manifest
from minilm.server.app import create_app
from minilm.server.names import ModelNames
from minilm.server.responses import RequestError
from minilm.server.settings import ServerSettings
from tests.checkpoints import MakeCheckpoint

COMMIT = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"


@pytest.mark.parametrize(
    ("path", "repo_id", "name"),
    [
        (f"models--owner--name/snapshots/{COMMIT}", "owner/name", "owner/name"),
        (f"models--owner--name/snapshots/{COMMIT}", None, "owner/name"),
        (f"models--bert-base-uncased/snapshots/{COMMIT}", None, "bert-base-uncased"),
        (f"other/snapshots/{COMMIT}", None, COMMIT),
        ("my-model", None, "my-model"),
        ("my-model/..", None, "place"),
    ],
)
def test_the_name_is_the_repositorys_or_the_directorys(
    tmp_path: Path, path: str, repo_id: str | None, name: str
) -> None:
    directory = tmp_path / "place" / path
    (tmp_path / "place" / "my-model").mkdir(parents=True)
    names = ModelNames(Checkpoint(directory, "a test", repo_id))
    assert names.listed == (name,)
    assert [names.resolve(given) for given in (name, name.rpartition("/")[2])] == [name, name]
    with pytest.raises(RequestError, match=rf"^404: the model 'gpt' is not served here; it is '{name}'$"):
        names.resolve("gpt")


def test_the_name_of_the_current_directory(
    make_checkpoint: MakeCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = make_checkpoint()
    monkeypatch.chdir(directory)
    assert ModelNames(MiniLM(".").checkpoint).listed == (directory.name,)


def test_from_a_hugging_face_cache_the_name_is_the_repositorys(
    model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2"
    snapshot = repository / "snapshots" / default_manifest().revision
    shutil.copytree(model.checkpoint.directory, snapshot, copy_function=os.link)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(default_manifest().revision)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "SENTENCE_TRANSFORMERS_HOME"):
        monkeypatch.delenv(name, raising=False)
    for cached in (
        MiniLM(DEFAULT_MODEL, cache_folder=tmp_path / "hub", local_files_only=True),
        MiniLM(snapshot),
    ):
        assert cached.checkpoint.directory == snapshot
        with TestClient(create_app(cached)) as client:
            [card] = client.get("/v1/models").json()["data"]
            assert card["id"] == "sentence-transformers/all-MiniLM-L6-v2"
            answer = client.post("/v1/embeddings", json={"input": "a", "model": "text-embedding-3-small"})
            assert answer.json()["model"] == "sentence-transformers/all-MiniLM-L6-v2"


def test_served_names_replace_the_models_own(model: MiniLM) -> None:
    settings = ServerSettings(served_model_names=("owner/first", "second"), strict_model=True)
    with TestClient(create_app(model, settings)) as client:
        assert [card["id"] for card in client.get("/v1/models").json()["data"]] == ["owner/first", "second"]
        for path in ("owner/first", "owner%2Ffirst", "second"):
            assert client.get(f"/v1/models/{path}").json()["id"] == path.replace("%2F", "/")
        for name in ("first", "all-MiniLM-L6-v2"):
            assert client.get(f"/v1/models/{name}").status_code == 404
        for name in ("owner/first", "second"):
            answer = client.post("/v1/embeddings", json={"input": "a", "model": name})
            assert (answer.status_code, answer.json()["model"]) == (200, "owner/first")
        refused = client.post("/v1/embeddings", json={"input": "a", "model": "gpt"})
        assert (refused.status_code, refused.json()["error"]) == (
            404,
            {
                "message": "the model 'gpt' is not served here; it is 'owner/first' or 'second'",
                "type": "invalid_request_error",
                "param": "model",
                "code": "model_not_found",
            },
        )
