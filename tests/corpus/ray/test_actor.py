"""minilm/corpus/ray/actor.py: an actor encodes a block once, and names what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm.corpus.formats.parquet import ArrowTables
from minilm.corpus.manifest import JobOptions
from minilm.corpus.ray.actor import BlockEncoder, BlockTask
from minilm.corpus.ray.blocks import cut_blocks
from minilm.corpus.rows import Corpus
from minilm.hub import sha256_of_files

pytest.importorskip("pyarrow", reason="pyarrow is not installed")


def test_what_goes_wrong_on_a_machine_is_told(model: MiniLM, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n')
    corpus = Corpus([str(tmp_path / "in.jsonl")], column="text")
    for name in ("parts", "records", "unfinished"):
        (tmp_path / name).mkdir()
    weights = {"model_name_or_path": str(model.checkpoint.directory)}
    digests = sha256_of_files(model.checkpoint)

    def record(**others: Any) -> dict[str, Any]:
        task = {
            "folder": tmp_path,
            "paths": list(corpus.paths),
            "formats": list(corpus.formats),
            "blocks": cut_blocks(corpus),
            "loading": weights,
            "sha256": digests,
            "settings": {"max_seq_length": 256, "normalize": True, "truncate_dim": None},
            "column": "text",
            "keep": False,
            "schema": ArrowTables("text", 384, "float32").schema_without_rows(),
            "options": JobOptions(),
            "width": 384,
            "prompt": "",
        }
        encoder = BlockEncoder(BlockTask(**{**task, **others}))
        found: dict[str, Any] = json.loads(encoder({"block": np.array([0])})["record"][0])
        return found

    others = {**digests, "tokenizer.json": "0", "2_Dense/config.json": "0"}  # one that is not here at all
    assert record(sha256=others)["failure"].endswith("2_Dense/config.json differs from the driver's")
    others = {name: digest for name, digest in digests.items() if name != "modules.json"}
    assert record(sha256=others)["failure"].endswith("modules.json differs from the driver's")
    assert "every machine must see the output" in record(folder=tmp_path / "elsewhere")["failure"]
    assert "no_such_model" in record(loading={"model_name_or_path": "./no_such_model"})["failure"]
    assert "No such file" in record(paths=[str(tmp_path / "gone")])["failure"]
    (tmp_path / "stop").touch()
    assert record() == {"block": 0, "stopped": True}
    (tmp_path / "stop").unlink()
    done = record()
    assert (done["rows"], done["lines"], done["errors"]) == (1, 1, 0)
    assert record(paths=["/gone"]) == done  # it has a record, so that nothing is read
    assert not list((tmp_path / "unfinished").iterdir())
    (tmp_path / "parts" / "part-00000000.parquet").write_bytes(b"half")
    assert record() == done
    assert (tmp_path / "parts" / "part-00000000.parquet").stat().st_size == done["bytes"]
