"""Packages that import sentence-transformers by themselves, and programs that give them minilm instead."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.integrations.processes import hide, printed
from tests.integrations.texts import QUERY, TEXTS

INSTALL = "from minilm.integrations.sentence_transformers import install\ninstall()\n"

WITHOUT_TORCH = hide("torch")


class Unchanged(NamedTuple):
    """What users of a package write, with its imports; VECTORS stands for the embeddings of TEXTS."""

    project: str
    package: str  # as pip installs it
    module: str
    written: str  # an expression of the model; NAME is a checkpoint's
    vectors: str  # an expression of the model and of TEXTS
    needs_torch: bool = False

    @property
    def program(self) -> str:
        """The program that prints the vectors as JSON."""
        return (
            f"import {self.module}\nmodel = {self.written}\n"
            f"print(json.dumps([[float(x) for x in vector] for vector in {self.vectors}]))"
        )


UNCHANGED = [
    Unchanged(
        "LangChain",
        "langchain-huggingface",
        "langchain_huggingface",
        "langchain_huggingface.HuggingFaceEmbeddings(model_name=NAME)",
        "model.embed_documents(TEXTS)",
    ),
    Unchanged(
        "LlamaIndex",
        "llama-index-embeddings-huggingface",
        "llama_index.embeddings.huggingface",
        'llama_index.embeddings.huggingface.HuggingFaceEmbedding(model_name=NAME, device="cpu")',
        "model.get_text_embedding_batch(TEXTS)",
    ),
    Unchanged(
        "Chroma",
        "chromadb",
        "chromadb.utils.embedding_functions",
        "chromadb.utils.embedding_functions.SentenceTransformerEmbeddingFunction(model_name=NAME)",
        "model(TEXTS)",
    ),
    Unchanged("KeyBERT", "keybert", "keybert", "keybert.KeyBERT(NAME)", "model.model.embed(TEXTS)"),
    Unchanged(
        "LanceDB",
        "lancedb",
        "lancedb.embeddings",
        'lancedb.embeddings.get_registry().get("sentence-transformers").create(name=NAME)',
        "model.generate_embeddings(TEXTS)",
    ),
    Unchanged(
        "semantic-router",
        "semantic-router",
        "semantic_router.encoders",
        'semantic_router.encoders.LocalEncoder(name=NAME, device="cpu")',
        "model(TEXTS)",
    ),
    Unchanged(
        "chonkie",
        "chonkie",
        "chonkie.embeddings",
        "chonkie.embeddings.SentenceTransformerEmbeddings(NAME)",
        "model.embed_batch(TEXTS)",
    ),
    Unchanged(
        "txtai",
        "txtai",
        "txtai",
        'txtai.Embeddings(path=NAME, method="sentence-transformers")',
        "model.batchtransform(TEXTS)",
        needs_torch=True,
    ),
]


def run(program: str, before: str = WITHOUT_TORCH, texts: list[str] = TEXTS, **names: str) -> Any:
    """The JSON that a program prints after ``install()``, in a process without torch."""
    values = {"NAME": "all-MiniLM-L6-v2", "TEXTS": texts, "QUERY": QUERY, **names}
    constants = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    return printed(f"{before}import json\n{constants}{INSTALL}{program}")
