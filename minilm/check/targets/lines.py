"""Texts and vectors as JSON lines: what a command reads and writes, and what a file holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minilm._arrays import AnyArray
from minilm._files import write_whole
from minilm.check.targets.target import TargetError, checked_vectors, parse_json

VECTOR_NAMES = ("embedding", "vector", "embeddings")


def text_lines(texts: Sequence[str]) -> bytes:
    r"""Return one JSON object per text, ``{"text": "..."}``, in ASCII: every language reads it."""
    return b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)


def write_texts(path: Path, texts: Sequence[str]) -> None:
    """Write the texts for a program that makes a file of vectors of them, such as ``minilm encode``."""
    write_whole(path, text_lines(texts))


def parse_vectors(data: bytes, name: str) -> list[Any]:
    """Return the vector on each line: an array of numbers, or an object that has it as "embedding"."""
    rows = []
    for number, line in enumerate(filter(bytes.strip, data.splitlines()), 1):
        try:
            row = parse_json(line, f"{name}: line {number}")
            if isinstance(row, dict):
                row = next(row[key] for key in VECTOR_NAMES if key in row)
        except (ValueError, StopIteration) as error:
            shown = line[:80].decode("utf-8", "replace")
            raise TargetError(
                f"{name}: line {number} must be a JSON array of numbers, "
                f'or an object with "embedding", not {shown!r}'
            ) from error
        rows.append(row)
    return rows


class FileTarget:
    """Vectors that were made of the emitted texts: .npy, or JSON lines."""

    takes_batches = False

    def __init__(self, path: Path, texts: Sequence[str]) -> None:
        self.name = str(path)
        if path.suffix == ".npy":
            try:
                rows = np.load(path, allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise TargetError(f"{path} is not a .npy file of numbers: {error}") from error
        else:
            rows = parse_vectors(path.read_bytes(), self.name)
        self._vectors = dict(zip(texts, self._checked(rows, len(texts)), strict=True))

    def _checked(self, rows: Any, texts: int) -> AnyArray:  # noqa: ANN401 - an array or a list
        if len(rows) != texts:
            raise TargetError(
                f"{self.name} has {len(rows)} vectors for the {texts} texts: make one for every line that "
                "--emit writes, with or without --quick as here"
            )
        return checked_vectors(rows, texts, self.name)

    def embed(self, texts: Sequence[str]) -> AnyArray:
        """Return the vectors of these texts."""
        return np.stack([self._vectors[text] for text in texts])
