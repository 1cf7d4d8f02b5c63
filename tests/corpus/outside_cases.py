"""The cases of outside_files.py: a command for a file, and what its output must hold."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

from tests.corpus.referee import Arrow, jsonl_difference, parquet_difference, strict_json
from tests.corpus.value_cases import Case
from tests.corpus.value_matrix import lines_difference, table_difference

OUTPUTS = (".parquet", ".jsonl")


def file_cases(path: Path) -> Iterator[Case]:
    """The cases for somebody's file, by the end of its name."""
    kinds = [suffix.lower() for suffix in path.suffixes[-2:]]
    if kinds and kinds[-1] in _DECOMPRESS:
        try:
            content = _DECOMPRESS[kinds.pop()](path.read_bytes())
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, lzma.LZMAError):
            yield refused(path, "--keep")
            return
    else:
        content = path.read_bytes()
    kind = kinds[-1] if kinds else ""
    if kind in (".parquet", ".pq"):
        yield from parquet_cases(path)
    elif kind in (".csv", ".tsv"):
        yield from csv_cases(path, content, "\t" if kind == ".tsv" else ",")
    elif kind in (".json", ".jsonl", ".ndjson"):
        yield from json_cases(path, content)
    elif kind in ("", ".txt", ".md"):
        yield from text_cases(path, content, ["--format", "text"] if kind == ".md" else [])
    else:
        yield refused(path)


def refused(path: Path, *options: str, output: str = ".jsonl") -> Case:
    """A command that must be refused with the name of the file."""
    return Case(f"{path.name} {' '.join(options)}", [str(path), *options], output, (path.name,), None)


def _only_member(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise ValueError(f"{len(names)} files")
        return archive.read(names[0])


_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zip": _only_member,
}


# -- Parquet


def parquet_cases(path: Path) -> Iterator[Case]:
    """Each of at most three columns of text, one field of an object, and what cannot be text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError):
        yield refused(path, "--keep", output=".parquet")
        return
    names = table.column_names
    plain = [name for name in names if as_texts(table[name]) is not None and "," not in name]
    for name in plain[:3]:
        yield from _parquet_column(path, table, name, table[name])
    fields = [
        (f"{column.name}.{field.name}", table[column.name].combine_chunks().field(i))
        for column in table.schema
        if pa.types.is_struct(column.type) and table[column.name].null_count == 0
        for i, field in enumerate(column.type)
    ]
    for name, values in [(n, values) for n, values in fields if as_texts(values) is not None][:1]:
        yield from _parquet_column(path, table, name, values)
    if not plain and names and len(table):
        yield refused(path, "--column", names[0], "--keep", output=".parquet")


def as_texts(values: Arrow) -> list[str | None] | None:
    """The texts of a column, with None for a null and for bytes that are not UTF-8; None if it has none."""
    import pyarrow as pa

    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    tests = ("string", "large_string", "string_view", "binary", "large_binary", "fixed_size_binary")
    if not any(getattr(pa.types, f"is_{test}")(kind) for test in tests):
        return None
    return [_decoded(value) for value in values.to_pylist()]


def _decoded(value: str | bytes | None) -> str | None:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return None


def _parquet_column(path: Path, table: Arrow, name: str, values: Arrow) -> Iterator[Case]:
    texts = as_texts(values) or []
    valid = table.filter([text is not None for text in texts]) if texts else table
    others = {other: valid[other] for other in table.column_names if other != name}
    kept = [text for text in texts if text is not None]
    names = (path.name, *table.column_names)
    for output, difference in (
        (".parquet", partial(parquet_difference, column=name, texts=kept, others=others)),
        (".jsonl", partial(jsonl_difference, column=name, texts=kept, others=others)),
    ):
        options = ["--column", name, "--keep", "--on-error", "skip"]
        title = f"{path.name} {name} to {output}"
        is_free = "embedding" not in others
        # what JSON lacks may be refused there; Parquet to Parquet has no excuse
        accept = output == ".parquet" and is_free and len(set(table.column_names)) == table.num_columns
        yield Case(title, [str(path), *options], output, names, difference, accept)


# -- CSV


def csv_cases(path: Path, content: bytes, delimiter: str) -> Iterator[Case]:
    """The file as it is, and with the delimiter that its first line seems to have."""
    if not content:
        return
    if content.startswith((b"\x1f\x8b", b"PK\x03\x04")):  # compressed, against its name
        yield refused(path)
        return
    yield from _csv_cases(path, content, delimiter, [])
    first = content.split(b"\n", 1)[0].decode("utf-8", "replace")
    best = max(";|\t,", key=first.count)
    if best != delimiter and best in first:
        yield from _csv_cases(path, content, best, ["--delimiter", best])
    try:
        content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1").encode()
        yield from _csv_cases(path, text, delimiter, ["--encoding", "latin-1"])


def _csv_cases(path: Path, content: bytes, delimiter: str, options: list[str]) -> Iterator[Case]:
    try:
        text = content.decode("utf-8-sig")
        header, rows = csv_reference(text, delimiter)
    except (UnicodeDecodeError, csv.Error, StopIteration):
        yield Case(f"{path.name} {options}", [str(path), *options, "--keep"], ".jsonl", (path.name,), None)
        return
    is_clear = not (len(header) == 1 and set(header[0]) & set(";|\t,")) and not header[0].startswith("sep=")
    usable = [name for name in header if name.strip() and "," not in name and "." not in name]
    if not is_clear or not usable:
        name = header[0] or "text"
        yield Case(f"{path.name} {options}", [str(path), *options], ".jsonl", (path.name, name), None)
        return
    are_unique = len(set(header)) == len(header)
    for name, output in product(usable[:3], OUTPUTS):
        place = header.index(name)
        good = [row for row in rows if len(row) > place and not any(row[len(header) :])]
        others = [h for h in header if h != name]
        records = [dict(zip_longest(header, row[: len(header)])) for row in good]
        check = partial(_csv_difference, name=name, others=others, records=records, output=output)
        arguments = [str(path), *options, "--column", name, "--keep", "--on-error", "skip"]
        title = f"{path.name} {' '.join(options)} {name} to {output}"
        accept = are_unique and "embedding" not in header and bool(records)
        yield Case(title, arguments, output, (path.name, *header), check if are_unique else None, accept)


def csv_reference(text: str, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, by the csv module; pandas must say the same of a regular file."""
    import pandas as pd

    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = next(reader)
    rows = [row for row in reader if row]
    if header and all(len(row) == len(header) for row in rows) and "\0" not in text and any(header):
        frame = pd.read_csv(
            io.StringIO(text, newline=""),
            sep=delimiter,
            dtype=str,
            keep_default_na=False,
            header=None,
            skip_blank_lines=True,
        )
        if frame.values.tolist() != [header, *rows]:
            raise AssertionError(
                f"pandas and csv disagree: {frame.values.tolist()[:3]}, {[header, *rows][:3]}"
            )
    return header, rows


