"""``/trace``: the inside of the encoder, for the page's tab Inside."""

from __future__ import annotations

import time

from fastapi import APIRouter, Response

from minilm.server.inputs import Places
from minilm.server.inside import Inside
from minilm.server.responses import RequestError, base64_floats, error_responses, json_response
from minilm.server.schemas.inside import TraceAnswer, TraceRequest
from minilm.server.schemas.openai import ErrorAnswer
from minilm.server.service import Service

MOST_TOKENS = 64  # per text: the attention of 72 heads is 300,000 numbers then


def inside_routes(service: Service) -> APIRouter:
    """Return the route of the tab Inside."""
    router = APIRouter(tags=["page"], responses=error_responses(ErrorAnswer))
    inside = Inside(service)

    @router.post("/trace", response_model=TraceAnswer)
    async def trace(request: TraceRequest) -> Response:
        """Attention, paths of the tokens, shares in the pooled vector, and the score by layer."""
        started = time.perf_counter()
        names = ["text_a"] if request.text_b is None else ["text_a", "text_b"]
        texts = [text for name in names if (text := getattr(request, name)) is not None]
        for name, text in zip(names, texts, strict=True):
            if not text.strip():
                raise RequestError(422, "Please enter text to look into.", param=name, code="blank_text")
        places = Places(" and ".join(names), names)
        tokenized, spans = await service.with_spans(texts, places)
        rows = tokenized.input_ids
        for name, row in zip(names, rows, strict=True):
            if len(row) > MOST_TOKENS:
                message = f"{name} is longer than the {MOST_TOKENS} tokens that /trace takes: shorten it"
                raise RequestError(413, message, param=name, code="context_length_exceeded")
        limit = service.model.max_seq_length
        truncated = service.truncated_indices(tokenized.is_truncated, places, limit, truncate=True)
        answer = await inside.look(rows)
        for text, span, row in zip(answer["texts"], spans, rows, strict=True):
            pieces = zip(span.tokens, row, strict=True)
            text["pieces"] = [{**token._asdict(), "id": token_id} for token, token_id in pieces]
            if request.encoding_format == "base64":  # a browser reads it several times as fast
                text["attention"] = base64_floats(text["attention"])
        return json_response(
            {
                **answer,
                "tokens": [len(row) for row in rows],
                "truncated": truncated,
                "unfamiliar": service.unfamiliar.indices(rows),
                "max_seq_length": limit,
                "milliseconds": round(1000 * (time.perf_counter() - started), 2),
            }
        )

    return router
