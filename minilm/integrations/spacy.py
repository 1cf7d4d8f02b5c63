"""spaCy: a pipeline component that gives ``doc.vector``, ``span.vector`` and ``similarity``.

spaCy finds it by its entry point: ``nlp.add_pipe("minilm")``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from spacy.language import Language
from spacy.tokens import Doc, Span

from minilm._arrays import Float32Array
from minilm.hub import DEFAULT_MODEL
from minilm.integrations.models import as_model


class DocVectors:
    """Sentence embeddings of documents and spans.

    A document is encoded when it passes the component, a span when its vector is asked for. A token keeps the
    vector that it has without the component. spaCy stores and sends documents without such vectors: with
    ``n_process`` above 1, and in a ``DocBin``, they are lost.

    Parameters
    ----------
    model : str
        A directory or a name on the Hub; the pipeline is saved with it.
    """

    def __init__(self, model: str = DEFAULT_MODEL) -> None:
        self.model = model

    def __call__(self, doc: Doc) -> Doc:
        """Give a document its vector."""
        return self._with_vectors([doc])[0]

    def pipe(self, stream: Iterable[Doc], batch_size: int = 256) -> Iterator[Doc]:
        """Give documents their vectors, a batch at a time."""
        stream = iter(stream)
        while docs := list(islice(stream, batch_size)):
            yield from self._with_vectors(docs)

    def _with_vectors(self, docs: list[Doc]) -> list[Doc]:
        vectors = as_model(self.model).encode([doc.text for doc in docs])
        for doc, vector in zip(docs, vectors, strict=True):
            doc.vector = vector
            doc.user_hooks |= {"has_vector": lambda _: True, "similarity": self._similarity}
            doc.user_span_hooks |= {
                "vector": self._span_vector,
                "has_vector": lambda _: True,
                "similarity": self._similarity,
            }
        return docs

    def _span_vector(self, span: Span) -> Float32Array:
        return as_model(self.model).encode(span.text)

    def _similarity(self, one: Doc | Span, other: Doc | Span) -> float:
        return float(as_model(self.model).similarity(one.vector, other.vector)[0, 0])


@Language.factory("minilm", default_config={"model": DEFAULT_MODEL}, assigns=["doc.vector"])
def make_component(nlp: Language, name: str, model: str) -> DocVectors:  # noqa: ARG001 - spaCy's signature
    """Return the component for a pipeline."""
    return DocVectors(model)
