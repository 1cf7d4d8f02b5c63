"""minilm/integrations/mteb.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

import pytest

from minilm import MiniLM
from tests.parity.shared import shared_file

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_mteb_gives_the_published_figure(model: MiniLM) -> None:
    mteb = pytest.importorskip("mteb", reason="mteb is not installed; pip install '.[golden]' brings it")
    from datasets import Dataset, DatasetDict
    from mteb.models.models_protocols import EncoderProtocol

    from minilm.integrations.mteb import MiniLMEncoder

    path = shared_file("sts/sts-test.csv", "the STS Benchmark")
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    task = mteb.get_task("STSBenchmark")
    columns = {"sentence1": [r[5] for r in rows], "sentence2": [r[6] for r in rows]}
    scores = [float(r[4]) for r in rows]
    task.dataset = DatasetDict(test=Dataset.from_dict({**columns, "score": scores}))
    task.data_loaded = True
    ours = MiniLMEncoder(model)
    assert isinstance(ours, EncoderProtocol)
    results = mteb.evaluate(ours, [task], cache=None, show_progress_bar=False)
    figures = results[0].scores["test"][0]
    # five digits: two pairs of 1,379 that change places by rounding move the sixth
    assert round(figures["cosine_spearman"], 5) == 0.82032
    assert round(figures["cosine_pearson"], 5) == 0.82741
