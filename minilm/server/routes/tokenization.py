"""text-embeddings-inference's routes for tokens: ``/tokenize`` and ``/decode``."""

from __future__ import annotations

import asyncio
from itertools import accumulate
from typing import cast

import orjson
from fastapi import APIRouter, Response
from tokenizers import Encoding

from minilm.server.inputs import Places
from minilm.server.responses import RequestError, error_responses, json_response
from minilm.server.schemas.text_embeddings_inference import TextEmbeddingsInferenceError
from minilm.server.schemas.tokenization import DecodeRequest, SimpleToken, TokenizeRequest
from minilm.server.service import Service

# As in text-embeddings-inference: characters per token of max_seq_length that a text to be split may have.
CHARACTERS_PER_TOKEN = 250


def tokenization_routes(service: Service) -> APIRouter:
    """Return the routes that split texts into tokens and join tokens to texts."""
    router = APIRouter(
        tags=["text-embeddings-inference"], responses=error_responses(TextEmbeddingsInferenceError)
    )
    tokenizer = service.model.tokenizer

    @router.post("/tokenize", response_model=list[list[SimpleToken]])
    async def tokenize(request: TokenizeRequest) -> Response:
        """All tokens of each text: nothing is cut."""
        texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
        service.check_limits(texts, Places("inputs"))
        limit = CHARACTERS_PER_TOKEN * service.model.max_seq_length
        for index, text in enumerate(texts):
            if len(text) > limit:
                message = f"inputs[{index}] has {len(text):,} characters; /tokenize takes {limit:,} per text"
                raise RequestError(413, message, param="inputs", code="too_many_characters")
        prompt = service.prompt_text(request.prompt_name)
        special = request.add_special_tokens

        def answer() -> list[orjson.Fragment]:
            # one text at a time: what is known of each token takes a hundred times as much memory as its text
            backend = tokenizer.backend_of_length(None)
            given = (prompt + text for text in texts)
            return [_tokens(text, backend.encode(text, add_special_tokens=special)) for text in given]

        return json_response(await asyncio.to_thread(answer))

    @router.post("/decode", response_model=list[str])
    async def decode(request: DecodeRequest) -> Response:
        """The text of token ids, or of several lists of them."""
        rows = cast(list[list[int]], [ids] if (ids := request.ids) and isinstance(ids[0], int) else ids)
        service.check_limits(rows, Places("ids"))
        service.check_ids(rows, Places("ids"))
        skip = request.skip_special_tokens
        backend = tokenizer.backend
        return json_response(
            await asyncio.to_thread(lambda: [backend.decode(row, skip_special_tokens=skip) for row in rows])
        )

    return router


def _tokens(text: str, encoding: Encoding) -> orjson.Fragment:
    """Return the JSON of a text's tokens, which takes less memory than the tokens."""
    # the library counts characters; text-embeddings-inference counts bytes, as the library does in Rust
    starts = [*accumulate((len(character.encode()) for character in text), initial=0)]
    rows = zip(encoding.ids, encoding.tokens, encoding.offsets, encoding.special_tokens_mask, strict=True)
    tokens: list[dict[str, object]] = [
        {"id": token_id, "text": token, "special": True, "start": None, "stop": None}
        if is_special
        else {
            "id": token_id,
            "text": text[start:end],
            "special": False,
            "start": starts[start],
            "stop": starts[end],
        }
        for token_id, token, (start, end), is_special in rows
    ]
    return orjson.Fragment(orjson.dumps(tokens))
