"""Which documents there are: the files of folders and patterns, and the rows of tables."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from minilm.corpus.formats.columns import OtherColumns
from minilm.corpus.formats.compression import compression_of
from minilm.corpus.formats.input_file import ReadOtherwiseError
from minilm.corpus.formats.row import ColumnError, Row
from minilm.corpus.paths import absolute, expand_inputs, file_name, is_remote_folder, is_url, open_url
from minilm.corpus.rows import Corpus
from minilm.documents.content import Content
from minilm.documents.metadata import MetadataRows
from minilm.documents.readers import READERS_BY_SUFFIX, DocumentText, read_plain, read_row
from minilm.errors import CorpusError

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq")


@dataclass(frozen=True)
class TableColumns:
    """Which columns of a table hold the text and the id of a document, and which are its metadata.

    Without ``column`` the text is in "text", or in the only column. Without ``id`` it is the row's number.
    Without ``keep`` all the other columns are metadata.
    """

    column: str | None = None
    id: str | None = None
    keep: tuple[str, ...] | None = None

    @property
    def read(self) -> bool | tuple[str, ...]:
        """The columns to read beside the text."""
        if self.keep is None:
            return True
        return tuple(dict.fromkeys([*self.keep, *([] if self.id is None else [self.id])])) or False

    @property
    def unkept(self) -> str | None:
        """The column that is read for the id only, and is no metadata."""
        return None if self.keep is None or self.id in self.keep else self.id


@dataclass(frozen=True)
class Candidate:
    """A document that was found. Its text is read if its content is new, and before the next is found."""

    document: str  # its id: the absolute path, and for a row of a table its id behind a #
    path: str  # as the caller gave it, and the id of the row
    source: str  # the folder, pattern or file that it was found by, absolute
    sha256: str
    read: Callable[[], DocumentText]  # it raises an Unreadable if there is no text
    metadata: OtherColumns = field(default_factory=dict)  # the other columns of a row


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
    closed: list[Problem] = []
    sources = [(given, source_of(given)) for given in paths]
    files = [(path, source) for given, source in sources for path in _files(given, closed)]
    folders: dict[str, str] = {}
    tables = {path for path, _ in files if _is_table(path)}
    for option, value in (("--column", columns.column), ("--id", columns.id), ("--keep", columns.keep)):
        if value is not None and not tables:
            raise CorpusError(f"{option} is for tables ({' '.join(TABLE_SUFFIXES)}), and none is given")
    yield from closed
    unseen = set(columns.keep or ())  # columns to keep that no table had so far
    for path, source in files:
        found = _row_documents(path, columns, unseen) if path in tables else _file(path, source, folders)
        for item in found:
            if isinstance(item, tuple):
                yield item
            elif item.document not in seen:
                seen.add(item.document)
                yield item
    if unseen:
        raise CorpusError(f"no table has a column {min(unseen)!r} to keep (--keep NAME,NAME)")


def source_of(given: str) -> str:
    """Return a path as a table names it: what a caller gave, absolute; a URL as it is."""
    return absolute(os.path.expanduser(given))  # noqa: PTH111 - Path would change a URL


def _suffix(path: str) -> str:
    name = file_name(path) if is_url(path) else path
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - Path takes ten times as long, for each file


def _is_table(path: str) -> bool:
    """Whether the rows of a file are documents; it may be compressed, as minilm encode reads it."""
    suffix = _suffix(path)
    # compression is asked for last: for each file it takes longest
    if suffix not in READERS_BY_SUFFIX and compression_of(path):
        suffix = _suffix(os.path.splitext(path)[0])  # noqa: PTH122 - as above
    return suffix in TABLE_SUFFIXES


def _absolute(path: str, folders: dict[str, str]) -> str:
    """Return the same as ``absolute``, which asks for every folder above each file: here once per folder."""
    folder, name = os.path.split(path)
    if is_url(path) or os.path.islink(path):  # noqa: PTH114 - as above
        return absolute(path)
    if folder not in folders:
        folders[folder] = absolute(folder)
    return os.path.join(folders[folder], name)  # noqa: PTH118 - as above


def is_below(document: str, folder: str) -> bool:
    """Whether a document lies in a folder, both absolute."""
    return document.startswith(folder.rstrip("/" + os.sep) + ("/" if is_url(folder) else os.sep))


def _files(given: str, closed: list[Problem]) -> list[str]:
    """Return the files that a path stands for, and add the folders that cannot be read to ``closed``."""

    def refused(error: OSError) -> None:
        closed.append((str(error.filename), error.strerror or str(error)))

    if is_remote_folder(given):
        inside = expand_inputs([f"{given.rstrip('/')}/**"])
        return [item.path for item in inside if _suffix(item.path) in READERS_BY_SUFFIX]
    if is_url(given) or not Path(given).expanduser().is_dir():
        return [item.path for item in expand_inputs([given])]
    found = []
    for folder, folders, names in os.walk(Path(given).expanduser(), onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = (name for name in names if not name.startswith("."))
        found += [
            os.path.join(folder, name)  # noqa: PTH118 - Path would drop the ./ that was given
            for name in visible
            if _suffix(name) in READERS_BY_SUFFIX
        ]
    return sorted(found)  # not in natural order, which takes long for many files


def _file(path: str, source: str, folders: dict[str, str]) -> Iterator[Candidate | Problem]:
    with ExitStack() as resources:
        try:
            path.encode()
            if is_url(path):
                with open_url(path, seekable=False) as remote:
                    content = Content(remote, resources)
            elif _is_endless(path) and absolute(path) != source:  # who names a pipe means to wait for it
                yield path, "it is a pipe or a device"
                return
            else:
                file = resources.enter_context(open(path, "rb", buffering=0))  # noqa: PTH123 - as above
                content = Content(file, resources, is_lasting=True)
        except UnicodeEncodeError:
            yield path, "its name is not UTF-8"
        except (OSError, CorpusError) as error:
            yield path, getattr(error, "strerror", None) or str(error)
        else:
            read = partial(READERS_BY_SUFFIX.get(_suffix(path), read_plain), content)
            yield Candidate(_absolute(path, folders), path, source, content.sha256, read)


def _is_endless(path: str) -> bool:
    """Whether a path is a pipe or a device, whose reader may wait for ever."""
    mode = os.stat(path).st_mode  # noqa: PTH116 - as above
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _readable_rows(path: str, columns: TableColumns) -> Iterator[Row | Problem]:
    """Yield the rows of a table, and at last what is wrong with it, if it cannot be read to its end.

    A column that an option names and that is not there is the caller's error, and is raised.
    """
    try:
        yield from Corpus([path], column=columns.column, keep=columns.read)
    except ColumnError:
        raise
    except (OSError, CorpusError) as error:
        said = error.elsewhere() if isinstance(error, ReadOtherwiseError) else str(error)
        reason = said.removeprefix(f"{path}: ").removeprefix(f"{path} ")
        yield path, getattr(error, "strerror", None) or reason


def _row_documents(path: str, columns: TableColumns, unseen: set[str]) -> Iterator[Candidate | Problem]:
    """Yield the rows of a table as documents."""
    source = absolute(path)  # once: it asks the file system for each folder above
    metadata = MetadataRows(path)
    named: set[str] = set()
    for number, row in enumerate(_readable_rows(path, columns), 1):
        if not isinstance(row, Row):
            yield row
            return
        others = metadata.of(row.other_columns)
        unseen.difference_update(others)
        if columns.id is not None and columns.id not in others:
            raise CorpusError(
                f"{path}, line {row.line}: no column {columns.id!r} beside the text (--id NAME)"
            )
        name = number if columns.id is None else others[columns.id]
        if columns.id is not None:  # a number is nobody else's
            if name is None or str(name) in named:
                reason = "is null" if name is None else f"{name!r} is that of an earlier row"
                yield f"{path}, line {row.line}", f"its id {reason}"
                continue
            named.add(str(name))
        kept = {name: value for name, value in others.items() if name != columns.unkept}
        text = row.text or ""  # without one it is read as empty, and loses the pieces that it had
        content = json.dumps(kept, ensure_ascii=False, default=str)
        sha256 = hashlib.sha256(f"{content}\n{text}".encode("utf-8", "replace")).hexdigest()
        read = partial(read_row, text, row.problem)
        yield Candidate(f"{source}#{name}", f"{path}#{name}", source, sha256, read, row.other_columns)
