"""A sparse encoder behind its route, with a queue of its own."""

from __future__ import annotations

from minilm._arrays import AnyArray
from minilm.server.inputs import Cutting, Places
from minilm.server.service import Service, prompt_text_of, run_off_loop
from minilm.sparse_encoder import SparseEncoder


class SparseEncoding:
    """A sparse encoder and its queue."""

    def __init__(self, model: SparseEncoder, service: Service) -> None:
        self.model = model
        self._service = service
        self._cutting = Cutting(model.pipeline)
        self.batcher = service.add_batcher(model.encode_tokens)

    async def encode(
        self,
        inputs: str | list[str],
        *,
        truncate: bool | None = None,
        side: str | None = None,
        prompt_name: str | None = None,
    ) -> tuple[list[AnyArray], list[int]]:
        """The columns and weights (2, weights) of each text, and the indices of those that were cut."""
        texts, names = ([inputs], ["inputs"]) if isinstance(inputs, str) else (inputs, [])
        places = Places("inputs", names)
        self._service.check_limits(texts, places)
        prompt_text = prompt_text_of(self.model, prompt_name)
        pipeline = self._cutting.on(side)
        ids, is_cut, _ = await run_off_loop(
            sum(map(len, texts)), lambda: pipeline.tokenize_window(texts, prompt_text)
        )
        most = self.model.max_seq_length
        truncated = self._service.truncated_indices(is_cut, places, most, truncate=truncate)
        return await self.batcher.encode(ids), truncated
