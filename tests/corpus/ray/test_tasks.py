"""minilm/corpus/ray/tasks.py: a worker that dies costs its block a second try, and no more than three."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from pathlib import Path

import pytest

from minilm import CorpusError, MiniLM
from minilm.corpus.ray import job as on_ray
from minilm.corpus.ray.blocks import BlockEncoder, BlockTask, Record
from minilm.corpus.ray.cluster import ClusterOptions
from minilm.corpus.ray.job import encode_on_ray
from minilm.corpus.rows import Corpus

pytest.importorskip("ray", reason="ray is not installed; pip install '.[ray]' brings it")
pytestmark = [
    pytest.mark.usefixtures("machines"),
    pytest.mark.skipif(os.name != "posix", reason="workers are killed as POSIX kills processes"),
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    (tmp_path / "in.txt").write_text("a\nb\nc\n")
    return Corpus([str(tmp_path / "in.txt")])


def test_the_block_of_a_worker_that_died_is_encoded_again(
    corpus: Corpus, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = tmp_path / "died"

    class DyingOnce(BlockEncoder):
        def __call__(self, number: int) -> Record:
            if number == 1 and not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(number)

    monkeypatch.setattr(on_ray, "BlockEncoder", DyingOnce)
    said = r"in\.txt: a worker died \(WorkerCrashedError\), another encodes block 1"
    with pytest.warns(UserWarning, match=said):
        report = encode_on_ray(model, corpus, tmp_path / "out", cluster=ClusterOptions(block_bytes=2))
    assert (report.rows, report.inputs) == (3, 3)


def test_a_block_that_kills_its_workers_ends_the_job(
    corpus: Corpus, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(BlockEncoder):
        def __call__(self, number: int) -> Record:
            if number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(number)

    output, cluster = tmp_path / "out", ClusterOptions(block_bytes=2)
    said = r"in\.txt: block 1 ended 3 workers \(WorkerCrashedError\): .*; the same command .* resumes$"
    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        patch.setattr(on_ray, "BlockEncoder", Dying)
        with pytest.raises(CorpusError, match=said):
            encode_on_ray(model, corpus, output, cluster=cluster)
    assert len([warning for warning in warned if "another encodes block 1" in str(warning.message)]) == 2
    assert encode_on_ray(model, corpus, output, cluster=cluster).rows == 3


def test_a_worker_without_minilm_says_what_every_machine_needs(
    corpus: Corpus, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lacking(BlockEncoder):
        def __call__(self, number: int) -> Record:  # noqa: ARG002 - that of the class
            raise ModuleNotFoundError("No module named 'minilm'")

    monkeypatch.setattr(on_ray, "BlockEncoder", Lacking)
    with pytest.raises(CorpusError) as raised:
        encode_on_ray(model, corpus, tmp_path / "out")
    reason = "ModuleNotFoundError: No module named 'minilm' (every machine needs minilm and its packages)"
    assert str(raised.value) == f"a worker of Ray cannot run minilm: {reason}"


def test_a_stop_does_not_wait_for_workers_that_have_begun_nothing(
    corpus: Corpus, model: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(BlockEncoder):
        def __init__(self, task: BlockTask) -> None:
            super().__init__(task)
            (tmp_path / "starting").touch()
            while not (tmp_path / "go").exists():
                time.sleep(0.05)

    monkeypatch.setattr(on_ray, "BlockEncoder", Slow)
    stop = threading.Event()

    def stop_at_start() -> None:
        while not (tmp_path / "starting").exists():
            time.sleep(0.05)
        stop.set()

    watcher = threading.Thread(target=stop_at_start)
    watcher.start()
    report = encode_on_ray(model, corpus, tmp_path / "out", stop=stop)
    watcher.join()
    (tmp_path / "go").touch()  # only now could a worker have begun
    assert report.inputs == 0
    monkeypatch.undo()
    assert encode_on_ray(model, corpus, tmp_path / "out").rows == 3
