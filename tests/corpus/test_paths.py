"""minilm/corpus/paths.py: patterns, directories and URLs stand for the right files, in the right order."""

from __future__ import annotations

import gzip
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minilm import CorpusError
from minilm.corpus.paths import InputPath, expand_inputs, file_name
from minilm.corpus.rows import Corpus
from minilm.errors import MissingExtraError
from tests.corpus.running import failure, read_jsonl, run
from tests.corpus.servers import serve_folder, serve_s3


def names(folder: Path, *inputs: str) -> list[str]:
    return [item.path.removeprefix(f"{folder}{os.sep}") for item in expand_inputs(inputs)]


def write_parquet(path: Path, **columns: Any) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


BESIDE = ["_SUCCESS", "_metadata", "._SUCCESS.crc", ".part.0.parquet.crc", "_temporary/0/part.0.parquet"]


@pytest.mark.parametrize("pattern", ["data", "data/", "data/**", "dat*", "data/**/*.parquet"])
def test_a_directory_is_its_parquet_files_in_natural_order(pattern: str, tmp_path: Path) -> None:
    """As Spark, Dask and Ray write them, with what they leave beside them."""
    files = ["part.2.parquet", "part.10.parquet", "x=1/part-0.c000.snappy.parquet"]
    touch(tmp_path / "data", *files, *BESIDE)
    assert sorted(names(tmp_path / "data", str(tmp_path / pattern))) == sorted(files)
    found = names(tmp_path / "data", str(tmp_path / pattern))
    assert found.index("part.2.parquet") < found.index("part.10.parquet")


def test_a_star_over_the_folders_of_a_dataset_leaves_out_what_its_writer_left(tmp_path: Path) -> None:
    files = ["x=1/part-0.parquet", "x=2/part-0.parquet"]
    touch(tmp_path / "data", *files, *BESIDE)
    assert names(tmp_path / "data", str(tmp_path / "data" / "*")) == files
    touch(tmp_path / "flat", "_a.txt", "deep/b.txt")  # no dataset
    assert names(tmp_path / "flat", str(tmp_path / "flat" / "*")) == ["_a.txt"]


