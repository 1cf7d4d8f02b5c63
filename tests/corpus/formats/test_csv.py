"""minilm/corpus/formats/csv.py: no cell, column or quote loses a row silently."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.formats.input_file import Dialect
from minilm.corpus.rows import Corpus
from tests.corpus.running import failure, read_jsonl, run


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("line", [1, 3])
def test_a_quote_that_is_never_closed_takes_no_rows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str, line: int
) -> None:
    lines = ["id,text", "1,one", "2,two", "3,three"]
    lines[line - 1] = lines[line - 1].replace(",", ',"')
    source = tmp_path / f"in.{kind}"
    source.write_text("\n".join(lines).replace(",", "\t" if kind == "tsv" else ","))
    for on_error in ("raise", "skip"):
        code, message = failure(capsys, source, "-o", tmp_path / "out.npy", "--on-error", on_error)
        assert (code, message) == (
            1,
            f"{source}, line {line}: a quote is opened in this row and never closed "
            "(--no-quoting, if quotes are text here)",
        )


def test_cells_beyond_the_header_are_not_dropped(
    model: MiniLM, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A comma that nobody quoted: the text would end before it, and nobody would know."""
    source, output = tmp_path / "in.csv", tmp_path / "out.npy"
    source.write_text("id,text\n1,whole\n2,Hello, world\n3,ends in a comma,\n")
    code, line = failure(capsys, source, "-o", output)
    assert (code, f"{source}, line 3: 3 cells, and the header has 2" in line) == (1, True)
    assert run(source, "-o", output, "--on-error", "skip") == 0
    np.testing.assert_array_equal(np.load(output), model.encode(["whole", "ends in a comma"]))


@pytest.mark.parametrize(
    ("header", "options", "code"),
    [
        ("text,text", [], 1),
        ("text,id,id", [], 0),  # which of them is not asked
        ("text,id,id", ["--keep"], 1),
    ],
)
def test_a_column_that_is_there_twice_is_not_chosen_from(
    header: str, options: Sequence[str], code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(f"{header}\n{'a' + ',b' * header.count(',')}\n")
    returned, line = failure(capsys, tmp_path / "in.csv", "-o", tmp_path / "out.jsonl", *options)
    assert returned == code
    assert ("has two columns that are called" in line) == bool(code)


def rows(path: Path, column: str | None = None, *, keep: bool = True, **dialect: Any) -> list[Any]:
    """The texts and kept columns of a file; of a row without text, the problem."""
    corpus = Corpus([str(path)], column=column, keep=keep, dialect=Dialect(**dialect))
    return [(row.text, row.other_columns) if row.problem is None else row.problem for row in corpus]


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("id;text\n1;a, b\n", {"delimiter": ";"}, [("a, b", {"id": "1"})]),
        ("sep=;\r\nid;text\r\n1;a\r\n", {}, [("a", {"id": "1"})]),
        ('"sep=|"\nid|text\n1|a\n', {}, [("a", {"id": "1"})]),
        ("text\na; b\n", {}, [("a; b", {})]),  # the header has no such mark
        ("id;text\n1;a\n", {"delimiter": ",", "column": "id;text"}, [("1;a", {})]),
        (
            "7\ta\n8\tb\n",
            {"header": False, "delimiter": "\t", "column": "1"},
            [("a", {"0": "7"}), ("b", {"0": "8"})],
        ),
        (" id , text \n1,a\n", {}, [("a", {" id ": "1"})]),
        (" id , text , b \n1,a,2\n", {"keep": ("id",)}, [("a", {"id": "1"})]),
        (" text,text\n1,a\n", {}, [("a", {" text": "1"})]),
        ("id,text\r1,a\r2,b\r", {}, [("a", {"id": "1"}), ("b", {"id": "2"})]),
        (",text\n1,a\n", {}, [("a", {"": "1"})]),  # pandas writes its index so
        ("id,text\n1,a\0b\n2,c\n", {}, ["a NUL byte", ("c", {"id": "2"})]),
        (
            "title,text\nT,a\n,b\nc,\n",
            {"column": "title,text", "keep": False},
            [("T a", {}), ("b", {}), ("c", {})],
        ),
    ],
)
def test_a_dialect_is_obeyed(
    content: str, options: dict[str, Any], expected: Sequence[Any], tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content.encode())
    assert rows(path, **options) == expected


