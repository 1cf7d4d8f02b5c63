"""txtai: a vectors backend, ``method: minilm.integrations.txtai.TxtaiVectors`` of its configuration."""

from __future__ import annotations

from txtai.vectors import Vectors

from minilm._arrays import Float32Array
from minilm.hub import DEFAULT_MODEL
from minilm.model import MiniLM


class TxtaiVectors(Vectors):
    """Embeddings of an index and of its queries, with the checkpoint's prompts for them, if it has any.

    It reads the settings of txtai's sentence-transformers backend: ``path`` is a directory or a name on the
    Hub, and ``vectors`` holds arguments of :class:`minilm.MiniLM`. ``encodebatch`` is the batch size, and
    ``encodeargs`` holds arguments of :meth:`minilm.MiniLM.encode`. It runs on the CPU, also with ``gpu``.
    """

    def loadmodel(self, path: str | None) -> MiniLM:
        """Load the checkpoint that the configuration names, or the default one."""
        return MiniLM(path or DEFAULT_MODEL, **self.config.get("vectors", {}))

    def encode(self, data: list[str], category: str | None = None) -> Float32Array:
        """Return embeddings (n, E) of n texts; ``category`` is "query", "data" or None."""
        model = self.model
        encode = {"query": model.encode_query, "data": model.encode_document, None: model.encode}[category]
        return encode(data, batch_size=self.encodebatch, **self.config.get("encodeargs", {}))
