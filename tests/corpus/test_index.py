"""An index from someone else: whatever is in it, the search is right or one error names the file."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm.cli.main import main
from minilm.corpus.index import Index
from minilm.errors import CorpusError
from minilm.fast.nearest import TopK
from minilm.quantization import (
    quantize_embeddings,
    unit_ranges,
)
from tests.corpus.indices import ROWS, VECTORS, WIDTH, write
from tests.corpus.running import run

CASES = int(os.environ.get("MINILM_INDICES", "1500"))  # of each format; more of them by hand


def mutated(content: bytes, choose: random.Random) -> bytes:
    """The bytes with one to four faults: flipped, cut, lost, put in, or numbers that are none."""
    result = bytearray(content)
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(len(result) + 1)
        fault = choose.randrange(6)
        if fault == 0 and at < len(result):
            result[at] ^= 1 << choose.randrange(8)
        elif fault == 1:
            del result[at:]
        elif fault == 2:
            del result[at : at + choose.randrange(20)]
        elif fault == 3:
            result[at:at] = choose.randbytes(choose.randrange(9))
        elif fault == 4 and result:  # the header, where there is one
            result[min(at, choose.randrange(130), len(result) - 1)] = choose.randrange(256)
        else:
            result[at:at] = choose.choice(
                [b"NaN", b"1e999", b"[]", b"{}", b"null", b"9" * 400, b"-1", b'"x"']
            )
    return bytes(result)


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_a_damaged_index_is_searched_rightly_or_named(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"index.{suffix}")
    manifest = tmp_path / f"index.{suffix}.manifest.json"
    options = {"model": "x", "revision": None, "sha256": "0", "normalize": True, "pooling": ["mean"]}
    contents = {path: path.read_bytes(), manifest: json.dumps({"options": options}).encode()}
    choose, refused, named = random.Random(1), 0, 0
    for _ in range(CASES):
        for file, content in contents.items():
            file.write_bytes(content)
        damaged = path if choose.random() < 0.8 else manifest
        damaged.write_bytes(mutated(contents[damaged], choose))
        try:
            found = Index(path).search(VECTORS[:2], 5)
        except CorpusError as error:
            named += str(damaged) in str(error)
            refused += 1
        else:
            for hits in found:
                scores = [hit.score for hit in hits]
                assert all(map(math.isfinite, scores))
                assert scores == sorted(scores, reverse=True)
    assert refused == named > CASES // 2


def test_nothing_in_an_index_is_unpickled(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path(tmp_path / "ran"),)  # type: ignore[return-value]

    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Hostile()))
    np.save(tmp_path / "objects.npy", np.array([[Hostile()]], dtype=object), allow_pickle=True)
    with (tmp_path / "zip.npy").open("wb") as file:
        np.savez(file, np.array([Hostile()], dtype=object))
    for name in ("pickle", "objects", "zip"):
        with pytest.raises(CorpusError, match=rf"{name}\.npy is damaged"):
            Index(tmp_path / f"{name}.npy").search(VECTORS[:1], 1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_numbers_that_have_no_order_are_refused_with_their_row(
    suffix: str, value: float, tmp_path: Path
) -> None:
    vectors = VECTORS.copy()
    vectors[17] = value
    index = Index(write(tmp_path / f"index.{suffix}", vectors))
    with pytest.raises(CorpusError, match="row 17 holds a number that is not finite, or too large"):
        index.search(np.ones((1, WIDTH), np.float32), 3)


def test_control_characters_of_an_index_do_not_reach_the_terminal(
    model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "index.jsonl"
    texts = ["\x1b[2J\x1b]0;owned\x07 cats", "dogs \x9b31m \u202e"]
    rows = [{"text": t, "embedding": v.tolist()} for t, v in zip(texts, model.encode(texts), strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert main(["search", str(path), "cats", "and \x1b[31m dogs"]) == 0
    assert main(["search", str(tmp_path / "no\x1b[31m.npy"), "cats"]) == 1
    assert main(["search", str(path), "cats", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("cats") == 5
    hits = json.loads(captured.out.splitlines()[-1])["hits"]
    assert {hit["text"] for hit in hits} == set(texts)  # escaped, and not altered
    assert all(c.isprintable() or c == "\n" for c in captured.out + captured.err)


def test_the_text_is_the_first_column_of_strings(tmp_path: Path) -> None:
    """A table that minilm did not write may begin with a number."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.eye(3, dtype=np.float32).ravel()), 3)
    table = pa.table({"id": [7, 8, 9], "text": ["a", None, "c"], "embedding": vectors})
    parquet.write_table(table, tmp_path / "index.parquet")
    parquet.write_table(table.select(["id", "embedding"]), tmp_path / "numbers.parquet")
    lines = (f'{{"id": {row["id"]}, "embedding": {row["embedding"]}}}\n' for row in table.to_pylist())
    (tmp_path / "numbers.jsonl").write_text("".join(lines))
    for name, texts in (
        ("index.parquet", ["a", None, "c"]),
        ("numbers.parquet", [None] * 3),
        ("numbers.jsonl", [None] * 3),
    ):
        [hits] = Index(tmp_path / name).search(np.array([[3, 2, 1]], np.float32), 3)
        assert [(hit.row, hit.text) for hit in hits] == list(enumerate(texts))


