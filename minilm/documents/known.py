"""Which documents a table has, by the sha256 of their content: read from it, or from a note beside it.

To import LanceDB takes longer than to hash thousands of files. So an update that changes nothing does without
it: the note says what the table said at the last update. It holds only while the files of the table are the
same. Its first line proves that, a sha256 of the versions of the table and of the note itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from minilm import __version__
from minilm._files import atomic_write
from minilm.corpus.paths import is_url
from minilm.documents.table import TABLE, Lance, TableRecipe, recipe_of

# Of more documents the import is a small part of the time, and the note of each update would be long.
_MOST_NOTED = 100_000


class Known(NamedTuple):
    """What a table says of itself: how it was made, and the sha256 and the source of each document."""

    recipe: TableRecipe
    documents: Mapping[str, Sequence[str]]


def read_known(table: Lance, place: str) -> Known:
    """Return what a table says of itself; raise a CorpusError if another program wrote it."""
    recipe = recipe_of(table, place)
    columns = ["document", "sha256", "found_by"]
    rows = table.search().where("piece = 0").select(columns).limit(None).to_arrow().to_pydict()
    values = zip(rows["sha256"], rows["found_by"], strict=True)
    return Known(recipe, dict(zip(rows["document"], values, strict=True)))


def noted(place: str) -> Known | None:
    """Return what the note beside a table says; None if there is none, or the table is not as it was then."""
    if is_url(place):
        return None
    try:
        seal, body = _note(place).read_bytes().split(b"\n", 1)
        if seal != _seal(_state_of_table(place), body):
            return None
    except (OSError, ValueError):
        return None
    note = json.loads(body)
    return Known(TableRecipe(**note["recipe"]), note["documents"])


def write_note(table: Lance, place: str) -> None:
    """Note what a table says. Call it by the holder of the write lock; a failure costs only time later."""
    if is_url(place):
        return
    with suppress(OSError, RuntimeError):
        state = _state_of_table(place)  # first: what others change from here on breaks the seal
        table.checkout_latest()
        known = read_known(table, place)
        if len(known.documents) > _MOST_NOTED or _state_of_table(place) != state:
            return
        body = json.dumps({"recipe": asdict(known.recipe), "documents": known.documents}).encode()
        with atomic_write(_note(place)) as file:
            file.write(_seal(state, body) + b"\n" + body)


def _note(place: str) -> Path:
    return Path(place) / f"{TABLE}.known"


def _seal(state: bytes, body: bytes) -> bytes:
    made_by = f"{__version__} {TableRecipe.format}".encode()
    return hashlib.sha256(b"\n".join((made_by, state, body))).hexdigest().encode()


def _state_of_table(place: str) -> bytes:
    """Return a sha256 of a table: of the versions' content, and of the names and sizes of the other files.

    LanceDB never writes to a file again, and a version names the files that it has.
    """
    digest = hashlib.sha256()
    for path in sorted((Path(place) / f"{TABLE}.lance").glob("*/*")):
        content = path.read_bytes() if path.parent.name == "_versions" else b""
        name = os.fsencode(path.relative_to(place))
        digest.update(b"%d %s %d %s" % (len(name), name, path.stat().st_size, content))
    return digest.digest()
