"""minilm/integrations/chonkie.py in the real package: the chunks that sentence-transformers gives."""

from __future__ import annotations

from typing import Any

import pytest

from minilm import MiniLM
from tests.integrations.texts import QUERY, TEXTS, close

TEXT = (
    "Simmer the onions in butter until soft. Add the flour and stir it in well. Pour in the stock and salt. "
    "The comet passed close by the sun. Its tail could be seen for a week. A telescope showed its core. "
    "Reset your password on the login page. Then sign in with the code we sent. Your account is locked."
)

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "options", [{}, {"threshold": 0.4, "similarity_window": 1}, {"skip_window": 1}], ids=str
)
def test_a_semantic_chunker_cuts_as_with_sentence_transformers(
    original: Any, options: dict[str, Any]
) -> None:
    chonkie = pytest.importorskip("chonkie", reason="chonkie is not installed")
    from chonkie.embeddings import SentenceTransformerEmbeddings

    from minilm.integrations.chonkie import ChunkerEmbeddings

    ours, theirs = (
        chonkie.SemanticChunker(embeddings, chunk_size=64, **options)(TEXT)
        for embeddings in (ChunkerEmbeddings(), SentenceTransformerEmbeddings(original))
    )
    assert [(c.text, c.token_count) for c in ours] == [(c.text, c.token_count) for c in theirs]
    assert len(ours) > 1


def test_embeddings_are_those_of_encode(model: MiniLM) -> None:
    chonkie = pytest.importorskip("chonkie", reason="chonkie is not installed")
    from minilm.integrations.chonkie import ChunkerEmbeddings

    ours = ChunkerEmbeddings(model)
    assert chonkie.AutoEmbeddings.get_embeddings(ours) is ours
    assert ours.dimension == 384
    close(ours.embed(QUERY), model.encode(QUERY))
    close(ours.embed_batch(TEXTS), model.encode(TEXTS))
    assert str(ours) == "ChunkerEmbeddings('sentence-transformers/all-MiniLM-L6-v2')"
    # a long text is counted whole; one token per word, and none around them
    assert len(ours.get_tokenizer().encode("word " * 600, add_special_tokens=False).ids) == 600


def test_chonkie_refuses_a_bare_model(model: MiniLM) -> None:
    chonkie = pytest.importorskip("chonkie", reason="chonkie is not installed")
    with pytest.raises(ValueError, match="embedding_model must be a string or a BaseEmbeddings object"):
        chonkie.SemanticChunker(model)
