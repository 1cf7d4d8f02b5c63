"""Which documents there are: the files of folders and patterns, and the rows of tables."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, cast

from minilm.corpus.formats.columns import ArrowRow, OtherColumns
from minilm.corpus.paths import absolute, expand_inputs, file_name, is_url, natural_order, open_url
from minilm.corpus.rows import Corpus
from minilm.documents.readers import READERS_BY_SUFFIX, DocumentText, Unreadable, read_plain
from minilm.errors import CorpusError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq")


@dataclass(frozen=True)
class TableColumns:
    """Which columns of a table hold the text and the id of a document.

    Without ``column`` the text is in "text", or in the only column. Without ``id`` it is the row's number.
    """

    column: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A document that was found, whose text is read only if its content is new."""

    document: str  # its id: the absolute path, and for a row of a table its id behind a #
    path: str  # as the caller gave it, and the id of the row
    source: str  # the folder, pattern or file that it was found by, absolute
    sha256: str
    read: Callable[[], DocumentText]
    metadata: str = ""  # the other columns of a row, as JSON


Problem = tuple[str, str]  # a path, and why there is no document


def find_documents(paths: Sequence[str], columns: TableColumns) -> Iterator[Candidate | Problem]:
    """Yield the documents of these paths, each once, and what is wrong with the files that give none.

    A folder stands for the files at any depth whose suffix is known, without hidden ones. A pattern or a file
    stands for whatever it names. A table stands for its rows.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorpusError
        If a pattern matches nothing, or a table lacks a column.
    """
    seen: set[str] = set()
    for given in paths:
        for path in _files(given):
            is_table = PurePosixPath(file_name(path)).suffix.lower() in TABLE_SUFFIXES
            found = _row_documents(path, columns) if is_table else _file(path, given)
            for item in found:
                if isinstance(item, tuple):
                    yield item
                elif item.document not in seen:
                    seen.add(item.document)
                    yield item


def is_below(document: str, folder: str) -> bool:
    """Whether a document lies in a folder, both absolute."""
    return document.startswith(folder.rstrip("/" + os.sep) + ("/" if is_url(folder) else os.sep))


def _files(given: str) -> list[str]:
    if is_url(given) or not Path(given).expanduser().is_dir():
        return [item.path for item in expand_inputs([given])]
    found = []
    for folder, folders, names in os.walk(Path(given).expanduser()):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = (name for name in names if not name.startswith("."))
        found += [
            os.path.join(folder, name)  # noqa: PTH118 - Path would drop the ./ that was given
            for name in visible
            if PurePosixPath(name).suffix.lower() in READERS_BY_SUFFIX
        ]
    return sorted(found, key=natural_order)


def _file(path: str, given: str) -> Iterator[Candidate | Problem]:
    try:
        path.encode()
        if is_url(path):
            with open_url(path, seekable=False) as remote:
                data = remote.read()
        else:
            data = Path(path).read_bytes()
    except UnicodeEncodeError:
        yield path, "its name is not UTF-8"
    except (OSError, CorpusError) as error:
        yield path, getattr(error, "strerror", None) or str(error)
    else:
        reader = READERS_BY_SUFFIX.get(PurePosixPath(file_name(path)).suffix.lower(), read_plain)
        sha256 = hashlib.sha256(data).hexdigest()
        yield Candidate(absolute(path), path, absolute(given), sha256, partial(reader, data))


def _row_documents(path: str, columns: TableColumns) -> Iterator[Candidate | Problem]:
    """Yield the rows of a table as documents."""
    for number, row in enumerate(Corpus([path], column=columns.column, keep=True), 1):
        others = _as_mapping(row.other_columns)
        if columns.id is not None and columns.id not in others:
            raise CorpusError(f"{path}, line {row.line}: no column {columns.id!r} (--id NAME)")
        name = number if columns.id is None else others[columns.id]
        if row.text is None:
            yield f"{path}#{name}", str(row.problem)
            continue
        metadata = json.dumps(others, ensure_ascii=False, default=str)
        sha256 = hashlib.sha256(f"{metadata}\n{row.text}".encode("utf-8", "replace")).hexdigest()
        read = partial(DocumentText, row.text, has_lines=False)
        document = f"{absolute(path)}#{name}"
        yield Candidate(document, f"{path}#{name}", absolute(path), sha256, read, metadata)


def _as_mapping(others: OtherColumns) -> Mapping[str, Any]:
    if isinstance(others, ArrowRow):
        return cast("Mapping[str, Any]", others.batch.slice(others.place, 1).to_pylist()[0])
    return others


def text_of(candidate: Candidate) -> DocumentText:
    """Return the text of a document, or raise an :class:`Unreadable` if it has none."""
    document = candidate.read()
    if not document.text.strip():
        raise Unreadable("it has no text")
    return document
