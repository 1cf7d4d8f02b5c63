"""A search of the documents that the server was started with: ``/search``."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, Response

from minilm.documents.documents import Documents
from minilm.documents.search import hit_fields
from minilm.errors import MiniLMError, described
from minilm.server.responses import RequestError, json_response
from minilm.server.schemas.search import SearchAnswer, SearchRequest
from minilm.server.service import Service

logger = logging.getLogger(__name__)


def search_routes(service: Service, documents: Documents) -> APIRouter:
    """Return the route that searches documents."""
    router = APIRouter(tags=["documents"])

    @router.post("/search", response_model=SearchAnswer)
    async def search(request: SearchRequest) -> Response:
        """The pieces of documents that are nearest to a query, grouped by document."""
        if not request.query.strip():
            message = "Please enter text to search for."
            raise RequestError(422, message, param="query", code="blank_text")
        rows, truncated = await service.token_ids(
            [request.query], param="query", names=["query"], truncate=True
        )
        try:
            hits = await asyncio.to_thread(
                documents.search, request.query, request.k, where=request.where, hybrid=request.hybrid
            )
        except ValueError as error:
            raise RequestError(422, str(error), param="where") from None
        except (MiniLMError, OSError) as error:
            # the log has the place, which is none of the client's business
            logger.error("the documents cannot be searched: %s", described(error))
            message = "the documents cannot be searched now: their table is gone or damaged"
            raise RequestError(503, message, code="documents_unavailable") from None
        answer = {"query": request.query, "hits": [hit_fields(hit) for hit in hits]}
        cut, unfamiliar = (["query"] * len(found) for found in (truncated, service.unfamiliar.indices(rows)))
        return json_response(answer, cut, unfamiliar)

    return router
