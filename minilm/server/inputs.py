"""What a request's inputs are called in messages, and on which side they are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from minilm._pipeline import Pipeline

PipelineType = TypeVar("PipelineType", bound=Pipeline)

IDS_REFUSED = (
    "has token ids, and this server takes texts: ids of another vocabulary, such as OpenAI's, give a "
    "meaningless vector. LangChain's OpenAIEmbeddings sends texts with check_embedding_ctx_length=False. "
    "For ids of the model's own vocabulary, start the server with --token-ids wordpiece"
)


class Places:
    """What each input of a field is called in a message: by default the field and an index."""

    def __init__(self, param: str, names: Sequence[str] = ()) -> None:
        self.param = param
        self._names = names

    def __getitem__(self, index: int) -> str:
        return self._names[index] if self._names else f"{self.param}[{index}]"


class Cutting(Generic[PipelineType]):
    """A model's pipeline, and one that cuts long texts on the other side, once a request asks for it."""

    def __init__(self, pipeline: PipelineType) -> None:
        self._by_side: dict[str | None, PipelineType] = {None: pipeline}

    def on(self, side: str | None) -> PipelineType:
        """Return the pipeline that cuts on the "left", on the "right", or where the checkpoint says."""
        side = side and side.lower()
        if side is not None and side not in self._by_side:
            pipeline = self._by_side[None]
            self._by_side[side] = replace(pipeline, tokenizer=pipeline.tokenizer.cutting_on(side))
        return self._by_side[side]
