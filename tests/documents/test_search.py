"""Search: the exact order, grouped by document, under a condition."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CrossEncoder, Documents, MiniLM
from minilm.documents.search import search_table
from minilm.errors import CorpusError
from tests.checkpoints import MakeCheckpoint, write_cross_encoder
from tests.counting import Work

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")

TEXTS = {
    "desk": "# Desk\n\nPasswords are reset at the front desk.\n\n# Doors\n\nThe doors close at ten.\n\n"
    "# Post\n\nLetters come at nine.",
    "lunch": "The canteen opens at noon.\n\nThere's fish on Fridays.",
    "o'clock": "The clock in the hall is late.",
}
QUERY = "When can I eat?"


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory, model: MiniLM) -> Documents:
    folder = tmp_path_factory.mktemp("notes")
    for name, text in TEXTS.items():
        (folder / f"{name}.md").write_text(text)
    documents = Documents(folder / "n.lance", model, tokens=14)
    documents.update(folder)
    return documents


def test_a_search_gives_the_nearest_pieces_in_order(documents: Documents, model: MiniLM) -> None:
    rows = lancedb.connect(documents.db).open_table("pieces").to_arrow().to_pylist()
    scores = np.array([row["vector"] for row in rows]) @ model.encode_query(QUERY)
    order = np.argsort(-scores)[:4]
    found = [piece for hit in documents.search(QUERY, k=4) for piece in hit.pieces]
    assert {piece.text for piece in found} == {rows[i]["text"] for i in order}
    expected = {rows[i]["text"]: scores[i] for i in order}
    for piece in found:  # LanceDB sums in another order
        assert piece.score == pytest.approx(expected[piece.text], abs=1e-5)


def test_a_search_calls_the_encoder_twice(
    documents: Documents, model: MiniLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for the query, and once for it and all pieces, whose shares make the snippets."""
    work = Work(model, monkeypatch)
    hits = documents.search(QUERY, k=5)
    assert (work.runs, len(work.encoded)) == (2, 1 + 1 + sum(len(hit.pieces) for hit in hits))


def test_hits_are_grouped_by_document_with_the_best_first(documents: Documents) -> None:
    hits = documents.search(QUERY, k=20)
    assert Path(hits[0].path).name == "lunch.md"
    assert [Path(hit.path).stem for hit in hits].count("desk") == 1
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert hit.score == hit.pieces[0].score
        text = TEXTS[Path(hit.path).stem]
        for piece in hit.pieces:
            assert text[piece.start : piece.end] == piece.text
            assert text.splitlines()[(piece.line or 0) - 1 : piece.end_line] == piece.text.splitlines()


def test_a_stored_value_without_a_text_is_named(tmp_path: Path, model: MiniLM) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "Tea at four."}\n')
    documents = Documents(tmp_path / "n.lance", model)
    documents.update(tmp_path / "t.jsonl")
    table = lancedb.connect(documents.db).open_table("pieces")
    table.add_columns({"x": "arrow_cast(4611686018427387904, 'Timestamp(Second, None)')"})
    message = r"n.lance: its column 'x' has a value that cannot be shown: .* has no text for <value out of"
    with pytest.raises(CorpusError, match=message):
        documents.search("tea")


def test_a_condition_filters_before_the_search(documents: Documents) -> None:
    hits = documents.search(QUERY, k=3, where="path LIKE '%desk.md' AND heading = 'Post'")
    assert [piece.heading for hit in hits for piece in hit.pieces] == ["Post"]
    assert documents.search(QUERY, where="path LIKE '%o''clock%'")[0].path.endswith("o'clock.md")
    assert documents.search(QUERY, where="path = 'none'") == []


@pytest.mark.parametrize("where", ["path LIKE", "nope = 1", "path + 1 > 'a'"])
def test_a_condition_that_is_wrong_says_so(documents: Documents, where: str) -> None:
    with pytest.raises(ValueError, match=r"where .* is not understood: "):
        documents.search(QUERY, where=where)


def test_a_hybrid_search_joins_words_and_vectors_by_reciprocal_rank(documents: Documents) -> None:
    """A piece that is first in one list and second in the other has 1/61 + 1/62, and so on."""
    query = "the late Fridays of ten clocks"
    nearest = [piece for hit in documents.search(query, k=20) for piece in hit.pieces]
    vector_order = [piece.text for piece in sorted(nearest, key=lambda piece: -piece.score)]
    table = lancedb.connect(documents.db).open_table("pieces")
    words = table.search(query, query_type="fts", fts_columns="text").limit(20).select(["text", "_score"])
    word_order = [row["text"] for row in words.to_list()]
    assert word_order
    found = [piece for hit in documents.search(query, k=20, hybrid=True) for piece in hit.pieces]
    for piece in found:
        ranks = [order.index(piece.text) for order in (vector_order, word_order) if piece.text in order]
        assert piece.score == pytest.approx(sum(1 / (60 + rank + 1) for rank in ranks), abs=1e-3)


