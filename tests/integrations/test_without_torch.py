"""Every adapter in the real package, in a process that can find neither torch nor what is built on it."""

from __future__ import annotations

import pytest

from benchmarks.integrations import ADAPTERS, Adapter, embed_without_originals, is_installed
from minilm import MiniLM
from tests.integrations.texts import TEXTS, close


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda one: one.project)
def test_an_adapter_embeds_where_torch_cannot_be_found(adapter: Adapter, model: MiniLM) -> None:
    if not is_installed(adapter.package):
        pytest.skip(f"{adapter.package} is not installed")
    vectors, imported = embed_without_originals(adapter.project, TEXTS[:2])
    close(vectors, model.encode(TEXTS[:2]))
    assert not imported
