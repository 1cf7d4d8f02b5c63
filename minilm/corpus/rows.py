"""Rows of text from files: plain text, JSON Lines, CSV, TSV and Parquet, compressed or not.

What cannot be taken as text does not stop the reading: it comes as a row with a problem, and who reads
decides. JSON and CSV are read by the standard library, row by row, so that one bad row is one bad row, whose
line is known.
"""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from minilm.errors import CorpusError, one_line

if TYPE_CHECKING:
    from _csv import Reader

FORMATS = ("text", "jsonl", "csv", "tsv", "parquet")
_BY_SUFFIX = {
    "": "text",
    ".txt": "text",
    ".text": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_PARQUET_ROWS = 1024  # that are taken from a Parquet file at a time
_MARK = b"\xef\xbb\xbf"  # that some editors put before UTF-8


class Row(NamedTuple):
    """One row of the input."""

    text: str | None  # None where there is none, and then ``problem`` says why
    problem: str | None
    source: str
    line: int  # from 1: the line on which the row ends, or its number in a Parquet file
    kept: dict[str, Any]  # its other columns, if they are wanted


class Corpus:
    """Rows of all inputs, in their order.

    Parameters
    ----------
    inputs : sequence of str
        Files and patterns such as "data/*.csv"; "-" is standard input.
    format : {"text", "jsonl", "csv", "tsv", "parquet"}, optional
        None goes by each file's name; standard input is then plain text.
    column : str, optional
        The column with the text. None is "text", or the only one there is.
    keep : bool
        Take the other columns along.
    span : (int, int), optional
        Of the one input, read only the lines that begin in these bytes or, of a Parquet file, these rows.
        Lines are then numbered from the first of them.

    Attributes
    ----------
    formats : list of str
        What each of the inputs is.
    lines : int
        Lines of the span that were read.
    position : int
        Bytes of input that are behind the reader.
    total_bytes : int or None
        Bytes in all; None with a pipe, such as standard input, among them.
    kept_types : dict of str to pyarrow.DataType
        Of the other columns, once reading has come to a Parquet file, which knows them.

    Raises
    ------
    CorpusError
        If a pattern matches nothing, or a file's name does not say what it holds.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        *,
        format: str | None = None,  # noqa: A002 - as the option is called
        column: str | None = None,
        keep: bool = False,
        span: tuple[int, int] | None = None,
    ) -> None:
        self.paths = [path for given in inputs for path in _expand(given)]
        self.formats = [format or _format_of(path) for path in self.paths]
        self.column = column
        self.keep = keep
        self._span = span
        self.lines = 0
        self.position = 0
        self.kept_types: dict[str, Any] = {}
        self._stdin: hashlib._Hash | None = None
        self._lacking = ""  # the first row that has columns, and not that of the text
        self._is_column_seen = False
        sizes = [
            Path(path).stat().st_size if path != "-" and Path(path).is_file() else None for path in self.paths
        ]
        self.total_bytes = None if None in sizes else sum(size or 0 for size in sizes)

    def identity(self) -> list[list[Any]]:
        """What tells these inputs from others: names, sizes and times of change."""
        rows: list[list[Any]] = []
        for path, kind in zip(self.paths, self.formats, strict=True):
            if path == "-":
                rows.append(["-", kind])
            else:
                stat = Path(path).stat()
                rows.append([str(Path(path).resolve()), kind, stat.st_size, stat.st_mtime_ns])
        return rows

    @property
    def stdin_sha256(self) -> str:
        """The sha256 in hexadecimal of the rows that standard input has given; empty if it gave none."""
        return self._stdin.hexdigest() if self._stdin else ""

    def __iter__(self) -> Iterator[Row]:
        before = 0
        self._stdin = None
        self._lacking, self._is_column_seen = "", False
        for path, kind in zip(self.paths, self.formats, strict=True):
            read = self._parquet if kind == "parquet" else self._lines
            for row, position in read(path, kind):
                self.position = before + position
                if path == "-":
                    content = repr((row.text, row.problem, row.kept))
                    self._stdin = self._stdin or hashlib.sha256()
                    self._stdin.update(content.encode("utf-8", "surrogatepass"))
                yield row
            before += 0 if path == "-" else Path(path).stat().st_size
            self.position = before
        if self._lacking and not self._is_column_seen and not self._span:  # a block may well have none
            raise CorpusError(f"no row has a column {self.column!r}: {self._lacking} (--column NAME)")

    def _lines(self, path: str, kind: str) -> Iterator[tuple[Row, int]]:
        source = "stdin" if path == "-" else path
        if path == "-" and sys.stdin is None:
            raise CorpusError("there is nothing to read: stdin is closed")
        raw = cast(BinaryIO, sys.stdin.buffer) if path == "-" else Path(path).open("rb")  # noqa: SIM115
        try:
            file = _decompressed(raw, path)
            parse = {"text": _text_rows, "jsonl": self._json_rows}.get(kind)
            lines = self._between(file, *self._span) if self._span else _without_mark(file)
            rows = parse(lines, source) if parse else self._csv_rows(file, source, kind)
            can_tell = path != "-" and raw.seekable()  # a pipe cannot
            for row in rows:
                yield row, raw.tell() if can_tell else 0
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CorpusError(f"{path}: the compressed data is damaged: {error}") from None
        finally:
            if path != "-":
                raw.close()

    def _between(self, file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
        """Lines that begin in these bytes: each is in one span only, where one ends and the next begins."""
        if start:
            file.seek(start - 1)
            start += len(file.readline()) - 1
        while start < stop and (line := file.readline()):
            yield line if start else line.removeprefix(_MARK)
            start += len(line)
            self.lines += 1

    def _json_rows(self, lines: Iterable[bytes], source: str) -> Iterator[Row]:
        for line, content in enumerate(lines, 1):
            if not content.strip():
                continue
            try:
                value = json.loads(content.decode())
            except UnicodeDecodeError as error:
                yield Row(None, f"not UTF-8 ({error.reason})", source, line, {})
                continue
            except (ValueError, RecursionError) as error:
                yield Row(None, f"not JSON ({error})", source, line, {})
                continue
            if isinstance(value, dict):
                column = self.column or self._choose(list(value), source)
                kept = {k: v for k, v in value.items() if k != column} if self.keep else {}
                if column in value:
                    self._is_column_seen = True
                    yield _row(value[column], source, line, kept)
                else:
                    problem = one_line(f"no column {column!r}; its columns are: {', '.join(value)}")
                    self._lacking = self._lacking or f"{source}, line {line}: {problem}"
                    yield Row(None, problem, source, line, kept)
            else:  # a line may be the text itself
                yield _row(value, source, line, {})

    def _csv_rows(self, file: BinaryIO, source: str, kind: str) -> Iterator[Row]:
        csv.field_size_limit(2**31 - 1)  # a C long, which has 32 bits on Windows
        # bytes that are not UTF-8 pass through as lone surrogates, so that only their row is lost
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        # strict: or else a quote that is never closed would take the rest of the file for one cell
        reader = csv.reader(text, delimiter="\t" if kind == "tsv" else ",", strict=True)
        try:
            header, problem = _csv_row(reader, source)
            if problem:
                raise CorpusError(f"{source}, line {reader.line_num}: {problem}")
            if header is None:
                return
            column = self._choose(header, source)
            self._is_column_seen = True
            self._check_header(header, source)
            place = header.index(column)
            while True:
                cells, problem = _csv_row(reader, source)
                if problem:
                    yield Row(None, problem, source, reader.line_num, {})
                elif cells is None:
                    return
                elif cells:
                    kept = {}
                    if self.keep:
                        others = zip(header, cells, strict=False)
                        kept = {name: _clean(cell) for name, cell in others if name != column}
                    if any(cells[len(header) :]):  # a comma that nobody quoted: what is the text?
                        problem = f"{len(cells)} cells, and the header has {len(header)}"
                        yield Row(None, problem, source, reader.line_num, kept)
                    elif place < len(cells):
                        yield _row(cells[place], source, reader.line_num, kept)
                    else:
                        yield Row(None, f"no {column!r}", source, reader.line_num, kept)
        finally:
            text.detach()  # who opened the file closes it

    def _parquet(self, path: str, kind: str) -> Iterator[tuple[Row, int]]:  # noqa: ARG002 - as _lines
        arrow, parquet = _pyarrow("Parquet")
        if path == "-":
            raise CorpusError("Parquet cannot be read from stdin: its index stands at the end")
        with damage_named(path, arrow):
            file = parquet.ParquetFile(path, memory_map=True)
        with file:
            column = self._choose(file.schema_arrow.names, path)
            self._is_column_seen = True
            self._check_header(file.schema_arrow.names, path)
            size, rows = Path(path).stat().st_size, max(file.metadata.num_rows, 1)
            start, stop = self._span or (0, rows)
            groups, number = _groups_between(file.metadata, start, stop)
            wanted = None if self.keep else [column]
            if self.keep:
                self.kept_types |= {field.name: field.type for field in file.schema_arrow}
            batches = iter(file.iter_batches(_PARQUET_ROWS, row_groups=groups, columns=wanted))
            while True:
                with damage_named(path, arrow):
                    batch = next(batches, None)
                if batch is None:
                    return
                skipped = min(max(start - number, 0), len(batch))
                number += skipped
                for record in batch.slice(skipped, max(stop - number, 0)).to_pylist():
                    number += 1
                    value = record.pop(column)
                    yield _row(value, path, number, record), size * number // rows

    def find_column(self) -> str | None:
        """The column with the text, as reading from the beginning comes to it; None if there are no columns.

        Not for standard input, which can be read only once.
        """
        for path, kind in zip(self.paths, self.formats, strict=True):
            if kind != "text":
                rows = self._parquet(path, kind) if kind == "parquet" else self._lines(path, kind)
                while self.column is None and next(rows, None) is not None:
                    pass
        return self.column

    def _choose(self, names: Sequence[str], source: str) -> str:
        """The column with the text."""
        if self.column is None:
            self.column = "text" if "text" in names else names[0] if len(names) == 1 else None
        if self.column is None or self.column not in names:
            asked = f"no column {self.column!r}" if self.column else "several columns and none called 'text'"
            raise CorpusError(f"{source} has {asked}; its columns are: {', '.join(names)} (--column NAME)")
        return self.column

    def _check_header(self, names: Sequence[str], source: str) -> None:
        """Raise if a name stands for two columns of which only one would be taken."""
        wanted = names if self.keep else [name for name in names if name == self.column]
        if twice := sorted({name for name in wanted if wanted.count(name) > 1}):
            raise CorpusError(f"{source} has two columns that are called {twice[0]!r}")


def _csv_row(reader: Reader, source: str) -> tuple[list[str] | None, str | None]:
    """The next row, None at the end; or what is wrong with it."""
    begins = reader.line_num + 1
    try:
        return next(reader, None), None
    except csv.Error as error:
        if "end of data" in str(error):
            reason = "a quote is opened in this row and never closed"
            raise CorpusError(f"{source}, line {begins}: {reason}") from None
        return None, f"not CSV ({error})"


@contextmanager
def damage_named(path: str, arrow: Any) -> Iterator[None]:  # noqa: ANN401 - the module
    """What pyarrow says of a damaged file, as an error that names the file."""
    try:
        yield
    except (arrow.ArrowException, OSError) as error:
        raise CorpusError(f"{path}: {one_line(error)}") from error


def _groups_between(metadata: Any, start: int, stop: int) -> tuple[list[int], int]:  # noqa: ANN401
    """Row groups of a Parquet file that hold rows from ``start`` up to ``stop``, and their first row."""
    groups: list[int] = []
    before = first = 0
    for group in range(metadata.num_row_groups):
        after = before + metadata.row_group(group).num_rows
        if before < stop and after > start:
            first = first if groups else before
            groups.append(group)
        before = after
    return groups, first


def _without_mark(file: BinaryIO) -> Iterator[bytes]:
    lines = iter(file)
    yield from (line.removeprefix(_MARK) for line in islice(lines, 1))
    yield from lines


def _text_rows(lines: Iterable[bytes], source: str) -> Iterator[Row]:
    for line, content in enumerate(lines, 1):
        # split at newlines only: other separators belong to the text
        bare = content.removesuffix(b"\n").removesuffix(b"\r")
        try:
            yield Row(bare.decode(), None, source, line, {})
        except UnicodeDecodeError as error:
            yield Row(None, f"not UTF-8 ({error.reason})", source, line, {})


def _row(value: object, source: str, line: int, kept: dict[str, Any]) -> Row:
    """A row whose text is ``value``, if it is one."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            return Row(None, f"not UTF-8 ({error.reason})", source, line, kept)
    if not isinstance(value, str):
        kinds: list[tuple[type, str]] = [(bool, "a boolean"), (int, "a number"), (float, "a number")]
        kind = next((name for kind, name in kinds if isinstance(value, kind)), f"a {type(value).__name__}")
        return Row(None, "null" if value is None else f"{kind}, not text", source, line, kept)
    try:
        value.encode()
    except UnicodeEncodeError:
        return Row(None, "not UTF-8 (a lone surrogate)", source, line, kept)
    return Row(value, None, source, line, kept)


def _clean(cell: str) -> str:
    return cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _expand(given: str) -> list[str]:
    if given == "-" or Path(given).exists():
        return [given]
    if glob.has_magic(given):
        if found := sorted(glob.glob(given, recursive=True)):  # noqa: PTH207 - patterns may be absolute
            return found
        raise CorpusError(f"no file matches {given!r}")
    raise FileNotFoundError(2, "No such file or directory", given)


def _format_of(path: str) -> str:
    if path == "-":
        return "text"
    name = Path(path)
    suffix = Path(name.stem).suffix if name.suffix.lower() in _COMPRESSED else name.suffix
    if suffix.lower() not in _BY_SUFFIX:
        raise CorpusError(f"{path}: the name does not say what it holds; --format {'|'.join(FORMATS)} does")
    return _BY_SUFFIX[suffix.lower()]


def is_compressed(path: str) -> bool:
    """Whether the file's name says so; it can then be read from its beginning only."""
    return Path(path).suffix.lower() in _COMPRESSED


def _decompressed(raw: BinaryIO, path: str) -> BinaryIO:
    kind = _COMPRESSED.get(Path(path).suffix.lower())
    if kind == "gzip":
        return cast(BinaryIO, gzip.open(raw))
    if kind == "zstd":
        arrow, _ = _pyarrow("zstd")
        reader: Callable[[Any], Any] = io.BufferedReader
        return cast(BinaryIO, reader(_Readable(arrow.CompressedInputStream(raw, "zstd"), path)))
    return raw


class _Readable(io.RawIOBase):
    """pyarrow's stream as Python's own kind, which knows lines."""

    def __init__(self, stream: Any, path: str) -> None:  # noqa: ANN401 - pyarrow.NativeFile
        self._stream = stream
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            raise CorpusError(f"{self._path}: the compressed data is damaged: {error}") from None
        buffer[: len(data)] = data
        return len(data)


def _pyarrow(what: str) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        needed = 'pip install "minilm[parquet]", or ".[parquet]" in a checkout'
        raise CorpusError(f"{what} needs pyarrow, which is not installed: {needed}") from None
    return pa, pq
