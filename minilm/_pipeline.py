"""The corridor: the only place where texts become token ids and token ids go through the encoder.

    inputs -> windows -> prompt -> tokenizer -> engine -> a result per input, and a count of what was cut

``MiniLM``, ``CrossEncoder``, the explanation of a score, the corpus job and the server all call it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from minilm._arguments import KnownAttributes, positive_int, unknown_name
from minilm._arrays import AnyArray, Float32Array, GrowingArray
from minilm._progress import progress_bar
from minilm.fast.engine import TOKENS_PER_TEXT, Engine, Finish
from minilm.text.inputs import check_encodable, check_text, item_text_or_pair
from minilm.text.spans import TextSpans
from minilm.tokenizer import TokenizedTexts, Tokenizer

# A window is long enough to find texts of similar length in, and short enough that a corpus never has to fit
# in memory: a million characters are about 250,000 tokens.
WINDOW_TEXTS = 4096
WINDOW_CHARACTERS = 1 << 20

# The names of prompts that encode_query and encode_document look for, in order.
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass
class Counts:
    """What went through the pipeline."""

    texts: int = 0
    tokens: int = 0
    truncated: int = 0  # texts that were cut at max_seq_length


@dataclass(eq=False, repr=False)
class Pipeline(KnownAttributes):
    """The tokenizer and the engine of one model, and the prompts that go before its texts, by name."""

    tokenizer: Tokenizer
    engine: Engine
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None

    unit: ClassVar[str] = "texts"  # what the inputs are called in a message

    def prompt_text(self, prompt: str | None = None, prompt_name: str | None = None) -> str:
        """The text to put before every text: ``prompt`` itself, or the one of that name, or the default."""
        if prompt is not None:
            if prompt_name is not None:
                logger.warning(
                    "Provide either a `prompt`, a `prompt_name`, or neither, but not both. "
                    "Ignoring the `prompt_name` in favor of `prompt`."
                )
            return check_text("prompt", prompt)
        name = self.default_prompt_name if prompt_name is None else prompt_name
        if name is None:
            return ""
        if not isinstance(name, str) or name not in self.prompts:
            raise unknown_name("prompt_name", name, self.prompts)
        return check_text(f"prompts[{name!r}]", self.prompts[name])

    def prompt_length(self, prompt_text: str) -> int | None:
        """How many tokens a prompt has, with what the tokenizer puts before a text; None without a prompt."""
        if not prompt_text:
            return None
        _, after = self.tokenizer.special_token_ids
        return len(self.tokenizer.texts([prompt_text]).input_ids[0]) - len(after)

    def update_prompts(
        self, prompts: Mapping[str, str | None] | None = None, default_prompt_name: str | None = None
    ) -> None:
        """Add prompts, and choose the default one; None changes nothing.

        A prompt of None leaves the one that is there, as in sentence-transformers, or else is "".
        """
        if not isinstance(prompts, Mapping | None):
            raise TypeError(f"prompts must map names to texts, not be a {type(prompts).__name__}")
        for name, text in (prompts or {}).items():
            kept = self.prompts.get(check_text("a prompt's name", name), "")
            self.prompts[name] = kept if text is None else check_text(f"prompts[{name!r}]", text)
        if default_prompt_name is not None:
            if not isinstance(default_prompt_name, str) or default_prompt_name not in self.prompts:
                raise unknown_name("default_prompt_name", default_prompt_name, self.prompts)
            self.default_prompt_name = default_prompt_name

    def run(
        self,
        inputs: Iterable[Any],
        finish: Finish,
        *,
        counts: Counts,
        prompt_text: str = "",
        batch_size: int = 32,
        show_progress_bar: bool | None = False,
    ) -> Iterator[tuple[TokenizedTexts, list[AnyArray]]]:
        """Encode inputs: yield the token ids of a window of inputs and a result for each, and so on.

        ``finish`` makes results of hidden states: see :meth:`minilm.fast.engine.Engine.run`. ``batch_size``
        is how many texts of 32 tokens go through the encoder at a time, per core.
        """
        pack_tokens = TOKENS_PER_TEXT * positive_int("batch_size", batch_size)
        total = len(inputs) if isinstance(inputs, Sized) else None
        is_silent = show_progress_bar is False or (show_progress_bar is None and total == 1)
        with nullcontext() if is_silent else progress_bar(show_progress_bar, total) as bar:
            for tokenized in self.tokenize(inputs, counts, prompt_text):
                # The results get no name: it would keep them in memory while the next window is encoded.
                yield (
                    tokenized,
                    self.engine.run(
                        tokenized.input_ids,
                        finish,
                        pack_tokens=pack_tokens,
                        token_type_ids=tokenized.token_type_ids,
                        advance=bar and bar.update,
                    ),
                )

    def tokenize(
        self, inputs: Iterable[Any], counts: Counts, prompt_text: str = ""
    ) -> Iterator[TokenizedTexts]:
        """Tokenize inputs a window at a time. An input that is not text raises, with its index."""
        for window in windows(self.checked(inputs), self.characters):
            tokenized = self.tokenize_window(window, prompt_text, start=counts.texts)
            counts.texts += len(window)
            counts.tokens += sum(map(len, tokenized.input_ids))
            counts.truncated += sum(tokenized.is_truncated)
            yield tokenized

    def tokenize_window(
        self, window: Sequence[Any], prompt_text: str = "", *, start: int = 0
    ) -> TokenizedTexts:
        """Tokenize some texts at once; ``start`` is the index of the first among the inputs."""
        if any(type(text) is tuple for text in window):
            return self._with_pairs(window, prompt_text, start)
        try:
            return self.tokenizer.texts([prompt_text + text for text in window] if prompt_text else window)
        except (TypeError, UnicodeEncodeError):  # raised for a string that is not Unicode text
            check_encodable(window, start)
            raise

    def _with_pairs(self, window: Sequence[Any], prompt_text: str, start: int) -> TokenizedTexts:
        """Tokenize a window of which some inputs are pairs; the prompt goes before the first text of one."""
        pairs = [item for item in window if type(item) is tuple]
        singles = [
            check_text(f"inputs[{i}]", item) for i, item in enumerate(window, start) if type(item) is str
        ]
        texts = self.tokenizer.texts([prompt_text + text for text in singles])
        paired = self.tokenizer.pairs([(prompt_text + first, second) for first, second in pairs])
        types = len(self.engine.parameters.token_type_differences)
        if max(map(max, paired.token_type_ids or [])) >= types:
            raise ValueError("inputs has pairs of texts, but this model has one token type: join each pair")
        zeros = [[0] * len(ids) for ids in texts.input_ids]
        text_rows = zip(texts.input_ids, texts.is_truncated, zeros, strict=True)
        pair_rows = zip(paired.input_ids, paired.is_truncated, paired.token_type_ids or [], strict=True)
        rows = [next(pair_rows if type(item) is tuple else text_rows) for item in window]
        return TokenizedTexts(*map(list, zip(*rows, strict=True)))

    def run_tokens(
        self, input_ids: Sequence[Sequence[int]], finish: Finish, *, batch_size: int = 32
    ) -> list[AnyArray]:
        """Encode texts that are token ids already, checked here; ``finish`` as for :meth:`run`."""
        self.check_token_ids(input_ids)
        pack_tokens = TOKENS_PER_TEXT * positive_int("batch_size", batch_size)
        return self.engine.run(input_ids, finish, pack_tokens=pack_tokens)

    def check_token_ids(self, input_ids: Sequence[Sequence[int]]) -> None:
        """Raise a ValueError for a text with no tokens, too many, or an id that is not in the vocabulary."""
        parameters = self.engine.parameters
        longest, vocab_size = parameters.longest_input, len(parameters.word_embeddings)
        for index, ids in enumerate(input_ids):
            if not np.issubdtype(np.asarray(ids if len(ids) else [0]).dtype, np.integer):
                raise ValueError(f"input_ids[{index}] has {ids!r:.80}, which are no whole numbers")
            if not 1 <= len(ids) <= longest:
                raise ValueError(f"input_ids[{index}] has {len(ids)} ids; a text has 1 to {longest}")
            if not (min(ids) >= 0 and max(ids) < vocab_size):
                raise ValueError(f"input_ids[{index}] has an id outside 0 to {vocab_size - 1}")

    def tokenize_with_spans(
        self, texts: Sequence[str], prompt_text: str = ""
    ) -> tuple[TokenizedTexts, list[TextSpans]]:
        """Tokenize some texts at once, and say where their tokens stand in them."""
        return self.tokenizer.with_spans(texts, prompt_text)

    def truncation_message(self, counts: Counts) -> str:
        """Say how many inputs were cut."""
        return (
            f"{counts.truncated} of {counts.texts} {self.unit} were cut at {self.tokenizer.max_seq_length} "
            "tokens (max_seq_length); the rest of them was not encoded"
        )

    @staticmethod
    def checked(inputs: Iterable[Any]) -> Iterator[Any]:
        """Yield the inputs, if each of them is a text or a pair of texts."""
        for index, item in enumerate(inputs):
            yield item if type(item) is str else item_text_or_pair(index, item)

    @staticmethod
    def characters(item: Any) -> int:  # noqa: ANN401 - a text, or a pair of them
        """How many characters an input has."""
        return len(item) if type(item) is str else sum(map(len, item))


@dataclass(eq=False, repr=False)
class PairPipeline(Pipeline):
    """A pipeline of pairs of texts, which the caller has checked. The prompt goes before the first text."""

    unit: ClassVar[str] = "pairs"

    def tokenize_window(
        self,
        window: Sequence[Any],
        prompt_text: str = "",
        *,
        start: int = 0,  # noqa: ARG002 - as for texts
    ) -> TokenizedTexts:
        """Tokenize some pairs at once."""
        tokenized = self.tokenizer.pairs([(prompt_text + first, second) for first, second in window])
        return tokenized if self.tokenizer.has_token_types else tokenized._replace(token_type_ids=None)

    def check_token_types(
        self, input_ids: Sequence[Sequence[int]], token_type_ids: Sequence[Sequence[int]]
    ) -> None:
        """Raise a ValueError unless each token of each pair has a type that the model knows."""
        types = len(self.engine.parameters.token_type_differences)
        if [*map(len, input_ids)] != [*map(len, token_type_ids)]:
            raise ValueError("token_type_ids must have as many numbers as input_ids, for each pair")
        for index, row in enumerate(token_type_ids if self.tokenizer.has_token_types else []):
            if not (min(row) >= 0 and max(row) < types):
                raise ValueError(f"token_type_ids[{index}] has a type outside 0 to {types - 1}")

    @staticmethod
    def checked(inputs: Iterable[Any]) -> Iterator[Any]:
        """Yield the inputs."""
        return iter(inputs)


def windows(items: Iterable[T], characters: Callable[[T], int]) -> Iterator[list[T]]:
    """Group consecutive items into lists of bounded length and bounded number of characters."""
    window: list[T] = []
    total = 0
    for item in items:
        window.append(item)
        total += characters(item)
        if len(window) == WINDOW_TEXTS or total >= WINDOW_CHARACTERS:
            yield window
            window, total = [], 0
    if window:
        yield window


def all_rows(run: Iterator[tuple[object, Sequence[Any]]], texts: Iterable[Any], width: int) -> Float32Array:
    """Return the embeddings of all windows in one array (n, width)."""
    rows = GrowingArray(len(texts) if isinstance(texts, Sized) else 0, width)
    for _, window in run:
        rows.extend(window)
        del window  # otherwise it stays in memory while the next one is encoded
    return rows.array()