@pytest.mark.filterwarnings("ignore::minilm.errors.TruncationWarning")  # the tiny model reads 16 tokens
def test_a_reranker_decides_the_order(documents: Documents, make_checkpoint: MakeCheckpoint) -> None:
    reranker = CrossEncoder(write_cross_encoder(make_checkpoint))
    hits = documents.search(QUERY, k=3, reranker=reranker)
    found = [piece for hit in hits for piece in hit.pieces]
    everything = [piece.text for hit in documents.search(QUERY, k=15) for piece in hit.pieces]
    expected = sorted(map(float, reranker.predict([(QUERY, text) for text in everything])), reverse=True)
    np.testing.assert_allclose(
        sorted((p.score for p in found), reverse=True), expected[:3], atol=1e-6
    )  # rounding


def test_a_classifier_is_no_reranker(documents: Documents, make_checkpoint: MakeCheckpoint) -> None:
    several = CrossEncoder(write_cross_encoder(make_checkpoint, labels=3))
    with pytest.raises(ValueError, match=r"reranker must have one label, and CrossEncoder.* has 3"):
        documents.search(QUERY, reranker=several)


def test_the_function_is_what_the_class_calls(documents: Documents, model: MiniLM) -> None:
    assert search_table(documents.db, QUERY, model, 2) == documents.search(QUERY, k=2)


def test_a_damaged_table_is_named(tmp_path: Path, model: MiniLM) -> None:
    (tmp_path / "a.txt").write_text("A note.")
    documents = Documents(tmp_path / "n.lance", model)
    documents.update(tmp_path / "a.txt")
    for file in (tmp_path / "n.lance" / "pieces.lance" / "data").iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(CorpusError, match=r"n.lance: LanceDB cannot use it: "):
        documents.search("a")


@pytest.mark.parametrize(
    "where",
    [
        "path LIKE '%lunch%' piece < 1",
        "path LIKE '%lunch%'; piece < 1",
        "path LIKE '%lunch%', piece < 1",
        "path LIKE '%lunch%' LIMIT 1",
        "",
        "piece",
    ],
)
def test_a_condition_is_obeyed_to_its_end_or_refused(documents: Documents, where: str) -> None:
    """LanceDB by itself reads the beginning that makes sense, and leaves the rest out."""
    with pytest.raises(ValueError, match=re.escape(f"where {where!r} is not understood: ")):
        documents.search(QUERY, where=where)


def test_a_condition_may_end_in_a_comment(documents: Documents) -> None:
    assert [Path(hit.path).name for hit in documents.search(QUERY, where="path LIKE '%lunch%' -- ours")] == [
        "lunch.md"
    ]


def test_a_condition_that_fails_for_a_piece_is_the_callers_and_not_the_tables(documents: Documents) -> None:
    with pytest.raises(ValueError, match=r"where .* is not computable for every piece: .*Cannot cast string"):
        documents.search(QUERY, where="CAST(heading AS DOUBLE) < 5")
    assert documents.search(QUERY, where="TRY_CAST(heading AS DOUBLE) < 5") == []


def test_a_condition_calls_nothing_that_makes_long_values(documents: Documents) -> None:
    with pytest.raises(ValueError, match="calls repeat, which is not allowed"):
        documents.search(QUERY, where="length(repeat(text, 20000000)) > 1")
    assert documents.search(QUERY, where="text = 'repeat(text)'") == []


def test_a_panic_of_lancedb_is_refused(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyO3 raises it as a BaseException."""

    class PanicException(BaseException):
        pass

    def panic(*_: object, **__: object) -> None:
        raise PanicException("offset overflow")

    query = type(lancedb.connect(documents.db).open_table("pieces").search([0.0] * 384, "vector"))
    monkeypatch.setattr(query, "where", panic)
    with pytest.raises(ValueError, match="is not computable for every piece: offset overflow"):
        documents.search(QUERY, where="piece = 0")


def test_more_pieces_than_there_are_may_be_asked_for(documents: Documents) -> None:
    assert sum(len(hit.pieces) for hit in documents.search(QUERY, k=2**70)) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": 5}, "where must be a str, not int"),
        ({"reranker": "a model"}, "reranker must be a CrossEncoder, not str"),
        ({"hybrid": "no"}, "hybrid must be True or False, not 'no'"),
    ],
)
def test_arguments_of_other_types_are_refused(
    documents: Documents, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        documents.search(QUERY, **options)
    with pytest.raises(ValueError, match="query must not be blank"):
        documents.search(" \n")
