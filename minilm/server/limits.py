"""What a server allows, as one frozen dataclass; ``minilm serve`` has an option for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Limits and access of one server.

    Attributes
    ----------
    api_key : str, optional
        What clients must send as ``Authorization: Bearer KEY`` to everything that encodes.
    cors_origins : tuple of str
        Origins whose pages may use the service; none unless named.
    max_body_bytes : int
        Longest body of a request; longer ones are answered 413.
    max_texts : int
        Most texts in a request; more are answered 422.
    max_characters : int
        Most characters in all texts of a request; more are answered 422.
    max_queue_tokens : int
        Most tokens that wait, in the model's queue and in the reranker's; a request that would make them more
        is answered 503, unless it finds the queue empty.
    body_seconds : float
        How long a client may take to send a body; then it is answered 408.
    """

    api_key: str | None = None
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 8 * 2**20
    max_texts: int = 2048
    max_characters: int = 2_000_000
    max_queue_tokens: int = 1_000_000
    body_seconds: float = 30.0
