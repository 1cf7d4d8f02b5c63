"""minilm search: which model it loads for an index, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from minilm.cli.main import main
from minilm.hub import DEFAULT_MODEL
from tests.cli.running import failure


def with_manifest(tmp_path: Path, encoder: MiniLM, **options: object) -> Path:
    np.save(tmp_path / "index.npy", encoder.encode(["cats", "dogs"]))
    (tmp_path / "index.npy.manifest.json").write_text(json.dumps({"options": options}), "utf-8")
    return tmp_path / "index.npy"


@pytest.mark.parametrize("named", ["/tmp", "//server/share", "../x", "~/x", "a/b/c", "", "\x1b[31m"])
def test_a_directory_that_an_index_names_is_not_opened(
    named: str, model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = with_manifest(tmp_path, model, model=named)
    assert main(["search", str(index), "cats"]) == 2
    assert f"was made with the checkpoint {named!r}: give --model" in capsys.readouterr().err


def test_a_directory_with_the_name_of_a_repository_is_not_opened_either(
    model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "someone" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["search", str(with_manifest(tmp_path, model, model="someone/model")), "cats"]) == 2
    assert "give --model" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [{"model": "someone/model", "revision": None}, {"model": DEFAULT_MODEL, "revision": "other"}]
)
def test_search_does_not_download_the_model_of_an_index(
    options: dict[str, object],
    model: MiniLM,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("minilm.hub.repositories.probe", lambda *_: pytest.fail("the Hub was asked"))
    index = with_manifest(tmp_path, model, **options)
    assert main(["search", str(index), "cats", "--cache-folder", str(tmp_path)]) == 1
    assert "offline use was requested" in capsys.readouterr().err


def test_an_index_of_other_weights_is_refused(
    model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = with_manifest(tmp_path, model, model=DEFAULT_MODEL, sha256="0" * 64)
    assert main(["search", str(index), "cats"]) == 1
    assert "was made with other weights than those of" in capsys.readouterr().err


def test_a_hit_is_a_score_a_row_and_a_text(
    model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["cats and dogs", "rain over town"]
    rows = [{"text": text, "embedding": model.encode(text).tolist()} for text in texts]
    index = tmp_path / "index.jsonl"
    index.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "queries.txt").write_text("rain over town\n")
    (tmp_path / "queries.jsonl").write_text('{"id": 1, "text": "rain over town"}\n')
    assert main(["search", str(index), "cats and dogs", "-k", "1"]) == 0
    assert capsys.readouterr().out == "1.0000  0  cats and dogs\n"
    queries = ["cats and dogs", "--queries", str(tmp_path / "queries.txt")]
    assert main(["search", str(index), *queries, "-k", "1"]) == 0
    expected = "# cats and dogs\n1.0000  0  cats and dogs\n# rain over town\n1.0000  1  rain over town\n"
    assert capsys.readouterr().out == expected
    queries[-1] = str(tmp_path / "queries.jsonl")  # its lines are no queries, and its texts are
    assert main(["search", str(index), *queries, "-k", "1"]) == 0
    assert capsys.readouterr().out == expected
    assert main(["search", str(index), *queries, "-k", "1", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(answer["query"], answer["hits"][0]["text"]) for answer in answers] == list(
        zip(texts, texts, strict=True)
    )


def test_a_tilde_in_quotes_is_the_home(
    model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    np.save(tmp_path / "index.npy", model.encode(["cats", "dogs"]))
    assert main(["search", "~/index.npy", "dogs", "-k", "1"]) == 0
    assert capsys.readouterr().out == "1.0000  1\n"


@pytest.mark.parametrize(
    ("names", "searched"),
    [
        (["A.PARQUET", "b.Parquet", "c.parquet"], "."),
        (["lang=de/a.parquet", "lang=en/b.parquet", "lang=fr/x=1/c.parquet"], "."),
        (["_lang=de/a.parquet", "_lang=en/b.parquet", "_lang=en/c.parquet"], "."),
        (["part-2.parquet", "part-10.parquet", "part-11.parquet"], "."),
        (["data/a.parquet", "data/b.parquet", "data/c.parquet"], "linked_folder"),
        (["data/a.parquet", "data/b.parquet", "data/c.parquet"], "linked_files"),
    ],
)
def test_a_folder_of_parquet_is_searched_in_the_order_of_its_files(
    names: list[str], searched: str, model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    folder, texts = tmp_path / "index", ["cats", "rain", "money"]
    for name, text in zip(names, texts, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        columns = {"text": [text], "embedding": [model.encode(text).tolist()]}
        parquet.write_table(arrow.table(columns), folder / name)
    for left_out in ("_SUCCESS", ".a.parquet.crc", "_temporary/0/a.parquet"):  # what Spark leaves beside them
        (folder / left_out).parent.mkdir(parents=True, exist_ok=True)
        (folder / left_out).write_bytes(b"no Parquet")
    (folder / "linked_files").mkdir()
    try:
        (folder / "linked_folder").symlink_to(folder / "data", target_is_directory=True)
        for name in names if searched == "linked_files" else []:
            (folder / "linked_files" / Path(name).name).symlink_to(folder / name)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    if searched == ".":
        (folder / "linked_folder").unlink()
    for row, text in enumerate(texts):
        assert main(["search", str(folder / searched), text, "-k", "1"]) == 0
        assert capsys.readouterr().out == f"1.0000  {row}  {text}\n"


def test_the_suffix_of_an_index_may_be_in_capitals(
    model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"text": "rain", "embedding": model.encode("rain").tolist()}
    (tmp_path / "INDEX.JSONL").write_text(json.dumps(row) + "\n")
    assert main(["search", str(tmp_path / "INDEX.JSONL"), "rain"]) == 0
    assert capsys.readouterr().out == "1.0000  0  rain\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["index.npy", "-k", "0", "cats"], 2, "-k must be a positive whole number, not 0"),
        (["index.npy"], 2, "no query: give one, or --queries FILE"),
        (["index.npy", " "], 2, "Please enter text to search for: query 1 of 1 is blank."),
        ([".", "cats"], 2, "INDEX must name a file or folder, not '.'"),
        (["missing.npy", "cats"], 1, "missing.npy: No such file or directory"),
        (["index.txt", "cats"], 1, "an index ends in .parquet, .npy or .jsonl, not 'index.txt'"),
        (["index.npy", "cats", "half\udcff"], 1, "query 2 holds the lone surrogate '\\udcff' at position 4"),
        (["index.npy", "--queries", "bytes.txt"], 1, "bytes.txt, line 2: not UTF-8 (invalid start byte)"),
        (["index.npy", "--queries", "rows.csv"], 1, "rows.csv, line 3: no 'text'"),
        (["index.npy", "--queries", "rows.csv", "--column", "query"], 1, "rows.csv has no column 'query'"),
        (["index.npy", "--queries", "two.csv"], 1, "two.csv has several columns and none called 'text'"),
        (["index.npy", "--queries", "semicolons.csv"], 1, "does not (an option of minilm encode; convert"),
        (["index.npy", "--queries", "utf-16.txt"], 1, "(an option of minilm encode; convert the file first)"),
        (
            ["index.npy", "--queries", "bytes.txt", "--column", "a"],
            2,
            "--column is for a table, and bytes.txt",
        ),
        (["index.npy", "cats", "--column", "a"], 2, "--column is for --queries"),
        (["index.npy", "--queries", ""], 1, ""),  # an empty name is not ignored
        (["index.npy", "cats", "--embedding-column", "v"], 1, "index.npy has no columns: leave out"),
        (["index.npy", "cats", "--embedding-column", ""], 1, "index.npy has no columns: leave out"),
        (
            ["index.npy", "cats", "--rescore-multiplier", "2"],
            2,
            "--rescore-multiplier is for quantized vectors",
        ),
        (["index.npy", "cats", "--rescore-multiplier", "0"], 2, "--rescore-multiplier must be a positive"),
        (
            ["s3://bucket/index.npy", "cats"],
            2,
            "INDEX must be on this machine, and s3://bucket/index.npy is not",
        ),
    ],
)
def test_an_unusable_index_is_one_line(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("index.npy", np.eye(2, 384, dtype=np.float32))
    Path("rows.csv").write_text("id,text\n1,cats\n2\n")
    Path("bytes.txt").write_bytes(b"fine\n\xff\n")
    Path("two.csv").write_text("id,query\n1,cats\n")
    Path("semicolons.csv").write_text("text;id\ncats;1\n")
    Path("utf-16.txt").write_text("cats\n", "utf-16")
    returned, line = failure(capsys, "search", *arguments)
    assert (returned, message in line) == (code, True)


def test_queries_are_a_column_of_a_table(
    model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "index.npy", model.encode(["a cat", "a comet"]))
    (tmp_path / "queries.tsv").write_text("id\tquestion\n1\ta comet\n2\ta cat\n")
    arguments = [str(tmp_path / "index.npy"), "--queries", str(tmp_path / "queries.tsv"), "-k", "1", "--json"]
    assert main(["search", *arguments, "--column", "question"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(line["query"], line["hits"][0]["row"]) for line in lines] == [("a comet", 1), ("a cat", 0)]
