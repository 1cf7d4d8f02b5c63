"""What a server allows, as one frozen dataclass; ``minilm serve`` has an option for each field.

``middleware.py`` enforces the limits of the body and the key, and ``service.py`` those of the texts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from ipaddress import ip_network

from minilm._arguments import positive_int
from minilm.server.keys import is_key

# The routes of the server, and the folders of routes: a prefix that begins one would hide it.
_ROUTES = """
/api/embed /api/embeddings /api/show /api/tags /api/version /compare /decode /docs /embed /embed_all
/embed_sparse /embeddings /health /info /invocations /matrix /metrics /models /notebook /openapi.json
/ping /predict /rerank /search /similarity /tokenize /trace /v1/embeddings /v1/models
/v1/rerank /v2/rerank
"""
ROUTES = frozenset(_ROUTES.split())
FOLDERS = ("/page/", "/source/", "/swagger/", "/v1/models/")


@dataclass(frozen=True)
class ServerSettings:
    """Limits and access of one server.

    Attributes
    ----------
    api_keys : tuple of str
        Clients must send one of them to every route that encodes; see ``keys.py``. None by default.
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
    workers : int
        Processes that share the port. With more than one there is no ``/metrics``.
    cors_origins : tuple of str
        Origins whose pages may use the service, or "*"; none by default.
    root_path : str
        The path prefix under which a proxy shows the server, such as ``/minilm``; none by default. It must
        not be the beginning of a route, such as ``/v1``.
    forwarded_allow_ips : tuple of str
        Addresses and networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, or
        "*". Other X-Forwarded headers are not used.
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

    api_keys: tuple[str, ...] = ()
    served_model_names: tuple[str, ...] = ()
    strict_model: bool = False
    token_ids: str | None = None
    auto_truncate: bool = True
    workers: int = 1
    cors_origins: tuple[str, ...] = ()
    root_path: str = ""
    forwarded_allow_ips: tuple[str, ...] = ("127.0.0.1",)
    max_body_bytes: int = 8 * 2**20
    max_texts: int = 2048
    max_characters: int = 2_000_000
    max_queue_tokens: int = 1_000_000
    body_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not isinstance(self.api_keys, (tuple, list)) or not all(map(is_key, self.api_keys)):
            raise ValueError(
                "api_keys must be printable ASCII without spaces, and not empty, each in a tuple"
            )
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
        _check_proxy(self.root_path, self.forwarded_allow_ips)
        for name in ("workers", "max_body_bytes", "max_texts", "max_characters", "max_queue_tokens"):
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


def _check_proxy(root_path: object, addresses: object) -> None:
    segment = r"/(?!\.{1,2}(/|$))[\w.~!$&'()*+,;=:@-]+"
    if not isinstance(root_path, str) or not re.fullmatch(f"({segment})*", root_path, re.ASCII):
        raise ValueError(f"root_path must be like /minilm, without a slash at its end, not {root_path!r}")
    path = f"{root_path}/"
    if root_path and (
        path.startswith(FOLDERS) or any(f"{route}/".startswith(path) for route in (*ROUTES, *FOLDERS))
    ):
        raise ValueError(f"root_path must be a path that begins no route of this server, not {root_path!r}")
    if not isinstance(addresses, (tuple, list)):
        raise ValueError(f"forwarded_allow_ips must be a tuple of str, not {addresses!r}")
    for address in addresses:
        try:
            if address != "*":
                ip_network(address if isinstance(address, str) else "")  # a number is one too
        except ValueError:
            wanted = "IP addresses or networks, like 10.0.0.0/8, or *"
            raise ValueError(f"forwarded_allow_ips must be {wanted}, not {address!r}") from None
