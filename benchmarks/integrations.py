"""What each adapter of minilm/integrations is beside the original: the table of docs/integrations.md.

    python -m benchmarks.integrations [--quick [--only PROJECT | --without PROJECT]]

It prints the table and writes results/integrations.json, from which benchmarks/report.py fills the page. It
fails if an adapter's vectors are further from sentence-transformers than float32 explains. Each adapter
embeds in a process that can find neither torch nor transformers nor sentence-transformers.

The megabytes are those of the installed packages: what the project needs with sentence-transformers, less
what it needs with minilm. It needs the extras "golden", "integrations" and "peers", and llm, which pip puts
beside them only with --no-deps. In two environments one may check all: ``--quick --without llm`` in one, and
``--quick --only llm`` in the other. A package that is absent is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import minilm
from benchmarks.harness import begin, options, print_table, write
from benchmarks.report import adapters
from tests.integrations.processes import hide, printed
from tests.parity.texts import TEXTS

# float32 sums of 384 terms in another order
BOUND = 1e-6
ORIGINAL = "sentence-transformers"

Embed = Callable[[list[str]], Any]


class Adapter(NamedTuple):
    """A row of the table."""

    project: str
    package: str  # as pip installs it
    place: str  # what the user writes
    works_by: str
    load: Callable[[], Embed]
    declares_the_original: bool = False  # as a requirement, which it does not need here


def _langchain() -> Embed:
    from minilm.integrations.langchain import MiniLMEmbeddings

    return MiniLMEmbeddings().embed_documents


def _llama_index() -> Embed:
    from minilm.integrations.llama_index import MiniLMEmbedding

    return MiniLMEmbedding().get_text_embedding_batch


def _chroma() -> Embed:
    from minilm.integrations.chroma import MiniLMEmbeddingFunction

    return MiniLMEmbeddingFunction()


def _scikit_learn() -> Embed:
    from minilm.integrations.scikit_learn import MiniLMVectorizer

    return MiniLMVectorizer().transform


def _haystack() -> Embed:
    from haystack import Document

    from minilm.integrations.haystack import MiniLMDocumentEmbedder

    embedder = MiniLMDocumentEmbedder()

    def embed(texts: list[str]) -> list[Any]:
        documents = [Document(id=str(i), content=text) for i, text in enumerate(texts)]
        return [document.embedding for document in embedder.run(documents)["documents"]]

    return embed


def _keybert() -> Embed:
    from minilm.integrations.keybert import KeyBERTBackend

    return KeyBERTBackend().embed


def _bertopic() -> Embed:
    from minilm.integrations.bertopic import BERTopicBackend

    return BERTopicBackend().embed_documents


def _llm() -> Embed:
    import llm

    return lambda texts: list(llm.get_embedding_model("minilm").embed_multi(texts))


def _lancedb() -> Embed:
    from lancedb.embeddings import get_registry

    import minilm.integrations.lancedb  # noqa: F401 - it registers itself

    embed: Embed = get_registry().get("minilm").create().compute_source_embeddings
    return embed


def _semantic_router() -> Embed:
    from minilm.integrations.semantic_router import RouterEncoder

    return RouterEncoder()


def _chonkie() -> Embed:
    from minilm.integrations.chonkie import ChunkerEmbeddings

    return ChunkerEmbeddings().embed_batch


def _txtai() -> Embed:
    import txtai

    embed: Embed = txtai.Embeddings(method="minilm.integrations.txtai.TxtaiVectors").batchtransform
    return embed


def _dspy() -> Embed:
    from minilm.integrations.dspy import DSPyEmbedder

    return DSPyEmbedder()


def _spacy() -> Embed:
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("minilm")
    return lambda texts: [doc.vector for doc in nlp.pipe(texts)]


ADAPTERS = [
    Adapter("LangChain", "langchain-core", "`langchain.MiniLMEmbeddings`", "a class of its kind", _langchain),
    Adapter(
        "LlamaIndex", "llama-index-core", "`llama_index.MiniLMEmbedding`", "a class of its kind", _llama_index
    ),
    Adapter("Chroma", "chromadb", "`chroma.MiniLMEmbeddingFunction`", "its registry", _chroma),
    Adapter(
        "scikit-learn",
        "scikit-learn",
        "`scikit_learn.MiniLMVectorizer`",
        "a class of its kind",
        _scikit_learn,
    ),
    Adapter("Haystack", "haystack-ai", "`haystack.MiniLMDocumentEmbedder`", "a component", _haystack),
    Adapter("KeyBERT", "keybert", "`keybert.KeyBERTBackend`", "a class of its kind", _keybert, True),
    Adapter("BERTopic", "bertopic", "`bertopic.BERTopicBackend`", "a class of its kind", _bertopic, True),
    Adapter("llm", "llm", "`llm embed -m minilm`", "an entry point", _llm),
    Adapter("LanceDB", "lancedb", '`get_registry().get("minilm")`', "its registry", _lancedb),
    Adapter(
        "semantic-router",
        "semantic-router",
        "`semantic_router.RouterEncoder`",
        "a class of its kind",
        _semantic_router,
    ),
    Adapter("chonkie", "chonkie[semantic]", "`chonkie.ChunkerEmbeddings`", "a class of its kind", _chonkie),
    Adapter(
        "txtai", "txtai", "`method: minilm.integrations.txtai.TxtaiVectors`", "the path of a class", _txtai
    ),
    Adapter("DSPy", "dspy", "`dspy.DSPyEmbedder`", "a class of its kind", _dspy),
    Adapter("spaCy", "spacy", '`nlp.add_pipe("minilm")`', "an entry point", _spacy),
]

PROJECTS = [one.project for one in ADAPTERS]


ORIGINALS = ("torch", "transformers", "sentence_transformers")
WITHOUT_ORIGINALS = """
import json, sys
from benchmarks.integrations import ADAPTERS, ORIGINALS
[embed] = [one.load() for one in ADAPTERS if one.project == PROJECT]
vectors = [[float(x) for x in vector] for vector in embed(TEXTS)]
print(json.dumps([vectors, [name for name in ORIGINALS if name in sys.modules]]))
"""


def embed_without_originals(project: str, texts: list[str]) -> tuple[Any, list[str]]:
    """The vectors in a process that cannot find torch and its kin, and which of them it imported."""
    program = f"PROJECT, TEXTS = {project!r}, {texts!r}\n"
    vectors, imported = printed(hide(*ORIGINALS) + program + WITHOUT_ORIGINALS)
    return np.asarray(vectors), imported


def needed(package: str, without: str = "") -> frozenset[str]:
    """The names of a package and of all that it requires here, as pip would install them."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(package)]
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        for extra in {"", *one.extras}:
            if name != without and (name, extra) not in found:
                found.add((name, extra))
                required = map(Requirement, distribution(name).requires or [])
                waiting += [r for r in required if not r.marker or r.marker.evaluate({"extra": extra})]
    return frozenset(name for name, _ in found)