def test_many_queries_find_what_each_finds_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm.corpus.index._QUERIES", 3)
    monkeypatch.setattr("minilm.corpus.index.BLOCK_ROWS", 20)
    vectors = np.random.default_rng(0).integers(-2, 3, (ROWS, WIDTH)).astype(np.float32)  # products are exact
    index = Index(write(tmp_path / "index.npy", vectors))
    for count in (0, 1, 3, 7):
        queries = vectors[:count]
        assert index.search(queries, 5) == [index.search(queries[i : i + 1], 5)[0] for i in range(count)]


def test_neither_the_index_nor_all_products_are_ever_in_memory(tmp_path: Path) -> None:
    """100,000 vectors of 384 are 146 MiB, and their products with 2,000 queries 763."""
    path = tmp_path / "index.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(100_000, 384))[-1] = 1
    queries = np.ones((2_000, 384), np.float32)
    tracemalloc.start()
    try:
        hits = Index(path).search(queries, 1)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [hit.row for [hit] in hits] == [99_999] * 2_000
    # a block, 24 MiB, and of 256 queries the products, 16 MiB, with what sorts them: some ten times that
    assert most < 200 << 20


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
@pytest.mark.parametrize("rows", [ROWS - 1, ROWS + 1])
def test_an_index_of_other_rows_than_were_written_is_not_whole(
    suffix: str, rows: int, tmp_path: Path
) -> None:
    path = write(tmp_path / f"index.{suffix}")
    manifest = tmp_path / f"index.{suffix}.manifest.json"
    manifest.write_text(json.dumps({"options": {}, "report": {"rows": rows}}), "utf-8")
    with pytest.raises(CorpusError) as error:
        Index(path).search(VECTORS[:1], 1)
    assert str(error.value) == f"{path} is incomplete: it has {ROWS} rows of {rows}"
    manifest.write_text(json.dumps({"options": {}, "report": {"rows": "many"}}), "utf-8")
    with pytest.raises(CorpusError, match="rows cannot be 'many'"):
        Index(path)


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
def test_search_is_exact(
    suffix: str,
    model: MiniLM,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    texts = [
        f"a text about {word} {i % 40}" for i in range(120) for word in ("cats", "money", "rain")
    ]  # thrice
    source, index = tmp_path / "in.txt", tmp_path / f"index.{suffix}"
    source.write_text("\n".join(texts))
    assert run(source, "-o", index) == 0
    monkeypatch.setattr("minilm.corpus.index.BLOCK_ROWS", 50)
    queries = ["a kitten", "dollars", "a text about cats 7"]
    assert main(["search", str(index), *queries, "-k", "5", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["query"] for answer in answers] == queries
    vectors = model.encode(texts)
    for query, answer in zip(queries, answers, strict=True):
        scores = vectors @ model.encode(query)
        expected = np.sort(scores)[::-1][:5]
        found = [hit["score"] for hit in answer["hits"]]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose([scores[hit["row"]] for hit in answer["hits"]], found, rtol=0, atol=1e-6)
        if suffix != "npy":
            assert all(hit["text"] == texts[hit["row"]] for hit in answer["hits"])
    assert main(["search", str(index), "dollars", "-k", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"{answers[1]['hits'][0]['score']:.4f}  ")
    assert main(["search", str(index)]) == 2
    assert "no query" in capsys.readouterr().err
    assert main(["search", str(index), "x", "-k", "1000", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["hits"]) == len(texts)


def test_of_equal_scores_the_earlier_row_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minilm.corpus.index.BLOCK_ROWS", 7)
    vectors = np.random.default_rng(0).integers(-2, 3, (100, 4)).astype(np.float32)  # products are exact
    np.save(tmp_path / "index.npy", vectors)
    queries = np.eye(4, dtype=np.float32)
    for k in (1, 5, 30, 100):
        for query, hits in zip(queries, Index(tmp_path / "index.npy").search(queries, k), strict=True):
            order = np.argsort(-(vectors @ query), kind="stable")[:k]
            assert [hit.row for hit in hits] == order.tolist()


def test_an_index_of_another_model_is_refused(model: MiniLM, tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.zeros((3, 5), np.float32))
    with pytest.raises(CorpusError, match="5 components, the queries' 384"):
        Index(tmp_path / "other.npy").search(model.encode(["a"]), 1)
    (tmp_path / "bad.npy").write_bytes(b"no")
    with pytest.raises(CorpusError, match=r"bad\.npy"):
        Index(tmp_path / "bad.npy").search(model.encode(["a"]), 1)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (VECTORS[0], r"queries must be numbers of shape \(q, E\), .* not float32 of shape \(8,\)"),
        (VECTORS[None], r"queries must be numbers of shape \(q, E\)"),
        (VECTORS.astype(object), r"queries must be numbers of shape \(q, E\), .* not object"),
        (VECTORS.astype(str), "queries must be numbers"),
        (np.full((1, WIDTH), np.nan, np.float32), "queries must be finite"),
        (np.full((1, WIDTH), 1e300), "queries must be finite"),
    ],
)
def test_a_mistake_in_the_queries_is_not_called_damage(
    queries: np.ndarray, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        Index(write(tmp_path / "index.npy")).search(queries, 2)


@pytest.mark.parametrize("k", [0, -1, 1.5, True, None])
def test_a_k_that_is_not_positive_is_refused(k: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"k must be a positive whole number, not {k!r}"):
        Index(write(tmp_path / "index.npy")).search(VECTORS[:1], k)  # type: ignore[arg-type]


def test_a_bug_in_the_search_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise IndexError("a bug")

    monkeypatch.setattr(TopK, "add", bug)
    with pytest.raises(IndexError, match="a bug"):
        Index(write(tmp_path / "index.npy")).search(VECTORS[:1], 1)


def test_queries_may_be_lists_or_whole_numbers(tmp_path: Path) -> None:
    index = Index(write(tmp_path / "index.npy"))
    query = [1, 0, 0, 0, 0, 0, 0, 0]
    [hits] = index.search([query], 3)
    assert [hit.row for hit in hits] == np.argsort(-VECTORS[:, 0], kind="stable")[:3].tolist()


def test_the_manifest_names_the_columns_and_a_caller_another(tmp_path: Path) -> None:
    path = tmp_path / "index.jsonl"
    rows = [{"id": "x", "doc": f"text {i}", "vector": v.tolist()} for i, v in enumerate(VECTORS)]
    path.write_text("\n\n".join(map(json.dumps, rows)), "utf-8")  # blank lines are no rows
    options = {"embedding_column": "vector", "column": "doc"}
    path.with_name("index.jsonl.manifest.json").write_text(json.dumps({"options": options}))
    [[hit]] = Index(path).search(VECTORS[7:8], 1)
    assert (hit.row, hit.text) == (7, "text 7")
    with pytest.raises(CorpusError, match=r"line 1: no 'other' \(--embedding-column NAME\)"):
        Index(path, embedding_column="other").search(VECTORS[:1], 1)
    np.save(tmp_path / "index.npy", VECTORS)
    with pytest.raises(CorpusError, match=r"index\.npy has no columns"):
        Index(tmp_path / "index.npy", embedding_column="vector")


UNIT = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)


def quantized(path: Path, precision: str, *, vectors: np.ndarray = UNIT, is_recorded: bool = True) -> Path:
    """An index as `minilm encode --dtype` writes it."""
    ranges = unit_ranges(vectors.shape[1])
    stored = quantize_embeddings(vectors, precision, ranges)  # type: ignore[call-overload]
    write(path, stored)
    if is_recorded:
        options = {"dtype": precision, "ranges": ranges.tolist() if "int8" in precision else None}
        path.with_name(path.name + ".manifest.json").write_text(json.dumps({"options": options}))
    return path


@pytest.mark.parametrize("suffix", ["npy", "jsonl", "parquet"])
@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
@pytest.mark.parametrize("count", [1, 12])
def test_quantized_vectors_are_found_by_their_numbers_and_scored_by_the_floats(
    count: int, precision: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minilm.corpus.index.BLOCK_ROWS", 7)
    index = Index(quantized(tmp_path / f"index.{suffix}", precision))
    queries = UNIT[:count]
    stored = quantize_embeddings(UNIT, precision, unit_ranges(WIDTH))  # type: ignore[call-overload]
    if "int8" in precision:
        first, step = -np.float32(1), np.float32(2) / np.float32(255)
        numbers = stored.astype(np.float64) + 128 * (precision == "int8")
        floats = numbers * step + first
    else:
        floats = (UNIT > 0).astype(np.float64)
    for query, hits in zip(queries, index.search(queries, 3, rescore_multiplier=4), strict=True):
        candidates = np.arange(ROWS)
        if "binary" in precision:
            differing = ((UNIT > 0) != (query > 0)).sum(axis=1)
            candidates = np.sort(np.argsort(differing, kind="stable")[:12])
        scores = floats[candidates] @ query.astype(np.float64)
        order = np.argsort(-scores.round(12), kind="stable")[:3]
        assert [hit.row for hit in hits] == candidates[order].tolist()
        np.testing.assert_allclose([hit.score for hit in hits], scores[order], rtol=0, atol=1e-12)


def test_the_precision_is_told_by_the_type_and_the_width(tmp_path: Path) -> None:
    expected = [hit.row for hit in Index(quantized(tmp_path / "r.npy", "ubinary")).search(UNIT[:1], 5)[0]]
    for precision in ("ubinary", "binary"):
        path = quantized(tmp_path / f"{precision}.npy", precision, is_recorded=False)
        assert [hit.row for hit in Index(path).search(UNIT[:1], 5)[0]] == expected
    path = quantized(tmp_path / "int8.npy", "int8", is_recorded=False)
    with pytest.raises(
        CorpusError,
        match=r"no manifest has their ranges: keep its .*\.manifest\.json beside it, or Index\(path, ranges",
    ):
        Index(path).search(UNIT[:1], 5)
    [hits] = Index(path, ranges=unit_ranges(WIDTH)).search(UNIT[:1], 5)
    assert hits[0].row == 0
    with pytest.raises(CorpusError, match="3 components, the queries' 8"):
        Index(write(tmp_path / "other.npy", np.zeros((4, 3), np.uint8))).search(UNIT[:1], 5)
    with pytest.raises(ValueError, match="rescore_multiplier is for quantized vectors"):
        Index(write(tmp_path / "floats.npy")).search(UNIT[:1], 5, rescore_multiplier=2)


@pytest.mark.parametrize("ranges", [[[0.0], [1.0, 2.0]], "wide", [[float("nan")] * 8] * 2])
def test_ranges_that_are_none_are_named(ranges: object, tmp_path: Path) -> None:
    path = quantized(tmp_path / "index.npy", "int8")
    manifest = tmp_path / "index.npy.manifest.json"
    manifest.write_text(json.dumps({"options": {"dtype": "int8", "ranges": ranges}}))
    with pytest.raises(CorpusError, match=r"index\.npy\.manifest\.json"):
        Index(path)
