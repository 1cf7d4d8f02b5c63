"""minilm encode --engine ray, on two machines: every row once, as on one machine, whatever dies meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CorpusError, MiniLM
from minilm.cli.main import main
from minilm.corpus.job import encode_corpus
from minilm.corpus.manifest import JobOptions, Report
from minilm.corpus.ray import job as on_ray
from minilm.corpus.ray.blocks import BlockEncoder, Record
from minilm.corpus.ray.cluster import ClusterOptions
from minilm.corpus.ray.job import encode_on_ray
from minilm.corpus.rows import Corpus
from minilm.corpus.workspace import JobWorkspace
from minilm.fast.blas import has_small_matrix_kernels
from tests.corpus.ray.machines import BLOCK_BYTES, ROWS, Machines, corpus_in, lines_of, start, wait_until

ray = pytest.importorskip("ray", reason="ray is not installed; pip install '.[ray]' brings it")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install '.[ray]' brings it")

# what Ray warns of is its affair
pytestmark = pytest.mark.filterwarnings("ignore")

# Under AVX-512 kernels a text has the same bits in any block; under others what it is encoded with shows.
BOUND = 0.0 if has_small_matrix_kernels() else 3e-7


def encode(
    model: MiniLM,
    folder: Path,
    output: Path,
    advance: Callable[[Report], object] = lambda _: None,
    *,
    block_bytes: int = BLOCK_BYTES,
    stop: threading.Event | None = None,
    **options: Any,
) -> Report:
    return encode_on_ray(
        model,
        corpus_in(folder),
        output,
        JobOptions(**{"on_error": "skip", **options}),
        ClusterOptions(block_bytes=block_bytes),
        advance=lambda report, _: advance(report),
        stop=stop,
    )


def assert_equal(output: Path, one: Path) -> None:
    """The rows of a directory are those of a file, each once and in the same order."""
    import pyarrow.parquet as pq

    many, expected = pq.read_table(output), pq.read_table(one)
    assert many.schema.equals(expected.schema)
    others = [name for name in expected.column_names if name != "embedding"]
    assert many.select(others).equals(expected.select(others))
    mine, theirs = (
        table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        for table in (many, expected)
    )
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=BOUND)
    errors = [path.with_name(f"{path.name}.errors.jsonl").read_text() for path in (output, one)]
    assert errors[0] == errors[1]


def parts_of(output: Path) -> dict[str, int]:
    """The blocks that have a record, and when their files were written."""
    work = output.with_name(output.name + ".incomplete")
    folders = [output] if output.is_dir() else list(work.glob("*/parts"))
    done = {path.stem for path in work.glob("*/records/*.json")} if not output.is_dir() else None
    return {
        path.name: path.stat().st_mtime_ns
        for folder in folders
        for path in folder.iterdir()
        if done is None or path.stem.removeprefix("part-") in done
    }


@pytest.mark.usefixtures("machines")
def test_two_machines_give_the_same_output_as_one(
    model: MiniLM, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, seen = tmp_path / "out", []
    report = encode(model, folder, output, lambda report: seen.append(report.inputs))
    assert_equal(output, folder / "one.parquet")
    whole = json.loads((folder / "one.parquet.manifest.json").read_bytes())["report"]
    assert vars(report) == whole
    assert whole["errors"] == 13
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] == ROWS + 1  # the bad line is a row as well
    blocks = json.loads((tmp_path / "out.manifest.json").read_bytes())["blocks"]
    assert len(blocks) > 20
    assert [block["first_row"] for block in blocks] == [
        sum(b["rows"] for b in blocks[:i]) for i in range(len(blocks))
    ]
    assert [block["file"] for block in blocks if block["rows"]] == sorted(parts_of(output))
    assert not list(tmp_path.glob("*.incomplete"))
    capsys.readouterr()
    for index in (output, folder / "one.parquet"):
        assert main(["search", str(index), "rain over town", "-k", "20"]) == 0
    found = capsys.readouterr().out.splitlines()
    assert found[:20] == found[20:]


@pytest.mark.usefixtures("machines")
def test_every_option_does_what_it_does_on_one_machine(folder: Path, tmp_path: Path) -> None:
    inputs = [str(folder / "a.jsonl"), str(folder / "b.parquet")]
    options = ["--on-error", "empty", "--dtype", "float16", "--pooling", "cls", "--no-normalize"]
    options += ["--max-seq-length", "9", "--column", "text", "--batch-size", "3"]
    assert main(["encode", *inputs, "-o", str(tmp_path / "one.parquet"), *options]) == 0
    on_ray = ["--engine", "ray", "--actors", "1", "--actor-cpus", "1", "--block-mib", "0.01"]
    assert main(["encode", *inputs, "-o", str(tmp_path / "out"), *options, *on_ray]) == 0
    import pyarrow.parquet as pq

    many, one = pq.read_table(tmp_path / "out"), pq.read_table(tmp_path / "one.parquet")
    assert many.schema.equals(one.schema)
    assert many["text"].equals(one["text"])
    difference = [
        np.abs(np.subtract(a, b, dtype=np.float64)).max()
        for a, b in zip(many["embedding"].to_pylist(), one["embedding"].to_pylist(), strict=True)
    ]
    # unscaled components reach 8, below which neighbours of half precision lie 4e-3 apart
    assert max(difference) <= (0.0 if BOUND == 0 else 4e-3)
    errors = [(tmp_path / f"{name}.errors.jsonl").read_text() for name in ("out", "one.parquet")]
    assert errors[0] == errors[1]


@pytest.mark.usefixtures("machines")
def test_the_column_is_that_of_one_machine_in_every_block(tmp_path: Path) -> None:
    """Also where a block begins with a row that by itself would choose another."""
    model = MiniLM(truncate_dim=64)
    (tmp_path / "a.txt").write_text("plain\n" * 3)
    rows = ['"bare"', "no JSON", '{"body": "x"}', '{"other": 1}', '{"text": "t", "body": "y"}'] * 5
    (tmp_path / "b.jsonl").write_text("\n".join(rows))
    sources = [str(tmp_path / name) for name in ("a.txt", "b.jsonl")]
    skip = JobOptions(on_error="skip")
    encode_corpus(model, Corpus(sources), tmp_path / "one.parquet", skip)
    encode_on_ray(model, Corpus(sources), tmp_path / "out", skip, ClusterOptions(block_bytes=20))
    assert_equal(tmp_path / "out", tmp_path / "one.parquet")
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "out")["body"].to_pylist() == ["plain"] * 3 + ["bare", "x", "y"] * 5


@pytest.mark.usefixtures("machines")
def test_a_stopped_job_resumes_without_repeating_work(model: MiniLM, folder: Path, tmp_path: Path) -> None:
    output, stop = tmp_path / "out", threading.Event()

    def stop_early(report: Report) -> None:
        if report.inputs > 50:
            stop.set()

    report = encode(model, folder, output, stop_early, stop=stop)
    assert 50 < report.inputs < ROWS
    assert not output.exists()
    before = parts_of(output)
    assert len(before) > 1
    with pytest.raises(
        CorpusError, match=r"dtype was 'float32' and is 'float16'; block_bytes was 1000 and is 9"
    ):
        encode(model, folder, output, dtype="float16", block_bytes=9)
    seen: list[int] = []
    report = encode(model, folder, output, lambda report: seen.append(report.inputs))
    assert seen[0] > 50
    assert report.inputs == ROWS + 1
    assert_equal(output, folder / "one.parquet")
    after = parts_of(output)
    assert {name: after[name] for name in before} == before
    with pytest.raises(CorpusError, match="on_error was 'skip' and is 'empty'"):
        encode(model, folder, output, on_error="empty")
    assert vars(encode(model, folder, output)) == vars(report)  # done already
    assert parts_of(output) == after


@pytest.mark.usefixtures("machines")
def test_inputs_are_known_by_their_rows(model: MiniLM, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    output = tmp_path / "out"
    lines, table = tmp_path / "a.jsonl", tmp_path / "b.parquet"

    def write(text: str, time: int) -> None:
        lines.write_text("".join(f'{{"text": "{text} {i:03}"}}\n' for i in range(100)))
        pq.write_table(pa.table({"text": [f"{text} {i:03}" for i in range(100)]}), table)
        for path in (lines, table):
            os.utime(path, (time, time))

    def go_on(*, until: int = 1000) -> Report:
        def advance(report: Report, position: int) -> None:  # noqa: ARG001 - the signature
            if report.rows >= until:
                stop.set()

        stop, corpus, cluster = (
            threading.Event(),
            Corpus([str(lines), str(table)]),
            ClusterOptions(block_bytes=500),
        )
        return encode_on_ray(model, corpus, output, cluster=cluster, stop=stop, advance=advance)

    refusal = r"was begun with other rows from .*: some of the [0-9]+ that were read differ"
    write("text", 1)
    assert 0 < go_on(until=1).rows < 200
    write("then", 2)
    with pytest.raises(CorpusError, match=refusal):
        go_on()
    write("text", 3)
    report = go_on()
    assert report.rows == 200
    write("text", 4)
    assert go_on() == report
    write("then", 5)
    with pytest.raises(CorpusError, match=refusal):
        go_on()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_job_whose_driver_was_killed_resumes_without_repeating_work(
    machines: Machines, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    command = ["encode", str(folder / "a.jsonl"), str(folder / "b.parquet"), "-o", str(output), "--keep"]
    command += ["--on-error", "skip", "--engine", "ray", "--block-mib", str(BLOCK_BYTES / (1 << 20))]
    driver = start([*command, "--address", machines.address])
    wait_until(lambda: len(parts_of(output)) >= 3, driver)
    driver.kill()
    driver.communicate()
    assert driver.returncode < 0
    before = parts_of(output)
    assert before
    assert not output.exists()
    assert main(command) == 0
    assert_equal(output, folder / "one.parquet")
    after = parts_of(output)
    assert {name: after[name] for name in before} == before


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_lets_the_blocks_in_hand_land_and_no_other(
    machines: Machines, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join([(folder / "a.jsonl").read_text()] * 20))
    output = tmp_path / "out"
    command = ["encode", str(tmp_path / "in.jsonl"), "-o", str(output), "--on-error", "skip"]
    command += ["--engine", "ray", "--block-mib", str(BLOCK_BYTES / (1 << 20)), "--address", machines.address]
    driver = start(command)
    wait_until(lambda: len(parts_of(output)) >= 3, driver)
    driver.send_signal(signal.SIGINT)
    said = driver.communicate()[1].splitlines()
    assert driver.returncode == 130, said
    assert said[0] == "minilm: finishing the rows in hand; Ctrl-C again stops at once"
    rows = sum(json.loads(path.read_bytes())["inputs"] for path in output.parent.glob("*.*/*/records/*"))
    assert 0 < rows < 6020
    assert said[1:] == [f"minilm: interrupted after {rows:,} rows; the same command goes on from there"]
    assert not output.exists()
    assert not list(tmp_path.glob("out.incomplete/*/unfinished/*"))


def test_a_job_may_change_on_error_once_only(tmp_path: Path) -> None:
    """Blocks that left rows out, and blocks that may not, would be one output."""
    workspace = JobWorkspace(tmp_path / "out")
    workspace.folder.mkdir()

    def folder(on_error: str) -> Path:
        return on_ray.resume_folder(workspace, {"on_error": on_error}, [])[0]

    begun = folder("raise")
    assert folder("raise") == folder("skip") == begun
    for other in ("raise", "empty"):
        with pytest.raises(CorpusError, match=f"on_error was 'skip' and is '{other}'"):
            folder(other)


def test_the_actors_may_be_given_the_model_elsewhere(model: MiniLM) -> None:
    named = {"model_name_or_path": model.checkpoint.repo_id, "revision": model.checkpoint.revision}
    assert on_ray.actor_loading(model, {"local_files_only": True}) == {**named, "local_files_only": True}
    elsewhere = {"model_name_or_path": str(model.checkpoint.directory)}
    assert on_ray.actor_loading(model, elsewhere) == elsewhere
    MiniLM(**on_ray.actor_loading(model, elsewhere))


@pytest.mark.usefixtures("machines")
@pytest.mark.parametrize("lines", [10, 300])
def test_a_row_without_text_stops_the_job(
    lines: int,
    model: MiniLM,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = tmp_path / "in.jsonl"
    # the first rows, which tell the columns, are read before the cluster has anything to do
    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 100)
    source.write_text("\n" + "\n".join(['{"text": "good"}'] * lines + ["7"]))
    with pytest.raises(
        CorpusError, match=rf"in\.jsonl, line {lines + 2}: a number, not text \(--on-error skip"
    ):
        encode_on_ray(
            model, Corpus([str(source)]), tmp_path / "out", cluster=ClusterOptions(block_bytes=1000)
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("machines")
def test_a_corpus_of_rows_without_text(model: MiniLM, tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text("1\n2\n3\n")
    report = encode_on_ray(model, Corpus([str(source)]), output, JobOptions(on_error="skip"))
    assert (report.rows, report.errors) == (0, 3)
    import pyarrow.parquet as pq

    assert pq.read_table(output).num_rows == 0
    assert pq.read_table(output).column_names == ["text", "embedding"]


def test_the_engines_do_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    output = tmp_path / "out.parquet"
    command = ["encode", str(tmp_path / "in.txt"), "-o", str(output)]
    assert main(command) == 0
    assert main([*command, "--engine", "ray"]) == 1
    assert "output was '.parquet' and is 'a directory of Parquet files'" in capsys.readouterr().err
    output.unlink()
    (tmp_path / "out.parquet.manifest.json").unlink()
    output.mkdir()
    (output / "mine").touch()
    assert main([*command, "--engine", "ray", "--overwrite"]) == 1
    assert "is a directory, and not from here" in capsys.readouterr().err
    assert (output / "mine").exists()


@pytest.mark.usefixtures("machines")
def test_files_of_any_kind_replace_what_another_job_wrote(
    model: MiniLM, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0.txt").write_text("".join(f"old {i}\n" for i in range(50)))
    output, one = tmp_path / "out", tmp_path / "one.parquet"
    encode_on_ray(model, Corpus([str(tmp_path / "0.txt")]), output, cluster=ClusterOptions(block_bytes=50))
    assert len(parts_of(output)) == 7
    (tmp_path / "a.csv").write_text('n,text\n1,"two\nlines"\n2,b\n')
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "c", "n": "3"}\n7\n{"text": "d"}\n'))
    (tmp_path / "c.tsv").write_text("text\tn\ne\t4\n")
    (tmp_path / "d.txt").write_text("".join(f"line {i} of some\n" for i in range(20)))
    (tmp_path / "e.txt.gz").write_bytes(gzip.compress(b"f\n\xff\n"))
    uncut = ["a.csv", "b.jsonl.gz", "c.tsv", "e.txt.gz"]
    command = ["encode", *(str(tmp_path / name) for name in sorted([*uncut, "d.txt"]))]
    command += ["--column", "text", "--keep", "--on-error", "skip"]
    assert main([*command, "-o", str(one)]) == 0
    on_ray = ["-o", str(output), "--engine", "ray", "--block-mib", "0.0001"]
    capsys.readouterr()
    assert main([*command, *on_ray]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert len(parts_of(output)) == 7
    assert main([*command, *on_ray, "--overwrite"]) == 0
    assert_equal(output, one)
    blocks = json.loads((tmp_path / "out.manifest.json").read_bytes())["blocks"]
    assert [Path(block["input"]).name for block in blocks if block["span"] is None] == uncut
    assert [block["file"] for block in blocks if block["rows"]] == sorted(parts_of(output))
    assert sum(block["rows"] for block in blocks) == 26


@pytest.mark.usefixtures("machines")
def test_a_damaged_input_is_named(model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr("minilm._pipeline.WINDOW_TEXTS", 50)  # so that the driver reads of the first only
    for name in ("a", "b"):
        pq.write_table(pa.table({"text": [f"{name} {i}" for i in range(100)]}), tmp_path / f"{name}.parquet")
    damaged = tmp_path / "b.parquet"
    whole = damaged.read_bytes()
    for content in (whole[:-4], whole[:4] + b"\xff" * 200 + whole[204:]):  # no footer; a page of nonsense
        damaged.write_bytes(content)
        with pytest.raises(CorpusError, match=r"b\.parquet: "):
            encode_on_ray(
                model, Corpus([str(tmp_path / "*.parquet")]), tmp_path / "out", JobOptions(overwrite=True)
            )


@pytest.mark.usefixtures("machines")
def test_an_actor_holds_one_model_and_takes_its_threads_from_its_cores(model: MiniLM, folder: Path) -> None:
    from minilm.integrations.clusters import Embedder

    class Told(Embedder):
        def __call__(self, table: Any) -> Any:
            assert self._model().threads == 1
            assert self._model() is self._model()
            return super().__call__(table)

    texts = [f"text {i}" for i in range(40)]
    pool = ray.data.ActorPoolStrategy(size=2)
    dataset = ray.data.from_items([{"text": text} for text in texts], override_num_blocks=4)
    rows = dataset.map_batches(Told, batch_format="pyarrow", num_cpus=1, compute=pool).take_all()
    found = {row["text"]: row["embedding"] for row in rows}
    assert sorted(found) == sorted(texts)
    np.testing.assert_allclose([found[text] for text in texts], model.encode(texts), rtol=0, atol=BOUND)
    with pytest.raises(
        ValueError, match=r"address must be None, not '1\.2\.3\.4:5': this process has a Ray cluster"
    ):
        encode_on_ray(
            model,
            corpus_in(folder),
            folder / "no",
            JobOptions(on_error="skip"),
            ClusterOptions(address="1.2.3.4:5"),
        )


@pytest.mark.skipif(os.name != "posix", reason="machines are killed as POSIX kills processes")
def test_a_killed_machine_is_one_line_and_neither_loses_nor_repeats_rows(
    machines: Machines, folder: Path, tmp_path: Path
) -> None:  # what comes after it has one machine less
    output = tmp_path / "out"
    command = ["encode", str(folder / "a.jsonl"), str(folder / "b.parquet"), "-o", str(output), "--keep"]
    command += ["--on-error", "skip", "--engine", "ray", "--block-mib", "0.01", "--address", machines.address]
    driver = start(command)
    wait_until(lambda: len(list(tmp_path.glob("out.incomplete/*/unfinished/*"))) == 2, driver)
    machines.kill_the_other()
    stdout, stderr = driver.communicate()
    assert (driver.returncode, stdout) == (0, "")
    *dead, skipped = lines_of(stderr)
    assert len(dead) <= 1  # none if no block was in hand
    for line in dead:
        assert re.fullmatch(r"minilm: machine [\d.]+ of the Ray cluster died: others encode its blocks", line)
    assert skipped.startswith("minilm: 13 rows had no text and were left out")
    assert_equal(output, folder / "one.parquet")


def test_an_actor_of_two_cores_has_a_model_of_two_threads(
    model: MiniLM, machines: Machines, tmp_path: Path
) -> None:  # the one machine that is left has one core
    from minilm.integrations.clusters import Embedder

    class Telling(BlockEncoder):
        def __call__(self, number: int) -> Record:
            return {"block": number, "failure": f"{self._model.threads} threads"}

    class Told(Embedder):
        def __call__(self, table: Any) -> Any:
            assert self._model().threads == 2
            return super().__call__(table)

    machines.add(2)
    (tmp_path / "in.txt").write_text("a\n")
    corpus, output = Corpus([str(tmp_path / "in.txt")]), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_ray, "BlockEncoder", Telling)
        with pytest.raises(CorpusError, match=r"^2 threads$"):
            encode_on_ray(model, corpus, output, cluster=ClusterOptions(actor_cpus=2))
        with pytest.raises(CorpusError, match=r"^1 threads$"):
            encode_on_ray(model, corpus, output)
    with pytest.raises(CorpusError, match="the largest machine of the cluster has 2"):
        encode_on_ray(model, corpus, output, cluster=ClusterOptions(actor_cpus=3))
    assert encode_on_ray(model, corpus, output, cluster=ClusterOptions(actor_cpus=2)).rows == 1
    rows = ray.data.from_items([{"text": "a"}])
    pool = ray.data.ActorPoolStrategy(size=1)
    [row] = rows.map_batches(Told, batch_format="pyarrow", num_cpus=2, compute=pool).take_all()
    np.testing.assert_allclose(row["embedding"], model.encode("a"), rtol=0, atol=BOUND)
