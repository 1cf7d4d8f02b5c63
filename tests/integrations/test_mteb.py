"""minilm/integrations/mteb.py in the real framework: the figures that sentence-transformers gets there."""

from __future__ import annotations

from typing import Any

import pytest

from minilm import MiniLM
from tests.integrations.texts import TEXTS, close
from tests.parity.shared import shared_file

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def mteb() -> Any:
    return pytest.importorskip("mteb", reason="mteb is not installed; pip install '.[golden]' brings it")


def rows(split: str) -> list[list[str]]:
    path = shared_file(f"sts/sts-{split}.csv", "the STS Benchmark")
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def as_dataset(pairs: list[list[str]]) -> Any:
    from datasets import Dataset

    columns = {"sentence1": [r[5] for r in pairs], "sentence2": [r[6] for r in pairs]}
    return Dataset.from_dict({**columns, "score": [float(r[4]) for r in pairs]})


def benchmark(mteb: Any, split: str) -> Any:
    """The task STSBenchmark on one split."""
    task = mteb.get_task("STSBenchmark", eval_splits=[split])
    task.dataset = {split: as_dataset(rows({"validation": "dev"}.get(split, split)))}
    task.data_loaded = True
    return task


def sts17(mteb: Any) -> Any:
    """The English part of the task STS17, which the STS Benchmark took whole into its two splits."""
    pairs = [row for split in ("dev", "test") for row in rows(split) if row[1] == "track5.en-en"]
    task = mteb.get_task("STS17", languages=["eng"], hf_subsets=["en-en"])
    about = task.metadata.descriptive_stats["test"]["hf_subset_descriptive_stats"]["en-en"]
    assert len(pairs) == about["num_samples"] == 250
    assert sum(len(row[5] + row[6]) for row in pairs) == about["number_of_characters"]
    assert sum(float(row[4]) for row in pairs) / 250 == pytest.approx(about["label_statistics"]["avg_score"])
    task.dataset = {"en-en": {"test": as_dataset(pairs)}}
    task.data_loaded = True
    return task


# All of the English STS tasks of MTEB whose data is at hand. Each figure must be what sentence-transformers
# gets. Those that stand here are also in MTEB's public results for sentence-transformers/all-MiniLM-L6-v2.
@pytest.mark.parametrize(
    ("name", "spearman", "pearson"),
    [
        ("STSBenchmark test", 0.82032, 0.82741),
        ("STSBenchmark validation", None, None),
        ("STS17 test", None, None),
    ],
)
def test_an_english_sts_task_gets_the_figures_of_sentence_transformers(
    mteb: Any, model: MiniLM, original: Any, name: str, spearman: float | None, pearson: float | None
) -> None:
    from mteb.models.models_protocols import EncoderProtocol

    from minilm.integrations.mteb import MiniLMEncoder

    task_name, split = name.split()
    task = sts17(mteb) if task_name == "STS17" else benchmark(mteb, split)
    ours = MiniLMEncoder(model)
    assert isinstance(ours, EncoderProtocol)
    figures, theirs = (
        mteb.evaluate(one, [task], cache=None, show_progress_bar=False)[0].scores[split][0]
        for one in (ours, original)
    )
    assert set(figures) == set(theirs)
    for key, value in theirs.items():
        # pairs that change places by rounding move the sixth digit, and the fifth where there are 250
        assert figures[key] == (pytest.approx(value, abs=2e-5) if isinstance(value, float) else value), key
    if spearman:
        assert round(figures["cosine_spearman"], 5) == spearman
    if pearson:
        assert round(figures["cosine_pearson"], 5) == pearson


def test_prompts_and_options_are_those_that_the_task_asks_for(
    mteb: Any, model: MiniLM, batch_sizes: list[int | None]
) -> None:
    from mteb.types import PromptType

    from minilm.integrations.mteb import MiniLMEncoder

    prompts = {"STSBenchmark": "same: ", "query": "query: ", "document": "passage: "}
    ours = MiniLMEncoder(MiniLM(model.checkpoint.directory, prompts=prompts))
    sts, retrieval = (mteb.get_task(name).metadata for name in ("STSBenchmark", "SciFact"))

    def encode(metadata: Any, prompt_type: Any, **options: Any) -> Any:
        batches = [{"text": TEXTS[:2]}, {"text": TEXTS[2:]}]
        where = {"task_metadata": metadata, "hf_split": "test", "hf_subset": "default"}
        return ours.encode(batches, **where, prompt_type=prompt_type, **options)

    for metadata, prompt_type, prompt in (
        (sts, None, "same: "),
        (retrieval, PromptType.query, "query: "),
        (retrieval, PromptType.document, "passage: "),
        (retrieval, None, ""),
    ):
        close(encode(metadata, prompt_type), model.encode([prompt + text for text in TEXTS]))
    close(encode(sts, None, truncate_dim=8), model.encode(["same: " + text for text in TEXTS])[:, :8])
    with pytest.raises(TypeError, match="truncate_dims"):
        encode(sts, None, truncate_dims=8)
    task = benchmark(mteb, "test")
    task.dataset = {"test": as_dataset(rows("test")[:20])}
    batch_sizes.clear()
    mteb.evaluate(ours, [task], encode_kwargs={"batch_size": 7}, cache=None, show_progress_bar=False)
    assert set(batch_sizes) == {7}
