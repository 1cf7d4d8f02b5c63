"""Vectors by a recipe: minilm's own encoder with something changed."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
from tokenizers import Tokenizer as Backend

from minilm import encoder
from minilm._arrays import AnyArray, Float32Array, FloatArray
from minilm.check.recipe import NetworkRecipe, Recipe, TextRecipe
from minilm.check.rounding import rounded
from minilm.checkpoint.weights import load_parameters, weight_files
from minilm.config import ModelConfig
from minilm.fast.blas import call_with_blas_threads, has_small_matrix_kernels
from minilm.fast.engine import Engine
from minilm.fast.parameters import pack_parameters
from minilm.heads import Embed
from minilm.model import MiniLM
from minilm.tokenizer import pad
from minilm.trace.oracle import Oracle, weights_path
from minilm.variants import VARIANTS, Variant

PACK_TOKENS = 1024
_POSITIONS = "embeddings.position_embeddings.weight"
_TYPES = "embeddings.token_type_embeddings.weight"
_BERT_FIELDS = ("lowercase", "strip_accents", "clean_text", "handle_chinese_chars")
_OTHER_FIELDS = ("unicode_form", "words", "max_word", "has_marks")

Rows = list[list[int]]


class Variants:
    """One checkpoint, and what becomes of a text when a recipe changes how it is encoded."""

    def __init__(self, model: MiniLM, against: Variants | None = None) -> None:
        self.model = model
        self.against = against  # another checkpoint that may explain the vectors
        self.oracle = Oracle(model)
        self._path = weights_path(model.checkpoint)
        self._vectors: defaultdict[NetworkRecipe, dict[tuple[int, ...], AnyArray]] = defaultdict(dict)
        self._engine = lru_cache(maxsize=3)(self._make_engine)  # 90 MB each
        self._ids: defaultdict[TextRecipe, dict[str, list[int]]] = defaultdict(dict)

    @property
    def _family(self) -> Variant:
        return VARIANTS[self.model.config.model_type]

    @property
    def width(self) -> int:
        """Components of a vector."""
        return self.model.head.width()

    @property
    def longest(self) -> int:
        """Tokens that the position table has room for."""
        return self.model.config.longest_input

    def vectors(self, recipe: Recipe, texts: Sequence[str]) -> Float32Array:
        """Vectors (n, E) by a recipe, not yet normalized. Each is computed once."""
        if recipe.network.checkpoint and self.against:
            return self.against.vectors(recipe.changed(checkpoint=""), texts)
        rows = [tuple(row) for row in self.token_ids(recipe.text, texts)]
        known = self._vectors[recipe.network]
        new = sorted({*rows} - known.keys(), key=len)
        known |= zip(new, self._encode(recipe.network, [*map(list, new)]), strict=True)
        return np.stack([known[row] for row in rows])

    def can(self, recipe: Recipe) -> bool:
        """Whether the recipe has a meaning for this checkpoint."""
        if recipe.network.checkpoint:
            other = self.against
            return (
                other is not None and other.width == self.width and other.can(recipe.changed(checkpoint=""))
            )
        text, network, config = recipe.text, recipe.network, self.model.config
        is_bert = self._fields["normalizer"] and self._fields["normalizer"]["type"] == "BertNormalizer"
        added = sum(map(len, self.model.pipeline.tokenizer.special_token_ids))
        return all(
            (
                is_bert or all(getattr(text, name) is None for name in _BERT_FIELDS),
                text.max_seq_length is None or added < text.max_seq_length <= self.longest,
                network.pooling is None or not self.model.head.dense,
                network.pooling != "pooler" or bool(self._pooler),
                network.token_type < (config.type_vocab_size if self._family.has_token_types else 1),
                not network.position_offset or config.padding_idx is None,  # counted from 0
                network.fewer_layers < config.num_hidden_layers,
                network.pad_to <= self.longest,
            )
        )

    def affected(self, old: Recipe, new: Recipe, texts: Sequence[str]) -> list[int]:
        """Return which texts may get another vector, if one recipe takes the place of another."""
        if old.network != new.network:
            return [*range(len(texts))]
        tokens = self.against if new.network.checkpoint and self.against else self
        rows = zip(tokens.token_ids(old.text, texts), tokens.token_ids(new.text, texts), strict=True)
        return [place for place, (before, after) in enumerate(rows) if before != after]

    def token_ids(self, recipe: TextRecipe, texts: Sequence[str]) -> Rows:
        """Token ids of each text by a recipe."""
        tokenizer = self.model.pipeline.tokenizer
        texts = [self.model.pipeline.prompt_text() + recipe.prefix + text for text in texts]
        limit = min(recipe.max_seq_length or tokenizer.max_seq_length, self.longest)
        side = recipe.truncation_side or tokenizer.truncation_side
        before, after = tokenizer.special_token_ids
        before, after = before if recipe.before else [], after if recipe.after else []
        rows = []
        for ids in self._whole(recipe, texts):
            room, end = limit - len(before) - len(after), after
            if len(ids) > room and not recipe.after_cut:
                room, end = room + len(after), []
            kept = ids[:room] if side == "right" else ids[-room:]
            rows.append([*before, *kept, *end] or [tokenizer.pad_token_id])
        return rows

    def _whole(self, recipe: TextRecipe, texts: Sequence[str]) -> Rows:
        """Return all ids of each text, without special tokens, from the recipe's tokenizer."""
        kept = TextRecipe(**{name: getattr(recipe, name) for name in (*_BERT_FIELDS, *_OTHER_FIELDS)})
        known = self._ids[kept]
        if new := [text for text in texts if text not in known]:
            encodings = self._make_backend(kept).encode_batch(new, add_special_tokens=False)
            known |= zip(new, [encoding.ids for encoding in encodings], strict=True)
        return [known[text] for text in texts]

    @cached_property
    def _fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.model.pipeline.tokenizer.backend.to_str())
        return fields

    def _make_backend(self, recipe: TextRecipe) -> Backend:
        fields = {**self._fields, "truncation": None, "padding": None}
        changes = {name: getattr(recipe, name) for name in _BERT_FIELDS if getattr(recipe, name) is not None}
        if changes:
            fields["normalizer"] = {**fields["normalizer"], **changes}
        if recipe.unicode_form:
            steps = [{"type": recipe.unicode_form}, fields["normalizer"]]
            fields["normalizer"] = {"type": "Sequence", "normalizers": [step for step in steps if step]}
        if recipe.words:
            fields["pre_tokenizer"] = {"type": "WhitespaceSplit"}
        if recipe.max_word and "max_input_chars_per_word" in fields["model"]:
            fields["model"] = {**fields["model"], "max_input_chars_per_word": recipe.max_word}
        if not recipe.has_marks:
            fields["added_tokens"] = []
        return Backend.from_str(json.dumps(fields))

    def _encode(self, network: NetworkRecipe, rows: Rows) -> list[AnyArray]:
        if not rows:
            return []
        embed = self._embed(network)
        if network.padding:
            # one thread: those of BLAS wait for one another, which is slow beside other programs
            return call_with_blas_threads(1, lambda: [self._padded(network, row, embed) for row in rows])
        engine = self._engine(replace(network, pooling=None))
        longest = engine.parameters.longest_input
        return engine.run([row[:longest] for row in rows], embed, pack_tokens=PACK_TOKENS)

    def _padded(self, network: NetworkRecipe, row: list[int], embed: Embed) -> AnyArray:
        """Return the vector of a text with padding that attention, the mean, or both take for tokens."""
        longest = self.longest - network.position_offset  # as many as have a position
        token_id = self.model.pipeline.tokenizer.pad_token_id
        tokens = min(len(row), longest)
        padded = (row + [token_id] * (network.pad_to - len(row)))[:longest]
        if network.padding == "counted":
            ids, _ = pad([padded])
            mask = (np.arange(len(padded)) < tokens).astype(np.int64)[None]
            config, parameters = self._changed(network)
            states: Any = encoder.encode(ids, mask, parameters, config)
            return np.asarray(embed(states)[0])
        engine = self._engine(replace(network, padding=None, pad_to=0, pooling=None))
        kept = tokens if network.padding == "attended" else len(padded)
        return engine.run([padded], lambda states: embed(states[:, :kept]), pack_tokens=PACK_TOKENS)[0]

    def _embed(self, network: NetworkRecipe) -> Embed:
        """Return the function from hidden states (N, L, E) to vectors (N, E)."""
        head, pooling = self.model.head, network.pooling
        if pooling == "pooler":
            weight, bias = cast(tuple[Float32Array, Float32Array], self._pooler)
            return lambda states: np.tanh(states[:, 0] @ weight + bias)
        if pooling == "content":
            before, after = map(len, self.model.pipeline.tokenizer.special_token_ids)
            embed = head.embedder()
            return lambda states: embed(
                states[:, before : states.shape[1] - after] if states.shape[1] > before + after else states
            )
        return head.embedder(pooling)  # type: ignore[arg-type] # a key of POOLING

    @cached_property
    def _pooler(self) -> tuple[Float32Array, Float32Array] | tuple[()]:
        """The layer over [CLS] that only classifiers use, if the file has one."""
        from safetensors import safe_open

        for path in weight_files(self._path):
            if path.is_file():
                with safe_open(path, "np") as file:
                    prefix = f"{self._family.prefix}."
                    names = {str(name).removeprefix(prefix): name for name in file.keys()}  # noqa: SIM118
                    if "pooler.dense.weight" in names:
                        weight, bias = (
                            file.get_tensor(names[f"pooler.dense.{x}"]) for x in ("weight", "bias")
                        )
                        return weight.T.astype(np.float32), bias.astype(np.float32)
        return ()

    def _make_engine(self, network: NetworkRecipe) -> Engine:
        config, parameters = self._changed(network)
        packed = pack_parameters(parameters, config, in_panels=has_small_matrix_kernels())
        return Engine(packed, self.model.threads)

    def _changed(self, network: NetworkRecipe) -> tuple[ModelConfig, dict[str, FloatArray]]:
        """Return the configuration and the parameters by a recipe."""
        config, parameters = self.model.config, dict(self._parameters)
        config = replace(
            config,
            hidden_act=network.hidden_act or config.hidden_act,
            layer_norm_eps=network.layer_norm_eps or config.layer_norm_eps,
            num_hidden_layers=config.num_hidden_layers - network.fewer_layers,
        )
        if network.rounding:
            parameters = rounded(parameters, network.rounding)
        parameters[_POSITIONS] = parameters[_POSITIONS][network.position_offset :] * network.has_positions
        if network.token_type:
            parameters[_TYPES] = np.roll(parameters[_TYPES], -network.token_type, axis=0)
        if not network.is_scaled:
            for layer in range(config.num_hidden_layers):
                for part in ("weight", "bias"):
                    name = f"encoder.layer.{layer}.attention.self.query.{part}"
                    parameters[name] = parameters[name] * math.sqrt(config.head_size)
        return config, parameters

    @cached_property
    def _parameters(self) -> dict[str, FloatArray]:
        return load_parameters(self._path, self.model.config)
