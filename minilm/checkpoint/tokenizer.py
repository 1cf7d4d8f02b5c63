"""A checkpoint's tokenizer, built as transformers' class builds it, and checked before it meets a text.

BertTokenizer takes only the vocabulary from ``tokenizer.json`` or ``vocab.txt``. Lower case, accents, Chinese
characters and special tokens are as ``tokenizer_config.json`` says. Added tokens come from that file too, or
from ``added_tokens.json``. PreTrainedTokenizerFast takes ``tokenizer.json`` as it is.

The ``tokenizers`` library takes a post-processor as it is written: ids beyond the vocabulary, a template that
drops the text, names of unknown tokens. An id beyond the vocabulary would read another word's row. At the
others the library panics in Rust, with several lines on stderr.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, normalizers
from tokenizers import Tokenizer as Backend
from tokenizers.models import WordPiece

from minilm.checkpoint.files import Fields, check_regular, is_there, quoted, refuse_pointer
from minilm.checkpoint.tokenizer_classes import TOKENIZER_CLASSES, TokenizerClass
from minilm.errors import CheckpointError, is_panic, one_line
from minilm.tokenizer import Tokenizer

# Texts that show at once whether a tokenizer lacks a part: one that is probably in its vocabulary, one not.
_PROBES = ("a", "\N{RUNIC LETTER FEHU FEOH FE F}\N{SNOWMAN}")

# LaBSE's tokenizer.json, with half a million words, has 10 million bytes.
MAX_BYTES = 64 << 20

_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def read_backend(path: Path, settings: Fields, kind: TokenizerClass) -> Backend:
    """Build the tokenizer of a ``tokenizer.json`` or a ``vocab.txt``."""
    backend = _open_backend(path)
    if settings.values.get("padding_side", _direction(backend.padding)) != "right":
        raise settings.error(
            'padding_side "left" is not supported: BERT would count the padding as positions'
        )
    given, special = _special_tokens(settings)
    tokens = {**kind.special_tokens, **given}
    if "pad_token" not in tokens and backend.padding is None:
        raise settings.error("pad_token is missing; sentence-transformers cannot pad without it")
    if kind.model is not None and not isinstance(backend.model, kind.model):
        found = type(backend.model).__name__
        raise CheckpointError(
            f"{path} has a {found} model, and its tokenizer_class needs {kind.model.__name__}"
        )
    names = {name: _content(token, settings) for name, token in tokens.items() if name in _SPECIAL}
    existing = backend.get_added_tokens_decoder()
    before = _states(existing.values())
    wanted = [*_added_tokens(settings, tokens, special, existing if kind.model is None else {}, existing)]
    if kind.model is None:
        backend.add_tokens(wanted)
        return backend
    in_vocabulary = all(backend.model.token_to_id(token.content) is not None for token in wanted)
    if not in_vocabulary or _states(wanted) != before:
        backend = _open_backend(path, with_added_tokens=False)
    kind.set_parts(backend, settings, names)
    backend.add_tokens(wanted)
    backend.post_processor = kind.frame(backend, settings, names)
    return backend


def has_token_types(settings: Fields, kind: TokenizerClass) -> bool:
    """Whether the encoder is told which text a token belongs to, and that padding is none."""
    names = settings.optional("model_input_names", list)
    if names is None:
        return kind.has_token_types
    if "attention_mask" not in names or "input_ids" not in names:
        raise settings.error(f"model_input_names {names} is not supported without attention_mask")
    return "token_type_ids" in names


def special_token_id(backend: Backend, name: str, settings: Fields, kind: TokenizerClass) -> int | None:
    """Return the id of the special token of this name, if there is one."""
    token = {**kind.special_tokens, **_special_tokens(settings)[0]}.get(name)
    return None if token is None else backend.token_to_id(_content(token, settings))


def truncation_side(backend: Backend, settings: Fields) -> str:
    """The side on which a long text is cut: "left" or "right"."""
    if "truncation_side" in settings.values:
        return settings.one_of("truncation_side", ("left", "right"), default="right")
    return _direction(backend.truncation)


def _direction(part: Mapping[str, Any] | None) -> str:
    return str((part or {}).get("direction", "right")).lower()


def tokenizer_file(folder: Path, kind: TokenizerClass) -> Path:
    """``tokenizer.json``, or ``vocab.txt`` where the class can be built of it and the other is missing."""
    path, vocabulary = folder / "tokenizer.json", folder / "vocab.txt"
    return vocabulary if kind.model is WordPiece and not is_there(path) and is_there(vocabulary) else path


def _open_backend(path: Path, *, with_added_tokens: bool = True) -> Backend:
    _check_start(path)
    if path.name == "vocab.txt":
        return Backend(WordPiece(WordPiece.read_file(str(path))))
    if with_added_tokens:
        return Backend.from_file(str(path))
    return Backend.from_str(json.dumps({**json.loads(path.read_bytes()), "added_tokens": []}))


def _check_start(path: Path) -> None:
    check_regular(path, max_bytes=MAX_BYTES)
    with path.open("rb") as file:
        refuse_pointer(path, file.read(64))


def _special_tokens(settings: Fields) -> tuple[dict[str, Any], set[str]]:
    """Return the special tokens by name, and the texts of those that added_tokens.json may call special.

    A special_tokens_map.json goes before tokenizer_config.json.
    """
    values = settings.values
    extra = values.get("extra_special_tokens") or values.get("additional_special_tokens") or []
    for name in _SPECIAL:
        if isinstance(value := values.get(name), dict) and value.get("__type") != "AddedToken":
            raise settings.error(f"{name} must be a string or an AddedToken, not {quoted(value)}")
    late: Any = []
    if given := values.get("special_tokens_map.json"):
        values = {**values, **given}
        later = given.get("extra_special_tokens")
        extra, late = (later or extra), ([] if extra else given.get("additional_special_tokens") or [])
    tokens = {name: token for name, token in values.items() if name.endswith("_token")}
    tokens = {name: token for name, token in tokens.items() if name in _SPECIAL or isinstance(token, str)}
    tokens = {name: token for name, token in tokens.items() if token is not None}
    named = {_content(token, settings) for name, token in tokens.items() if name in _SPECIAL}
    if isinstance(more := values.get("model_specific_special_tokens"), dict):
        tokens |= more
    if isinstance(extra, dict):
        return {**tokens, **extra}, named
    if not isinstance(extra, list) or not isinstance(late, list):
        raise settings.error(f"extra_special_tokens must be a list, not {quoted(extra or late)}")
    tokens |= {f"extra {index}": token for index, token in enumerate(extra + late)}
    return tokens, named | {_content(token, settings) for token in extra}


def _added_tokens(
    settings: Fields,
    special: Mapping[str, Any],
    special_texts: Collection[str],
    present: Mapping[int, AddedToken],
    in_file: Mapping[int, AddedToken],
) -> Iterator[AddedToken]:
    """Yield the tokens to add, in the order in which transformers adds them, which gives their ids.

    ``present`` are tokens that the tokenizer has, ``in_file`` those of ``tokenizer.json``.
    """
    by_id: dict[int, AddedToken] = {}
    if "added_tokens_decoder" in settings.values:
        decoder = settings.optional("added_tokens_decoder", dict) or {}
        if not all(isinstance(token, dict) for token in decoder.values()):
            raise settings.error("added_tokens_decoder must map ids to objects")
        by_id = {int(index): AddedToken(**token) for index, token in decoder.items()}
    else:
        for content, index in settings.values.get("added_tokens.json", {}).items():
            if type(index) is not int:
                raise settings.error(
                    f"added_tokens.json: {quoted(content)} must have an id, not {quoted(index)}"
                )
            is_special = content in special_texts
            by_id[index] = AddedToken(content, normalized=not is_special, special=is_special)
        by_id |= in_file
    states = _states(present.values())
    named = {_content(token, settings) for name, token in special.items() if not name.startswith("extra ")}
    known = set(states)
    for _, token in sorted(by_id.items()):
        known.add(token.content)
        if states.get(token.content) != token.__getstate__():
            token.special = token.special or token.content in named
            yield token
    for name in (*_SPECIAL, *(name for name in special if name not in _SPECIAL)):
        if name in special and (content := _content(special[name], settings)) not in known:
            known.add(content)
            fields = special[name] if isinstance(special[name], dict) else {"content": content}
            fields = {key: value for key, value in fields.items() if key not in ("__type", "special")}
            yield AddedToken(**fields, special=True)


def _content(token: object, settings: Fields) -> str:
    """Return the text of a special token, which is a string, or an object of the type AddedToken."""
    if isinstance(token, str):
        return token
    if isinstance(token, dict) and isinstance(token.get("content"), str):
        return str(token["content"])
    raise settings.error(f"a special token must be a string or an AddedToken, not {quoted(token)}")


def _states(tokens: Any) -> dict[str, Any]:  # noqa: ANN401 - an iterable of AddedToken
    return {token.content: token.__getstate__() for token in tokens}


def open_tokenizer(
    path: Path,
    *,
    vocab_size: int,
    max_seq_length: int,
    do_lower_case: bool = False,
    settings: Fields | None = None,
    kind: TokenizerClass = TOKENIZER_CLASSES["BertTokenizer"],
) -> Tokenizer:
    """Read a ``tokenizer.json``, and check that every text becomes ids below ``vocab_size``.

    Texts are cut to ``max_seq_length`` tokens, special tokens included. ``settings`` are the fields of
    ``tokenizer_config.json``, and ``kind`` the class that it names. ``do_lower_case`` lowers the case of a
    text first.
    """
    settings = settings or Fields.of(path.with_name("tokenizer_config.json"), {})
    try:
        backend = read_backend(path, settings, kind)
        side = truncation_side(backend, settings)
        largest_id = max(backend.get_vocab(with_added_tokens=True).values(), default=-1)
        if not 0 <= largest_id < vocab_size:
            raise CheckpointError(
                f"{path} has token ids up to {largest_id}, but the model's vocabulary has {vocab_size} rows"
            )
        _check_special_tokens(backend, path, vocab_size, max_seq_length)
        if do_lower_case and not _has_lowercase(backend.normalizer):
            steps = [] if backend.normalizer is None else [backend.normalizer]
            backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *steps])
        pad_token_id = special_token_id(backend, "pad_token", settings, kind)
        if pad_token_id is None:
            pad_token_id = (backend.padding or {}).get("pad_id", 0)
        unk_token_id = special_token_id(backend, "unk_token", settings, kind)
        backend.no_padding()
        backend.enable_truncation(
            max_seq_length, direction=side
        )  # Tokenizer does it again for another length
        has_types = has_token_types(settings, kind)
        tokenizer = Tokenizer(backend, path, max_seq_length, side, pad_token_id, unk_token_id, has_types)
        for text in _PROBES:
            backend.encode(text)
    except CheckpointError:
        raise
    except BaseException as error:
        # the library raises a bare Exception, or panics, for every kind of bad file
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise CheckpointError(f"{path} cannot be read as a tokenizer: {one_line(error)}") from error
    return tokenizer


def _has_lowercase(normalizer: Any) -> bool:  # noqa: ANN401 - a normalizer or None
    """Whether a normalizer is Lowercase, or a sequence that holds it, as sentence-transformers asks."""
    fields = json.loads(normalizer.__getstate__()) if normalizer else {}
    return any(step.get("type") == "Lowercase" for step in fields.get("normalizers", [fields]))


def _check_special_tokens(backend: Backend, path: Path, vocab_size: int, max_seq_length: int) -> None:
    """Refuse a post-processor unless every text, also an empty one, becomes tokens that the model has."""
    if backend.post_processor is None:
        raise CheckpointError(f"{path} has no post_processor: an empty text would have no token at all")
    for processor in _processors(json.loads(backend.post_processor.__getstate__())):
        if processor["type"] == "TemplateProcessing":
            ids = _template_ids(processor, path)
        else:  # BertProcessing and RobertaProcessing name two tokens with their ids; others add none
            ids = [processor[name][1] for name in ("cls", "sep") if name in processor]
        if max(ids, default=0) >= vocab_size:
            raise CheckpointError(
                f"{path} adds the token id {max(ids)} to every text, but the model's vocabulary has "
                f"{vocab_size} rows"
            )
    added = backend.num_special_tokens_to_add(is_pair=False)
    if not 0 < added < max_seq_length:
        raise CheckpointError(
            f"{path} adds {added} tokens to every text, and must add at least 1 and fewer than the "
            f"{max_seq_length} that are kept of it (max_seq_length)"
        )


def _processors(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a post-processor, or each one of a sequence of them."""
    if fields["type"] == "Sequence":
        for inner in fields["processors"]:
            yield from _processors(inner)
    else:
        yield fields


def _template_ids(template: dict[str, Any], path: Path) -> list[int]:
    """Return the ids that a template adds, if it has each of its texts exactly once."""
    special = template["special_tokens"]
    for name, texts in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = template[name]
        ids = sorted(piece["Sequence"]["id"] for piece in pieces if "Sequence" in piece)
        if ids != texts:
            raise CheckpointError(f"{path}: the template {name!r} takes the texts {quoted(ids)}, not {texts}")
        for piece in pieces:
            if "SpecialToken" in piece and (token := piece["SpecialToken"]["id"]) not in special:
                raise CheckpointError(
                    f"{path}: the template {name!r} names {quoted(token)}, which is no token"
                )
    return [token_id for token in special.values() for token_id in token["ids"]]