@pytest.mark.parametrize("mark", [";", "|", "\t"])
def test_a_header_that_another_delimiter_divides_is_refused(
    mark: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, shown = tmp_path / "in.csv", "tab" if mark == "\t" else f"'{mark}'"
    source.write_text(f"id{mark}text\n1{mark}a\n")
    for options in ([], ["--on-error", "skip"]):
        code, line = failure(capsys, source, "-o", tmp_path / "out.npy", *options)
        assert (code, f"--delimiter {shown} divides it" in line) == (1, True)
    assert run(source, "-o", tmp_path / "out.jsonl", "--delimiter", shown.strip("'")) == 0
    assert [row["text"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["a"]
    (tmp_path / "in.tsv").write_text("id,text\n1,a\n")
    with pytest.raises(CorpusError, match=r"--delimiter ',' divides it"):
        rows(tmp_path / "in.tsv")


def test_a_delimiter_that_excel_contradicts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("sep=;\nid;text\n1;a\n")
    with pytest.raises(CorpusError, match=r"begins with sep=;, and --delimiter is ','"):
        rows(tmp_path / "in.csv", delimiter=",")


MARCO = '1\t"A title\n2\tplain\n3\tthe end"\n4\tfour\n'


def test_quotes_that_are_text_merge_no_rows(tmp_path: Path) -> None:
    """MS MARCO's collection.tsv has no header, and quotes that mean nothing."""
    path = tmp_path / "collection.tsv"
    path.write_text(MARCO)
    texts = ['"A title', "plain", 'the end"', "four"]
    read = rows(path, "1", header=False, quoting=False)
    assert read == [(text, {"0": str(number)}) for number, text in enumerate(texts, 1)]
    problem, four = rows(path, "1", header=False)
    assert "--no-quoting" in problem
    assert four == ("four", {"0": "4"})
    assert rows(path, "1", header=False, quoting=True)[0] == ("A title\n2\tplain\n3\tthe end", {"0": "1"})


def test_a_kept_cell_that_cannot_be_decoded_is_no_other_cell(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"id,text\n\xff,a\n1,b\n")
    assert rows(tmp_path / "in.csv") == ["column 'id' is not UTF-8", ("b", {"id": "1"})]
    assert rows(tmp_path / "in.csv", keep=False) == [("a", {}), ("b", {})]
    (tmp_path / "in.csv").write_bytes(b"\xe9,text\n1,a\n")
    with pytest.raises(CorpusError) as error:
        rows(tmp_path / "in.csv")
    assert r"the column '\udce9' is not UTF-8: name the encoding of the file, such as --encoding" in str(
        error.value
    )
    assert rows(tmp_path / "in.csv", encoding="latin-1") == [("a", {"é": "1"})]


def test_values_are_those_of_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    path = tmp_path / "in.csv"
    for delimiter, end in ((",", "\n"), (";", "\r\n"), ("\t", "\n"), ("|", "\n")):
        cells = ["a", "", " b ", 'c "q"', f"d{delimiter}d", "e\nf", "grüße\u2028", "#g", "NA", "1e5"]
        frame = pandas.DataFrame({"id": [str(i) for i in range(len(cells))], "text": cells})
        frame.to_csv(path, sep=delimiter, index=False, lineterminator=end)
        expected = pandas.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False)
        read = rows(path, delimiter=delimiter)
        assert [(row[0], row[1]["id"]) for row in read] == list(
            zip(expected["text"], expected["id"], strict=True)
        )


def test_one_bad_row_of_many_is_one_line(tmp_path: Path) -> None:
    """In a process of its own: what goes wrong while Python ends is seen only there."""
    good = "".join(f"{i},text {i}\n" for i in range(9000))
    (tmp_path / "in.csv").write_text(f'id,text\n{good}9000,"a" quote\n{good}')
    arguments = ["encode", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.npy")]
    program = "import sys, minilm.corpus.job as job\nfrom minilm.cli.main import main\n"
    # the rows are read, and nothing is encoded
    program += (
        "import numpy as np\njob.encode_texts = lambda model, texts, *_, **__: np.zeros((len(texts), 384))\n"
    )
    program += "sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "line 9002: not CSV" in ended.stderr


@pytest.mark.parametrize("options", [[], ["--no-header", "--column", "1"]])
def test_blank_lines_before_the_first_row_are_skipped(options: list[str], tmp_path: Path) -> None:
    """As pandas does."""
    source, output = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("\n\nid,text\n1,a\n")
    assert run(source, *options, "-o", output) == 0
    texts = [row.get("text", row.get("1")) for row in read_jsonl(output)]
    assert texts == (["text", "a"] if options else ["a"])


def test_a_tab_that_divides_nothing_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "in.tsv"
    source.write_text("id;text\n1;a\n")
    reason = f"{source} has one column, 'id;text': --delimiter ';' divides it, --delimiter tab does not"
    assert failure(capsys, source, "-o", tmp_path / "out.npy") == (1, reason)


@pytest.mark.parametrize("name", ["idna", "punycode", "undefined", "rot13", "hex", "zip", "nonsense"])
def test_a_codec_that_reads_no_text_is_wrong_usage(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("text\na\n")
    code, line = failure(capsys, tmp_path / "in.csv", "-o", tmp_path / "out.npy", "--encoding", name)
    assert (code, line.startswith("--encoding must be a codec of Python"), repr(name) in line) == (
        2,
        True,
        True,
    )


@pytest.mark.parametrize("option", ["--quoting", "--no-quoting", "--no-header"])
def test_a_setting_that_the_format_does_not_have_is_named_as_it_was_given(
    option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text('"a"\n')
    code, line = failure(capsys, tmp_path / "in.jsonl", "-o", tmp_path / "out.npy", option)
    assert (code, line) == (2, f"{option} is for csv, tsv, and the input is jsonl")


@pytest.mark.parametrize(
    "name", ["utf-16", "UTF-32", "utf-16-le", "utf-8-sig", "cp1252", "shift_jis", "utf-7"]
)
def test_every_codec_that_reads_text_is_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("text\na\n".encode(name))
    assert rows(tmp_path / "in.csv", encoding=name) == [("a", {})]
