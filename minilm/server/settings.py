"""What a server allows, as one frozen dataclass; ``minilm serve`` has an option for each field.

``middleware.py`` enforces the limits of the body and the key, and ``service.py`` those of the texts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from minilm._arguments import positive_int


@dataclass(frozen=True)
class ServerSettings:
    """Limits and access of one server.

    Attributes
    ----------
    api_key : str, optional
        What clients must send as ``Authorization: Bearer KEY`` to every route that encodes.
    served_model_names : tuple of str
        The names of the model in ``/v1/models``; the first is its id in answers. By default the name of its
        repository, or of its directory.
    strict_model : bool
        Answer 404 to a request that names another model; by default any name is accepted.
    token_ids : str, optional
        "wordpiece" says that clients may send token ids, of the model's own vocabulary. By default ids are
        refused: those of another vocabulary would give a meaningless vector.
    auto_truncate : bool
        Cut texts that are longer than the model's limit, where a request does not say what to do; otherwise
        refuse them.
    cors_origins : tuple of str
        Origins whose pages may use the service, or "*"; none by default.
    max_body_bytes : int
        The longest body of a request; longer ones are answered 413.
    max_texts : int
        The most texts per request; more are answered 413, or 400 by OpenAI's routes.
    max_characters : int
        The most characters in all texts of a request; more are answered as too many texts are.
    max_queue_tokens : int
        The most tokens that wait, in the model's queue and in the reranker's. A request above that is
        answered 503, unless the queue is empty.
    body_seconds : float
        How long a client may take to send a body; then it is answered 408.

    Raises
    ------
    ValueError
        If a field has a value that is not possible; the message begins with its name.
    """

    api_key: str | None = None
    served_model_names: tuple[str, ...] = ()
    strict_model: bool = False
    token_ids: str | None = None
    auto_truncate: bool = True
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 8 * 2**20
    max_texts: int = 2048
    max_characters: int = 2_000_000
    max_queue_tokens: int = 1_000_000
    body_seconds: float = 30.0

    def __post_init__(self) -> None:
        key = self.api_key
        if key is not None and not (isinstance(key, str) and re.fullmatch("[!-~]+", key)):
            raise ValueError("api_key must be printable ASCII without spaces, and not empty")
        _check_names(self.served_model_names)
        for name in ("strict_model", "auto_truncate"):
            if not isinstance(value := getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, not {value!r}")
        if self.token_ids not in (None, "wordpiece"):
            raise ValueError(f'token_ids must be "wordpiece" or not set, not {self.token_ids!r}')
        if not isinstance(self.cors_origins, (tuple, list)):
            raise ValueError(f"cors_origins must be a tuple of str, not {self.cors_origins!r}")
        for origin in self.cors_origins:
            # a browser also sends "null", for what has no origin of its own; anybody can have that
            is_text = isinstance(origin, str)
            if not is_text or (
                origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\sA-Z]+", origin)
            ):
                raise ValueError(f"cors_origins must be like https://example.org, or *, not {origin!r}")
        for name in ("max_body_bytes", "max_texts", "max_characters", "max_queue_tokens"):
            positive_int(name, getattr(self, name))
        seconds = self.body_seconds
        if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds < math.inf:
            raise ValueError(f"body_seconds must be a positive number, not {seconds!r}")


def _check_names(names: object) -> None:
    if not isinstance(names, (tuple, list)):
        raise ValueError(f"served_model_names must be a tuple of str, not {names!r}")
    for name in names:
        if not (isinstance(name, str) and name.isprintable() and name.strip("/ ") == name != ""):
            text = "names of printable characters, with no space or slash at either end"
            raise ValueError(f"served_model_names must be {text}, not {name!r}")
    if len(set(names)) < len(names):
        raise ValueError(f"served_model_names must be different names, not {names!r}")
