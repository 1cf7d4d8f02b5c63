"""A table in a bucket of S3: written, followed, searched, and written by two at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minilm import Documents, MiniLM
from tests.corpus.servers import serve_s3

lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed")
pytest.importorskip("semantic_text_splitter", reason="semantic-text-splitter is not installed")

# what botocore uses of Python is on its way out
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty folder of a bucket; moto keeps a bucket from test to test."""
    with serve_s3(monkeypatch) as s3:
        s3.makedirs("documents", exist_ok=True)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        yield f"s3://documents/{tmp_path.name}"


def test_a_table_in_a_bucket_follows_its_documents(bucket: str, tmp_path: Path, model: MiniLM) -> None:
    (tmp_path / "a.txt").write_text("Passwords are reset at the front desk.")
    (tmp_path / "b.txt").write_text("The canteen opens at noon.")
    documents = Documents(f"{bucket}/n.lance", model)
    assert documents.update(tmp_path).added == 2
    (tmp_path / "b.txt").write_text("The canteen opens at one.")
    report = documents.update(tmp_path)
    assert (report.changed, report.unchanged) == (1, 1)
    assert documents.search("lunch", k=1)[0].pieces[0].text == "The canteen opens at one."


WRITER = """
import sys
from minilm import Documents, MiniLM
model = MiniLM(threads=1)
print("ready", flush=True)
sys.stdin.readline()
print(Documents(sys.argv[1], model).update(sys.argv[2:]).added)
"""


def test_two_writers_to_a_bucket_lose_and_double_nothing(bucket: str, tmp_path: Path) -> None:
    """There is no lock: LanceDB notices the version of the other, and merges again."""
    place = f"{bucket}/n.lance"
    both = tmp_path / "both.txt"
    both.write_text("A note that both writers add.")
    writers = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(5):
            (folder / f"{number}.txt").write_text(f"Note {number} of {name}.")
        command = [sys.executable, "-c", WRITER, place, str(folder), str(both)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        writers.append(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        )
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    added = [writer.communicate()[0] for writer in writers]
    assert set(added) <= {"5\n", "6\n"}  # the second one may see what the first has added
    assert [writer.returncode for writer in writers] == [0, 0]
    rows = lancedb.connect(place).open_table("pieces").to_arrow()["text"].to_pylist()
    expected = [f"Note {number} of {name}." for number in range(5) for name in ("a", "b")]
    assert sorted(rows) == sorted(["A note that both writers add.", *expected])
