"""minilm/integrations/clusters.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from minilm import MiniLM
from tests.integrations.texts import TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_table_of_any_kind_gets_its_vectors(model: MiniLM) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")

    from minilm.integrations import models
    from minilm.integrations.clusters import Embedder

    expected = model.encode(TEXTS)
    embed = pickle.loads(pickle.dumps(Embedder()))
    assert len(pickle.dumps(embed)) < 1000  # its parameters, not the weights
    columns = {"id": np.arange(4), "text": np.array(TEXTS, object)}
    mapping = embed(columns)
    assert list(mapping) == ["id", "text", "embedding"]
    assert mapping["embedding"].dtype == np.float32
    close(mapping["embedding"], expected)
    frame = embed(pd.DataFrame(columns, index=[3, 1, 2, 0]))
    assert frame.index.tolist() == [3, 1, 2, 0]
    close(np.stack(frame["embedding"]), expected)
    table = embed(pa.table(columns))
    assert str(table.schema.field("embedding").type).startswith("fixed_size_list<")
    close(table["embedding"].to_pylist(), expected)
    again = embed(table.set_column(2, "embedding", [["old"] * 4]))  # another one, as in the other kinds
    assert again.equals(table)
    other = Embedder(column="id", to="v", truncate_dim=8, normalize_embeddings=True, pooling="cls", threads=2)
    close(
        other({"id": TEXTS})["v"],
        model.encode(TEXTS, truncate_dim=8, normalize_embeddings=True, pooling="cls"),
    )
    nothing = embed({"text": []})
    assert nothing["embedding"].shape == (0, 384)
    with pytest.raises(ValueError, match="no column 'text' among id, words"):
        embed({"id": [1], "words": ["a"]})
    with pytest.raises(TypeError, match=r"inputs\[1\] is missing \(None\)"):
        embed(pa.table({"text": ["a", None]}))
    with pytest.raises(
        TypeError, match=r"a table must be a mapping of arrays, a pandas\.DataFrame or .*, not list"
    ):
        embed(["text"])
    loaded = models._load_shared.cache_info().misses
    embed(columns)
    Embedder()(columns)
    assert models._load_shared.cache_info().misses == loaded  # once a process
