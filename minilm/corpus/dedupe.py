"""Vectors of texts that came before, on disk, so that an equal text is not encoded again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minilm.corpus.formats import Vectors

_ASKED_AT_ONCE = 500  # below sqlite's limit of variables in a query


class Distinct:
    """A store of vectors by text.

    Parameters
    ----------
    path : Path
        Of an SQLite file; it holds 16 bytes and a vector a distinct text.
    width : int
        Components of a vector.
    """

    def __init__(self, path: Path, width: int) -> None:
        self._width = width
        self._database = sqlite3.connect(path)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB, shard INT)"
        )

    def rewind(self, shards: int) -> None:
        """Forget what came after the first so many shards."""
        with self._database:
            self._database.execute("DELETE FROM vectors WHERE shard >= ?", (shards,))

    def encode(self, texts: list[str], encode: Callable[[list[str]], Vectors], shard: int) -> Vectors:
        """A vector of each text of a shard, (n, E); only those that are new go through ``encode``."""
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        wanted = dict(zip(keys, texts, strict=True))  # in the order of their first place
        known = self._known(list(wanted))
        new = [key for key in wanted if key not in known]
        if new:
            vectors = np.asarray(encode([wanted[key] for key in new]), "<f4")
            rows = [(key, vector.tobytes(), shard) for key, vector in zip(new, vectors, strict=True)]
            known |= {key: value for key, value, _ in rows}
            with self._database:  # a transaction: all of them or none
                self._database.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
        joined = b"".join(known[key] for key in keys)
        return np.frombuffer(joined, "<f4").reshape(len(texts), self._width)

    def _known(self, keys: list[bytes]) -> dict[bytes, bytes]:
        known: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            asked = keys[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(asked))
            # only question marks go into the text of the query
            query = f"SELECT key, value FROM vectors WHERE key IN ({marks})"  # noqa: S608
            known |= dict(self._database.execute(query, asked))
        return known

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