def is_installed(package: str) -> bool:
    """Whether a package is there, whatever its extras."""
    try:
        return bool(version(Requirement(package).name))
    except PackageNotFoundError:
        return False


@cache
def size(name: str) -> int:
    """The bytes of an installed package."""
    if name == "minilm":  # which may be installed as a link to this checkout
        return sum(path.stat().st_size for path in Path(minilm.__file__).parent.rglob("*.py"))
    paths = [Path(str(file.locate())) for file in distribution(name).files or []]
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, threads=False, rounds=None)
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--only", metavar="PROJECT", choices=PROJECTS, help="one row; with --quick")
    some.add_argument("--without", metavar="PROJECT", choices=PROJECTS, help="all but one; with --quick")
    arguments = begin(parser)
    if (arguments.only or arguments.without) and not arguments.quick:
        parser.error("--only and --without need --quick: the table of the page has every row")
    chosen = [
        one for one in ADAPTERS if one.project != arguments.without and arguments.only in (None, one.project)
    ]
    if absent := [one.project for one in chosen if not is_installed(one.package)]:
        sys.exit(f"not installed: {', '.join(absent)}")
    from sentence_transformers import SentenceTransformer

    texts = TEXTS[:20] if arguments.quick else TEXTS
    directory = str(minilm.MiniLM().checkpoint.directory)
    theirs = SentenceTransformer(directory, device="cpu").encode(texts)
    results: dict[str, dict[str, Any]] = {}
    for adapter in chosen:
        ours, imported = embed_without_originals(adapter.project, list(texts))
        if imported:
            sys.exit(f"{adapter.project} imported {', '.join(imported)}")
        with_original = needed(adapter.package) | needed(ORIGINAL)
        with_minilm = needed("minilm") | needed(
            adapter.package, without=ORIGINAL if adapter.declares_the_original else ""
        )
        results[adapter.project] = {
            "place": adapter.place,
            "works_by": adapter.works_by,
            "version": version(Requirement(adapter.package).name),
            "difference": float(np.abs(ours - theirs).max()),
            "needs_torch": "torch" in with_minilm,
            "megabytes": (sum(map(size, with_original)) - sum(map(size, with_minilm))) / 1e6,
        }
    print_table(*adapters(results))
    write("integrations", arguments, results, texts=len(texts))
    if far := [project for project, row in results.items() if row["difference"] > BOUND]:
        sys.exit(f"further than {BOUND} from {ORIGINAL}: {', '.join(far)}")


if __name__ == "__main__":
    main()
