"""The calls of transformers' tokenizers: ``tokenizer(text)["input_ids"]``, ``encode``, ``tokenize``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding
from tokenizers import Tokenizer as Backend

from minilm._arguments import KnownAttributes, unknown_name
from minilm._arrays import as_tensor
from minilm.text.inputs import as_texts, check_text, item_text_or_pair

_FIELDS = {"input_ids": "ids", "token_type_ids": "type_ids", "attention_mask": "attention_mask"}


class TokenizerOutput(dict[str, Any]):
    """``input_ids``, ``token_type_ids`` and ``attention_mask``, as items and as attributes."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - lists, arrays or tensors
        try:
            return self[name]
        except KeyError:
            raise AttributeError(str(unknown_name("an attribute of tokens", name, self))) from None


class TokenizerCalls(KnownAttributes):
    """What a tokenizer of transformers can be asked. As there, nothing is cut without ``truncation``."""

    backend: Backend
    max_seq_length: int
    pad_token_id: int
    unk_token_id: int | None
    has_token_types: bool

    def backend_of_length(self, max_length: int | None) -> Backend:
        """Return a tokenizer of the library that cuts at this length, or not at all."""
        raise NotImplementedError

    def __call__(
        self,
        text: str | Sequence[str] | Sequence[Sequence[str]],
        text_pair: str | Sequence[str] | None = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        return_tensors: str | None = None,
    ) -> TokenizerOutput:
        """Token ids, types and mask of a text or of several, or of pairs of texts.

        Parameters
        ----------
        text, text_pair : str or sequence of str
            One text or n of them, and the second text of each pair. A pair of str is a pair as well.
        add_special_tokens : bool
            Put ``[CLS]`` and ``[SEP]`` around each text.
        padding : bool or {"longest", "max_length"}
            Fill short rows: up to the longest, or up to ``max_length``.
        truncation : bool or "longest_first"
            Cut at ``max_length``, of a pair the longer text first. None cuts if there is a ``max_length``
            and no ``padding``.
        max_length : int, optional
            None is :attr:`max_seq_length`.
        return_tensors : {"np", "pt"}, optional
            Arrays of int64 (n, L), or tensors of torch; else lists.

        Raises
        ------
        TypeError
            If an input is not text; the message names its index.
        ValueError
            If an option has a value that is not possible.
        """
        _check_option("padding", padding, (True, False, None, "longest", "max_length", "do_not_pad"))
        _check_option("truncation", truncation, (True, False, None, "longest_first", "do_not_truncate"))
        _check_option("return_tensors", return_tensors, (None, "np", "pt"))
        if truncation is None:
            truncation = max_length is not None and padding is False
        is_cut = truncation in (True, "longest_first")
        length = self.max_seq_length if max_length is None else max_length
        backend = self.backend_of_length(length if is_cut else None)
        is_single = isinstance(text, str)
        inputs = _inputs(text, text_pair, is_single)
        rows = backend.encode_batch(inputs, add_special_tokens=add_special_tokens)
        output = TokenizerOutput(
            {
                name: [getattr(row, field) for row in rows]
                for name, field in _FIELDS.items()
                if self.has_token_types or name != "token_type_ids"
            }
        )
        if padding not in (False, None, "do_not_pad"):
            least = length if padding == "max_length" else 0
            for name, values in output.items():
                _fill(values, least, self.pad_token_id if name == "input_ids" else 0)
        if return_tensors is None:
            return (
                TokenizerOutput({name: values[0] for name, values in output.items()}) if is_single else output
            )
        if len({len(row) for row in output["input_ids"]}) > 1:
            raise ValueError(f"return_tensors={return_tensors!r} needs rows of one length: pass padding=True")
        arrays = {name: np.array(values, np.int64) for name, values in output.items()}
        return TokenizerOutput(as_tensor(arrays) if return_tensors == "pt" else arrays)

    def encode(self, text: str, text_pair: str | None = None, **options: Any) -> list[int]:  # noqa: ANN401
        """Token ids of one text or pair; the options are those of a call."""
        check_text("text", text)
        ids: list[int] = self(text, text_pair, **options)["input_ids"]
        return ids

    def tokenize(self, text: str) -> list[str]:
        """Tokens of one text, without special ones and uncut."""
        encoding: Encoding = self.backend_of_length(None).encode(
            check_text("text", text), add_special_tokens=False
        )
        return encoding.tokens

    def decode(self, token_ids: Iterable[int], skip_special_tokens: bool = False) -> str:
        """Text of some token ids, as the library joins them."""
        return self.backend.decode([int(i) for i in token_ids], skip_special_tokens=skip_special_tokens)

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> Any:  # noqa: ANN401 - as many as there were ids
        """Token of an id, or of each of several."""
        return (
            self.backend.id_to_token(ids)
            if isinstance(ids, int)
            else [self.backend.id_to_token(int(i)) for i in ids]
        )

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:  # noqa: ANN401 - as many as tokens
        """Id of a token, or of each of several; that of the unknown token for one that there is not."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        found = self.backend.token_to_id(tokens)
        return self.unk_token_id if found is None else found

    def get_vocab(self) -> dict[str, int]:
        """Id of each token."""
        return self.backend.get_vocab()

    def __len__(self) -> int:
        return self.backend.get_vocab_size()

    @property
    def vocab_size(self) -> int:
        """Number of tokens, without those that were added to the vocabulary."""
        return self.backend.get_vocab_size(with_added_tokens=False)

    @property
    def model_max_length(self) -> int:
        """:attr:`max_seq_length`, as transformers calls it; may be set."""
        return self.max_seq_length

    @model_max_length.setter
    def model_max_length(self, value: int) -> None:
        self.max_seq_length = value


def _fill(rows: list[list[int]], least: int, value: int) -> None:
    """Fill each row with a value, up to the longest or to a length."""
    width = max([least, *map(len, rows)])
    rows[:] = [[*row, *[value] * (width - len(row))] for row in rows]


def _check_option(name: str, value: object, known: Sequence[object]) -> None:
    if not any(value is one or (isinstance(one, str) and value == one) for one in known):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, not {value!r:.80}")


def _inputs(text: Any, text_pair: Any, is_single: bool) -> list[Any]:  # noqa: ANN401 - as given
    """Return texts and pairs of texts, each checked."""
    firsts = list(as_texts(text)[0])
    if text_pair is not None:
        seconds = [text_pair] if is_single else list(as_texts(text_pair)[0])
        if len(firsts) != len(seconds):
            raise ValueError(f"text has {len(firsts)} texts and text_pair {len(seconds)}: they are no pairs")
        firsts = list(zip(firsts, seconds, strict=True))
    return [item_text_or_pair(index, item) for index, item in enumerate(firsts)]
