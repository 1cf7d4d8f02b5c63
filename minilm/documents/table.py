"""The table of pieces in LanceDB: its columns, what it says of the model, and who may open it.

LanceDB writes new files and then a new version of the table, by one rename. So a reader, and whoever comes
after a crash, sees all of a change or nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from minilm._files import errors_named
from minilm.corpus.formats.columns import Arrow
from minilm.corpus.paths import is_url
from minilm.errors import CorpusError, import_extra, one_line
from minilm.hub import different_files, sha256_of_files
from minilm.hub.staging import locked
from minilm.model import MiniLM

import_for_index = partial(import_extra, feature="an index of documents", extra="index")

TABLE = "pieces"
KEY = "piece_id"  # the column that names a piece
_METADATA = b"minilm"  # the key of the schema's metadata under which the recipe stands
_FORMAT = 2
# By this Lance sees that two writers at once insert the same pieces, and lets the second one merge again.
_PRIMARY_KEY = {b"lance-schema:unenforced-primary-key": b"true"}
# A full scan of so many vectors takes as long as a user notices; above it LanceDB keeps an approximate index.
APPROXIMATE_ABOVE = 100_000

# One row per piece. What else a table has is the metadata of its documents. KEY is first.
OWN_COLUMNS = {
    KEY: "text",  # the document and the number of the piece
    "document": "text",
    "path": "text",
    "found_by": "text",
    "sha256": "text",  # of the document
    "piece": "number",  # from 0, in its document
    "start": "number",
    "end": "number",
    "line": "number",  # of the first character, from 1; null if the file has no lines of its own
    "end_line": "number",
    "heading": "text",
    "text": "text",
    "vector": "vector",
}

Lance = Any  # a table of LanceDB, which has no types for it


@dataclass(frozen=True)
class TableRecipe:
    """What the pieces and vectors of a table were made with."""

    model: str
    revision: str | None
    files: dict[str, str] = field(repr=False)  # sha256 by name
    normalize: bool
    prompt: str
    tokens: int
    overlap: int
    format: int = _FORMAT

    @classmethod
    def of(cls, model: MiniLM, tokens: int, overlap: int) -> TableRecipe:
        """Return the recipe for a model and sizes of pieces."""
        checkpoint = model.checkpoint
        name = next((name for name in ("document", "passage", "corpus") if name in model.prompts), None)
        return cls(
            model=checkpoint.repo_id or str(checkpoint.directory),
            revision=checkpoint.revision,
            files=sha256_of_files(checkpoint),
            normalize=model.normalize,
            prompt=model.resolve_prompt(prompt_name=name),
            tokens=tokens,
            overlap=overlap,
        )

    def check_model(self, other: TableRecipe, place: str) -> None:
        """Raise a CorpusError unless the vectors of another recipe can be compared with those of this one."""
        if changed := different_files(self.files, other.files):
            raise CorpusError(
                f"{place} was made with {self.model} ({self.revision or 'no revision'}), of which "
                f"{changed[0]} is not that of {other.model}: give --model {self.model}, or another --db"
            )
        for name in ("normalize", "prompt"):
            self._check(other, name, place)

    def check_pieces(self, other: TableRecipe, place: str) -> None:
        """Raise a CorpusError unless another recipe cuts documents as this one does."""
        for name in ("tokens", "overlap"):
            self._check(other, name, place)

    def _check(self, other: TableRecipe, name: str, place: str) -> None:
        mine, others = getattr(self, name), getattr(other, name)
        if mine != others:
            raise CorpusError(
                f"{place} was made with {name} {mine!r}, not {others!r}: leave it so, or use another --db"
            )


def is_document_table(place: str) -> bool:
    """Whether a place is, by its name or what it holds, one of ``minilm index`` and not a file of vectors."""
    return place.rstrip("/").endswith(".lance") or (
        not is_url(place) and (Path(place).expanduser() / f"{TABLE}.lance").is_dir()
    )


def schema_of(recipe: TableRecipe, width: int, metadata: Sequence[Arrow] = ()) -> Arrow:
    """Return the columns of a table: one row per piece, as docs/documents.md lists them, with metadata."""
    arrow = import_for_index("pyarrow")
    kinds = {"text": arrow.string(), "number": arrow.int64(), "vector": arrow.list_(arrow.float32(), width)}
    fields = [arrow.field(name, kinds[kind]) for name, kind in OWN_COLUMNS.items()]
    fields[0] = fields[0].with_nullable(False).with_metadata(_PRIMARY_KEY)
    return arrow.schema([*fields, *metadata], metadata={_METADATA: json.dumps(asdict(recipe))})


def metadata_of(table: Lance | None) -> Arrow:
    """Return the columns of a table that are not ours: the metadata of documents. None has none."""
    arrow = import_for_index("pyarrow")
    return arrow.schema(
        [field for field in (() if table is None else table.schema) if field.name not in OWN_COLUMNS]
    )


def recipe_of(table: Lance, place: str) -> TableRecipe:
    """Return the recipe of a table; raise a CorpusError that says what a table of another program lacks."""
    try:
        fields = json.loads((table.schema.metadata or {})[_METADATA])
        if fields["format"] != _FORMAT:
            raise CorpusError(f"{place} is of format {fields['format']}, not {_FORMAT}: minilm index it anew")
        recipe = TableRecipe(**fields)
    except KeyError:
        raise CorpusError(
            f"{place} was not written by minilm index: its table {TABLE!r} has no metadata 'minilm'"
        ) from None
    except (TypeError, ValueError) as error:
        raise CorpusError(f"{place}: the metadata of its table is damaged ({one_line(error)})") from error
    if missing := [name for name in OWN_COLUMNS if name not in table.schema.names]:
        raise CorpusError(f"{place} lacks the column {missing[0]!r}: minilm index it anew")
    return recipe


def open_table(place: str) -> Lance:
    """Open the table of a place.

    Raises
    ------
    FileNotFoundError
        If there is no such place.
    CorpusError
        If the place is empty, or holds something else.
    """
    if not is_url(place) and not Path(place).exists():
        raise FileNotFoundError(2, "No such file or directory", place)
    table = find_table(place)
    if table is None:
        raise CorpusError(f"{place} has no documents yet: minilm index PATH --db {place} adds them")
    return table


def find_table(place: str) -> Lance | None:
    """Return the table of a place, or None if the place is empty; raise a CorpusError if it holds another."""
    lancedb = import_for_index("lancedb")
    if not is_url(place) and Path(place).exists() and not Path(place).is_dir():
        raise CorpusError(f"{place} is a file, not the folder of an index: give another --db")
    # a ValueError says that a table is named and has no version that can be opened
    with lance_errors(place, ValueError):
        connection = lancedb.connect(place)
        names = connection.list_tables().tables
        if TABLE in names:
            return connection.open_table(TABLE)
    strangers = names or ([] if is_url(place) else _strangers(Path(place)))
    if strangers:
        held = ", ".join(sorted(strangers)[:3])
        raise CorpusError(
            f"{place} was not written by minilm index: there is no table {TABLE!r}; it has {held}"
        )
    return None


def create_table(place: str, schema: Arrow) -> Lance:
    """Create the table of an empty place."""
    lancedb = import_for_index("lancedb")
    with lance_errors(place):
        connection = lancedb.connect(place)
        try:
            return connection.create_table(TABLE, schema=schema)
        except ValueError:
            if TABLE not in connection.list_tables().tables:
                raise
            return connection.open_table(TABLE)  # another writer was faster, where there is no lock


def restore_table(place: str, version: int | None) -> None:
    """Make the table of a place what it was at a version. None stands for no table. Call it with the lock."""
    lancedb = import_for_index("lancedb")
    with lance_errors(place, ValueError):
        connection = lancedb.connect(place)
        if TABLE not in connection.list_tables().tables:
            return
        if version is None:
            connection.drop_table(TABLE)
            return
        table = connection.open_table(TABLE)
        if table.version != version:
            table.restore(version)


def lance_errors(place: str, *more: type[Exception]) -> AbstractContextManager[None]:
    """Turn what LanceDB raises about its files, and ``more``, into a CorpusError that names the place."""
    catch: tuple[type[BaseException], ...] = (RuntimeError, OSError, *more)
    return errors_named(CorpusError, f"{place}: LanceDB cannot use it", catch=catch)


@contextmanager
def write_lock(place: str) -> Iterator[None]:
    """Wait until no other process of this machine writes to a place; a remote place has no lock."""
    if is_url(place):
        yield
        return
    path = Path(place)
    if path.exists() and (not path.is_dir() or (_strangers(path) and not (path / f"{TABLE}.lance").exists())):
        open_table(place)  # raises: nothing is put beside files of others
    with locked(path):
        yield


def _strangers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if not path.name.startswith((".minilm.lock", TABLE))]


def sql_text(value: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"
