"""checkpoint/tokenizer.py: a file that is no tokenizer, or not this model's, is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from minilm import CheckpointError
from minilm.checkpoint.tokenizer import open_tokenizer
from tests.checkpoints import tiny_tokenizer


def test_ids_beyond_the_embedding_table_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tiny_tokenizer(40).save(str(path))
    open_tokenizer(path, vocab_size=40, max_seq_length=16)
    with pytest.raises(CheckpointError, match="token ids up to 39, but the model's vocabulary has 39 rows"):
        open_tokenizer(path, vocab_size=39, max_seq_length=16)


@pytest.mark.parametrize("content", ["", "{}", '{"version": "1.0"}', "\x80"])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"tokenizer\.json cannot be read as a tokenizer"):
        open_tokenizer(path, vocab_size=40, max_seq_length=16)
