"""The table: what it refuses to be opened as, and with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from minilm import Documents, MiniLM
from minilm.documents.table import TableRecipe, open_table, recipe_of, restore_table, schema_of, sql_text
from minilm.errors import CorpusError
from tests.checkpoints import MakeCheckpoint

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.md"
    path.write_text("# Desk\n\nPasswords are reset at the front desk.\n")
    return path


def test_a_table_knows_its_model_and_options(note: Path, tmp_path: Path, model: MiniLM) -> None:
    Documents(tmp_path / "n.lance", model, tokens=64, overlap=8).update(note)
    recipe = recipe_of(open_table(str(tmp_path / "n.lance")), "n.lance")
    assert recipe == TableRecipe.of(model, 64, 8)
    assert recipe.model == "sentence-transformers/all-MiniLM-L6-v2"
    assert recipe.files["model.safetensors"].startswith("53aa51172d142c89")  # as weights/manifest.json has it


def test_another_model_is_refused(
    note: Path, tmp_path: Path, model: MiniLM, make_checkpoint: MakeCheckpoint
) -> None:
    place = tmp_path / "n.lance"
    Documents(place, model).update(note)
    other = Documents(place, MiniLM(make_checkpoint()), tokens=16)
    message = r"n.lance was made with sentence-transformers/all-MiniLM-L6-v2 .* give --model"
    with pytest.raises(CorpusError, match=message):
        other.update(note)
    with pytest.raises(CorpusError, match=message):
        other.search("a")
    not_normal = MiniLM()
    not_normal.normalize = False
    with pytest.raises(CorpusError, match="was made with normalize True, not False"):
        Documents(place, not_normal).search("a")


def test_other_pieces_are_refused(note: Path, tmp_path: Path, model: MiniLM) -> None:
    place = tmp_path / "n.lance"
    Documents(place, model).update(note)
    with pytest.raises(
        CorpusError, match="was made with tokens 128, not 64: leave it so, or use another --db"
    ):
        Documents(place, model, tokens=64).update(note)
    assert len(Documents(place, model, tokens=64).search("password")) == 1  # a search cuts nothing


def test_a_table_of_another_program_is_refused_by_what_it_lacks(
    note: Path, tmp_path: Path, model: MiniLM
) -> None:
    place = tmp_path / "n.lance"
    connection = lancedb.connect(place)
    connection.create_table("vectors", pa.table({"vector": [[1.0]]}))
    for _ in range(2):
        with pytest.raises(CorpusError, match="there is no table 'pieces'; it has vectors"):
            Documents(place, model).update(note)
    with pytest.raises(CorpusError, match="there is no table 'pieces'; it has vectors"):
        Documents(place, model).search("a")
    assert not (place / ".minilm.lock").exists()
    connection.create_table("pieces", pa.table({"vector": [[1.0]]}))
    with pytest.raises(CorpusError, match="its table 'pieces' has no metadata 'minilm'"):
        Documents(place, model).update(note)
    recipe = TableRecipe.of(model, 128, 0)
    schema = schema_of(recipe, 384)
    connection.create_table("pieces", schema=schema.remove(10), mode="overwrite")
    with pytest.raises(CorpusError, match="lacks the column 'heading'"):
        Documents(place, model).update(note)
    newer = schema_of(replace(recipe, format=1), 384)
    connection.create_table("pieces", schema=newer, mode="overwrite")
    with pytest.raises(CorpusError, match="is of format 1, not 2"):
        Documents(place, model).search("a")
    damaged = schema.with_metadata({"minilm": '{"format": 2, "tokens": 3}'})
    connection.create_table("pieces", schema=damaged, mode="overwrite")
    with pytest.raises(CorpusError, match="the metadata of its table is damaged"):
        Documents(place, model).search("a")


def test_a_place_that_is_no_table_is_left_alone(note: Path, tmp_path: Path, model: MiniLM) -> None:
    with pytest.raises(CorpusError, match=r"note.md is a file, not the folder of an index"):
        Documents(note, model).update(note)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(CorpusError, match=r"there is no table 'pieces'; it has thesis.tex"):
        Documents(tmp_path / "mine", model).update(note)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    with pytest.raises(FileNotFoundError):
        Documents(tmp_path / "none", model).search("a")
    assert not (tmp_path / "none").exists()


def test_a_table_is_restored_to_a_version_or_to_none(note: Path, tmp_path: Path, model: MiniLM) -> None:
    place = str(tmp_path / "n.lance")
    Documents(place, model).update(note)
    table = open_table(place)
    version, schema = table.version, table.schema
    restore_table(place, version)
    assert open_table(place).version == version
    table.add_columns([pa.field("n", pa.int64())])
    restore_table(place, version)
    assert open_table(place).schema == schema
    assert open_table(place).count_rows() == 1
    for _ in range(2):
        restore_table(place, None)
        with pytest.raises(CorpusError, match="has no documents yet"):
            open_table(place)


def test_a_text_of_sql_has_its_quotes_doubled() -> None:
    assert sql_text("it's") == "'it''s'"