def test_a_directory_without_parquet_says_what_it_holds(tmp_path: Path) -> None:
    touch(tmp_path, "a.jsonl", "b.jsonl", "c.md", "_SUCCESS", *(f"{n}.npy.manifest.json" for n in "abc"))
    with pytest.raises(CorpusError, match=r"Of 3 in it 2 are \.jsonl: give '.*/\*\.jsonl'"):
        expand_inputs([str(tmp_path)])
    touch(tmp_path / "deep", "x/a.csv")
    with pytest.raises(CorpusError, match=r"give '.*/\*\*/\*\.csv'"):
        expand_inputs([str(tmp_path / "deep")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="empty is a directory without files"):
        expand_inputs([str(tmp_path / "empty")])


def test_names_with_wildcards_are_files_first(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].txt", "a1.txt", "b[1]/c.txt")
    assert names(tmp_path, str(tmp_path / "a[1].txt")) == ["a[1].txt"]
    assert names(tmp_path, str(tmp_path / "b[[]1]" / "*.txt")) == [str(Path("b[1]") / "c.txt")]


@pytest.mark.parametrize("name", ["~/in.txt", "~/*.txt"])
def test_a_home_that_no_shell_expanded_is_expanded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    touch(tmp_path, "in.txt")
    assert names(tmp_path, name) == ["in.txt"]


def test_hive_partitions_are_what_spark_means_by_them(tmp_path: Path) -> None:
    null = "__HIVE_DEFAULT_PARTITION__"
    touch(
        tmp_path,
        *[
            f"year={year}/month=0{month}/a%2Fb={x}/p.parquet"
            for year, month, x in ((2023, 1, "u%3Dv"), (null, 2, ""))
        ],
    )
    assert [item.partitions for item in expand_inputs([str(tmp_path)])] == [
        {"year": 2023, "month": "01", "a/b": "u=v"},
        {"year": None, "month": "02", "a/b": ""},
    ]
    # an explicit file is below no directory that was asked for
    [explicit] = expand_inputs([str(next(tmp_path.rglob("*.parquet")))])
    assert explicit.partitions == {}
    assert expand_inputs([InputPath("nowhere", {"k": 1})]) == [InputPath("nowhere", {"k": 1})]


def test_partitions_are_numbers_only_if_all_are(tmp_path: Path) -> None:
    touch(tmp_path, "a/v=1/p.parquet", f"a/v={2**63}/p.parquet", "b/v=-1/p.parquet", "b/v=0/p.parquet")
    assert [item.partitions["v"] for item in expand_inputs([str(tmp_path / "a")])] == ["1", str(2**63)]
    assert [item.partitions["v"] for item in expand_inputs([str(tmp_path / "b")])] == [0, -1]


def test_partitions_are_kept_as_pyarrow_reads_them(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    import pyarrow.parquet as pq

    for year in (2023, 2024):
        for lang in ("de", "fr"):
            write_parquet(
                tmp_path / f"in/year={year}/lang={lang}/p.parquet", text=[f"{lang} {year}"], n=[year]
            )
    (tmp_path / "in" / "_SUCCESS").touch()
    assert run(tmp_path / "in", "-o", tmp_path / "out.parquet", "--keep") == 0
    mine = pq.read_table(tmp_path / "out.parquet").drop_columns(["embedding"])
    reference = pq.read_table(tmp_path / "in")
    assert sorted(mine.column_names) == sorted(reference.column_names)
    assert {name: str(mine.schema.field(name).type) for name in ("year", "lang")} == {
        "year": "int64",
        "lang": "string",
    }
    assert mine.to_pylist() == reference.select(mine.column_names).to_pylist()
    assert run(tmp_path / "in", "-o", tmp_path / "one.jsonl", "--keep", "lang") == 0
    assert [row["lang"] for row in read_jsonl(tmp_path / "one.jsonl")] == ["de", "fr", "de", "fr"]


def test_a_partition_that_is_also_a_column_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_parquet(tmp_path / "in/n=1/p.parquet", text=["a"], n=[2])
    code, line = failure(capsys, tmp_path / "in", "-o", tmp_path / "out.parquet", "--keep")
    assert (code, "'n' is a column, and also a partition in the path" in line) == (1, True)
    (tmp_path / "in/n=1/a.jsonl").write_text('{"text": "a", "n": 2}\n')
    code, line = failure(capsys, f"{tmp_path}/in/**/*.jsonl", "-o", tmp_path / "out.jsonl", "--keep")
    assert (code, "'n' is a column, and also a partition in the path" in line) == (1, True)
    assert run(tmp_path / "in", "-o", tmp_path / "out.npy") == 0


def test_partitions_of_text_formats_are_kept_too(tmp_path: Path) -> None:
    (tmp_path / "lang=de").mkdir()
    (tmp_path / "lang=de" / "a.jsonl").write_text('{"text": "a"}\n')
    [row] = Corpus([f"{tmp_path}/**/*.jsonl"], keep=True)
    assert row.other_columns == {"lang": "de"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("s3://bucket/a/x.csv.gz", "x.csv.gz"),
        ("https://host/a/x.jsonl?token=a.b&c=/d#e", "x.jsonl"),
        ("zip://in/x.csv::s3://bucket/y.zip", "x.csv"),
        ("simplecache::https://host/x.parquet", "x.parquet"),
    ],
)
def test_a_url_tells_the_format(path: str, name: str) -> None:
    assert file_name(path) == name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of some kinds, of 2 rows each."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    (folder / "a.txt.gz").write_bytes(gzip.compress(b"a\nb\n"))
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.csv", "text\na\nb\n")
    return folder


def texts(*inputs: str) -> list[str | None]:
    corpus = Corpus(inputs)
    reader = corpus.read()
    found = [row.text for row in reader]
    assert reader.position == corpus.total_bytes
    return found


@pytest.mark.parametrize("kind", ["plain", "ranges"])
def test_http_is_read_with_ranges_and_without(kind: str, folder: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    write_parquet(folder / "a.parquet", text=["a", "b"])
    with serve_folder(folder, kind) as url:
        for name in ("a.jsonl", "a.jsonl?token=x.y", "a.txt.gz", "a.zip", "a.parquet", "a.j*l"):
            assert texts(f"{url}/{name}") == ["a", "b"], name
        assert texts(f"simplecache::{url}/a.parquet") == ["a", "b"]
        with pytest.raises(FileNotFoundError) as error:
            Corpus([f"{url}/gone.txt"])
        assert error.value.filename == f"{url}/gone.txt"
        with pytest.raises(CorpusError, match="the name does not tell the format"):
            Corpus([f"{url}/"])


# older versions of fsspec leave the copy open that they read
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_without_ranges_gets_a_remedy(folder: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with zipfile.ZipFile(folder / "b.zip", "w") as archive:
        archive.writestr("a.csv", "text\na\nb\n")
    with serve_folder(folder) as url:
        with pytest.raises(CorpusError, match="simplecache:: before http downloads it first"):
            list(Corpus([f"zip://a.csv::{url}/b.zip"]))
        assert [row.text for row in Corpus([f"zip://a.csv::simplecache::{url}/b.zip"])] == ["a", "b"]


def test_a_connection_that_breaks_names_the_url(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    with serve_folder(folder, "breaking") as url:
        code, line = failure(capsys, f"{url}/a.jsonl", "-o", tmp_path / "out.npy")
        assert (code, line.startswith(f"{url}/a.jsonl: "), "\n" in line) == (1, True, False)
    code, line = failure(capsys, f"{url}/a.jsonl", "-o", tmp_path / "out.npy")  # the server is gone
    assert (code, line.startswith(f"{url}/a.jsonl: "), "\n" in line) == (1, True, False)


@pytest.fixture
def bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket with these files, and a data set."""
    write_parquet(folder / "p.parquet", text=["a", "b"])
    with serve_s3(monkeypatch) as s3:
        s3.mkdir("bucket")
        for path in folder.iterdir():
            s3.put(str(path), f"bucket/{path.name}")
        for number in (10, 2):
            s3.put(str(folder / "p.parquet"), f"bucket/data/year={2000 + number}/part.{number}.parquet")
        for name in ("_SUCCESS", "_temporary/x.parquet"):
            s3.touch(f"bucket/data/{name}")
        yield "s3://bucket"


# what botocore uses of Python is on its way out
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_s3_is_read_like_this_machine(
    bucket: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("a.jsonl", "a.txt.gz", "a.zip", "p.parquet", "*.jsonl"):
        assert texts(f"{bucket}/{name}") == ["a", "b"], name
    assert texts(f"zip://a.csv::{bucket}/a.zip") == ["a", "b"]
    for pattern in ("data", "data/", "data/**", "data/year=*/*.parquet"):
        found = expand_inputs([f"{bucket}/{pattern}"])
        assert [item.path for item in found] == [
            f"{bucket}/data/year=2002/part.2.parquet",
            f"{bucket}/data/year=2010/part.10.parquet",
        ]
        assert [item.partitions for item in found] == [{"year": 2002}, {"year": 2010}]
    assert run(f"{bucket}/data", "-o", tmp_path / "out.jsonl", "--keep") == 0
    assert [row["year"] for row in read_jsonl(tmp_path / "out.jsonl")] == [2002, 2002, 2010, 2010]
    assert run(f"{bucket}/data", "-o", tmp_path / "out.jsonl", "--keep") == 0  # complete: nothing is done
    for gone in ("gone.txt", "data/gone"):
        code, line = failure(capsys, f"{bucket}/{gone}", "-o", tmp_path / "o.npy")
        assert (code, line) == (1, f"{bucket}/{gone}: No such file or directory")
    with pytest.raises(CorpusError, match="no file matches"):
        Corpus([f"{bucket}/gone*"])


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry

    for package, url in (("s3fs", "s3://b/x.txt"), ("gcsfs", "gs://b/x.txt"), ("aiohttp", "https://h/x.txt")):
        monkeypatch.setitem(sys.modules, package, None)
        for protocol in ("s3", "gs", "https"):
            monkeypatch.delitem(_registry, protocol, raising=False)
        with pytest.raises(MissingExtraError, match=rf"{url} needs {package}, .* pip install {package}$"):
            Corpus([url])


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(CorpusError, match=r"^s4://b/x\.txt: .*s4"):
        Corpus(["s4://b/x.txt"])


def test_a_folder_leaves_out_the_output_in_it(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", text=["a"])
    for _ in range(2):
        assert run(tmp_path, "-o", tmp_path / "out.parquet") == 0
    assert names(tmp_path, str(tmp_path)) == ["a.parquet", "out.parquet"]
    with pytest.raises(
        CorpusError, match=r"no file matches .* but .*a\.parquet, which belongs to the output"
    ):
        expand_inputs([str(tmp_path)], [tmp_path])