def _csv_difference(
    path: Path, name: str, others: list[str], records: list[dict[str, Any]], output: str
) -> str:
    import pyarrow as pa

    texts = [record[name] for record in records]
    if output == ".parquet":
        columns = {h: pa.array([record[h] for record in records], pa.string()) for h in others}
        return parquet_difference(path, name, texts, columns)
    # JSON Lines may leave out a cell that the row does not have
    return lines_difference(path, records, name, optional=True)


# -- JSON


def json_cases(path: Path, content: bytes) -> Iterator[Case]:
    """An array of objects, or one object per line; anything else must be refused."""
    try:
        rows = json_reference(content)
    except (ValueError, RecursionError):
        yield from (refused(path, "--keep", output=output) for output in OUTPUTS)
        return
    if not all(isinstance(row, dict) for row in rows) or not rows:
        if any(not isinstance(row, str) for row in rows):
            yield refused(path, "--keep")
        return
    keys = list({key: None for row in rows for key, value in row.items() if isinstance(value, str)})
    for key, output in product([key for key in keys if "," not in key and "." not in key][:2], OUTPUTS):
        kept = [row for row in rows if isinstance(row.get(key), str)]
        check = lines_difference if output == ".jsonl" else table_difference
        arguments = [str(path), "--column", key, "--keep", "--on-error", "skip"]
        names = (path.name, *{k for row in rows for k in row})
        equal = partial(check, rows=kept, column=key)
        # one object over several lines may be refused, and Parquet need not hold what JSON does
        accept = len(rows) > 1 and output == ".jsonl" and "embedding" not in names
        yield Case(f"{path.name} {key} to {output}", arguments, output, names, equal, accept)
    if not keys:
        yield refused(path, "--column", "text", "--keep")


def json_reference(content: bytes) -> list[Any]:
    """The rows of an array, of the lines, or of one object over several lines; ValueError if it is none."""
    text = content.decode("utf-8-sig")
    if text.lstrip(" \t\r\n").startswith("["):
        rows: list[Any] = strict_json(text)
        return rows
    try:
        return [strict_json(line) for line in text.split("\n") if line.strip()]
    except ValueError:
        return [strict_json(text)]


def suite_cases(path: Path, work: Path) -> Iterator[Case]:
    """A file of JSONTestSuite by itself, as a value in an array, and as a value in a line."""
    content, verdict = path.read_bytes(), path.name[:2]
    for kind, whole in (
        ("json", content),
        ("array.json", b'[{"text": "a"}, {"text": "b", "v": ' + content + b"}]"),
        ("jsonl", b'{"text": "a"}\n{"text": "b", "v": ' + content.strip(b" \n") + b"}\n"),
    ):
        if kind == "jsonl" and b"\n" in content.strip(b" \n"):
            continue
        source = work / f"{path.stem}.{kind}"
        source.write_bytes(whole)
        try:
            rows = json_reference(whole)
        except RecursionError:
            if verdict != "i_":  # how deep a value may be is up to the reader
                yield refused(source, "--keep")
            continue
        except ValueError:
            # the suite lets a name have two values, of which any reader would drop one
            if verdict == "y_" and kind != "json" and path.name != "y_object_duplicated_key.json":
                raise AssertionError(f"{source.name}: the reference refuses it") from None
            yield refused(source, "--keep", "--on-error", "raise")
            continue
        if all(isinstance(row, dict) and isinstance(row.get("text"), str) for row in rows):
            check = partial(lines_difference, rows=rows)
            arguments = [str(source), "--keep"]
            yield Case(
                source.name,
                arguments,
                ".jsonl",
                (source.name,),
                check,
                must_accept=verdict == "y_" and kind != "json",
            )
        elif rows and not all(isinstance(row, str) for row in rows):
            yield refused(source, "--column", "text", "--keep")


# -- text


def text_cases(path: Path, content: bytes, options: list[str]) -> Iterator[Case]:
    """Lines are what newlines part."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    lines = [line.removesuffix(b"\r") for line in (lines if lines[-1] else lines[:-1])]
    texts = [_decoded(line) for line in lines]
    check = partial(lines_difference, rows=[{"text": text} for text in texts])
    is_text = None not in texts and b"\0" not in content
    yield Case(path.name, [str(path), *options], ".jsonl", (path.name,), check if is_text else None, is_text)
