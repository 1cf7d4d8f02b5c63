"""Deduplication: vectors of earlier texts, on disk, so that an equal text is not encoded again."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minilm._arrays import FloatArray

_QUERY_KEYS = 500  # below SQLite's limit of variables per query


class DeduplicationStore:
    """Vectors by text, in an SQLite file that holds 16 bytes and a vector per distinct text."""

    def __init__(self, path: Path, width: int) -> None:
        self._width = width
        self._database = sqlite3.connect(path)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, value BLOB, shard INT)"
        )

    def rewind(self, shards: int) -> None:
        """Remove what was stored after the first ``shards`` shards."""
        with self._database:
            self._database.execute("DELETE FROM vectors WHERE shard >= ?", (shards,))

    def encode(self, texts: list[str], encode: Callable[[list[str]], FloatArray], shard: int) -> FloatArray:
        """Return one vector per text of a shard, shape (n, E); only new texts go through ``encode``."""
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        distinct = dict(zip(keys, texts, strict=True))  # in the order of their first appearance
        values = self._stored(list(distinct))
        new = [key for key in distinct if key not in values]
        if new:
            vectors = np.asarray(encode([distinct[key] for key in new]), "<f4")
            rows = [(key, vector.tobytes(), shard) for key, vector in zip(new, vectors, strict=True)]
            values |= {key: value for key, value, _ in rows}
            with self._database:  # a transaction: all of them or none
                self._database.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
        joined = b"".join(values[key] for key in keys)
        return np.frombuffer(joined, "<f4").reshape(len(texts), self._width)

    def _stored(self, keys: list[bytes]) -> dict[bytes, bytes]:
        values: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _QUERY_KEYS):
            part = keys[start : start + _QUERY_KEYS]
            marks = ",".join("?" * len(part))
            # the text of the query holds question marks only, and no values
            query = f"SELECT key, value FROM vectors WHERE key IN ({marks})"  # noqa: S608
            values |= dict(self._database.execute(query, part))
        return values

    def close(self) -> None:
        """Close the file."""
        self._database.close()
