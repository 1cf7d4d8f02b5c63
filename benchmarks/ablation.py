"""What each numbered departure of packed.py gains: the time without it, relative to the time with all.

    python -m benchmarks.ablation [--threads 1] [--rounds 51] [--quick]

Each variant replaces one departure by the plain way of encoder.py and leaves the others. Above 1 the
departure pays. The last column says what the variant does to the error, on the texts of the golden outputs,
against the original in float64. Departure 6 exists for the error and saves no time.

"Full version, once more" is the control: the same again. Its difference from 1 is noise. On one thread, the
default, the time is the CPU time of the process, which other programs disturb less than wall time. Texts are
few and rounds many, so that a slow moment of the machine affects all variants alike.

How each departure is undone:

1. batches of 32, padded to their longest text, with a mask; sorted by length, or unsorted. Everything else
   stays, so that only the padding and the mask are measured. A single text has no padding.
2. three products, and the scores divided by sqrt(D).
3. softmax over the last axis of scores (text, head, query, key).
4. erf by Abramowitz and Stegun 7.1.26, in the same blocks and buffers, or by math.erf.
5. weights not in panels (only where BLAS has kernels for small matrices; elsewhere nothing is in panels).
6. one sum over the intermediate width.
7. mean() in place of vecdot.

With several threads there is one more row: one worker, packs of 4,096 tokens and weights not in panels, which
is the best case for BLAS's own threads.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from benchmarks.harness import alternate, begin, long_texts, options, print_table, short_texts, spread, write
from minilm import MiniLM, activations
from minilm._arrays import Float32Array
from minilm.checkpoint.weights import ParameterFile
from minilm.fast import engine, packed, parameters
from minilm.fast.blas import call_with_blas_threads, has_small_matrix_kernels
from minilm.fast.cores import run_jobs
from minilm.fast.packed import Group, Workspace
from minilm.fast.parameters import LayerNorm, Linear, PackedParameters, Weight, pack_parameters
from minilm.pooling import mean_pooling, normalize
from minilm.tokenizer import pad
from tests.parity.make_golden import GOLDEN
from tests.parity.texts import TEXTS

QUERIES = 8  # single queries per timing


class Variant(NamedTuple):
    """One way to encode."""

    name: str
    encode: Callable[[Sequence[str]], Float32Array]
    applies_to_one: bool = True  # False: for a single text it does what the full version does


def main() -> None:
    """Measure, print, write."""
    parser = options(__doc__, rounds=51)
    parser.set_defaults(threads=1)
    arguments = begin(parser)
    short, long = short_texts()[: 64 * arguments.threads], long_texts(4 * arguments.threads)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    queries = short[:: len(short) // QUERIES][:QUERIES]
    with np.load(GOLDEN) as golden:
        truth = golden["embeddings_float64"]

    all_variants = variants(arguments.threads)
    errors = {variant.name: float(np.abs(variant.encode(TEXTS) - truth).max()) for variant in all_variants}
    results: dict[str, dict[str, Any]] = {
        name: {"largest_error": error, "relative_time": {}} for name, error in errors.items()
    }
    for kind, texts in (("short", short), ("long", long), ("one query", queries)):
        timed = [variant for variant in all_variants if kind != "one query" or variant.applies_to_one]
        run = _one_by_one if kind == "one query" else _all_at_once
        seconds = alternate(
            {v.name: run(v.encode, texts) for v in timed}, rounds=arguments.rounds, clock=clock
        )
        full = seconds[timed[0].name]
        for name, times in seconds.items():
            relative = spread(a / b for a, b in zip(times, full, strict=True))
            results[name]["relative_time"][kind] = relative._asdict()
            results[name].setdefault("cells", {})[kind] = relative.show(2)

    print(f"{arguments.threads} threads, {arguments.rounds} rounds: time / time of the full version\n")
    kinds = ("short", "long", "one query")
    cells = {name: result.pop("cells") for name, result in results.items()}
    print_table(
        ["", *kinds, "largest error"],
        [[name, *(cells[name].get(kind, "") for kind in kinds), f"{errors[name]:.1e}"] for name in results],
    )
    write("ablation", arguments, results)


def _all_at_once(encode: Callable[[Sequence[str]], Float32Array], texts: list[str]) -> Callable[[], object]:
    return lambda: encode(texts)


def _one_by_one(encode: Callable[[Sequence[str]], Float32Array], texts: list[str]) -> Callable[[], object]:
    return lambda: [encode([text]) for text in texts]


def variants(threads: int) -> list[Variant]:
    """Return the full version and, after it, all others."""
    full = MiniLM(threads=threads)
    panels = has_small_matrix_kernels()

    def with_parameters(parameters: PackedParameters) -> MiniLM:
        model = MiniLM(threads=threads)
        model.pipeline.engine.parameters = parameters
        return model

    def repacked(*, in_panels: bool) -> PackedParameters:
        file = ParameterFile(full.checkpoint.directory / "model.safetensors", full.config)
        return pack_parameters(file, full.config, in_panels=in_panels)

    with mock.patch.object(parameters, "LONGEST_SUM", 10**9):
        one_sum = with_parameters(repacked(in_panels=panels))
    unscaled = with_parameters(_without_scale(full.pipeline.engine.parameters))
    no_panels = with_parameters(repacked(in_panels=False))
    all_variants = [
        Variant("full version", full.encode),
        Variant("full version, once more", full.encode),
        Variant("1: padded to the longest, sorted by length", _Padded(full, sort=True), applies_to_one=False),
        Variant("1: padded to the longest, unsorted", _Padded(full, sort=False), applies_to_one=False),
        Variant("2: three products", _ThreeProducts(unscaled)),
        Variant("3: softmax over the last axis", _patched(full, "_attend", _attend_last_axis)),
        Variant("4: erf by Abramowitz and Stegun", _patched(full, "_double_gelu", _gelu_by_7_1_26)),
        Variant("4: math.erf", _patched(full, "_double_gelu", _gelu_by_math_erf)),
        Variant("6: one sum of 1536 terms", one_sum.encode),
        Variant("7: mean()", _patched(full, "_layer_norm", _layer_norm_by_mean)),
    ]
    if threads > 1:
        all_variants.append(Variant("BLAS's own threads", _blas_threads(no_panels)))
    if panels:
        all_variants.insert(8, Variant("5: weights not in panels", no_panels.encode))
    return all_variants


def _patched(
    model: MiniLM, name: str, function: Callable[..., None]
) -> Callable[[Sequence[str]], Float32Array]:
    """``model.encode`` with another function in the place of one of packed's."""

    def encode(texts: Sequence[str]) -> Float32Array:
        with mock.patch.object(packed, name, function):
            return model.encode(texts)

    return encode


class _Padded:
    """(1) Batches of 32 texts, each padded to its longest, through encode_pack as one group with a mask."""

    def __init__(self, model: MiniLM, *, sort: bool) -> None:
        self._model, self._sort = model, sort
        self._local = threading.local()  # the mask of each worker's batch

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        model = self._model
        token_ids = model.tokenizer.texts(texts).input_ids
        lengths = np.array([len(ids) for ids in token_ids])
        order = np.argsort(-lengths, kind="stable") if self._sort else np.arange(len(texts))
        batches = [order[start : start + 32] for start in range(0, len(texts), 32)]
        room = max(len(rows) * int(lengths[rows].max()) for rows in batches)
        embeddings = np.empty((len(texts), model.embedding_dimension), np.float32)

        def make_worker() -> Callable[[np.ndarray], None]:
            workspace = Workspace(room, model.pipeline.engine.parameters)

            def encode_batch(rows: np.ndarray) -> None:
                ids, mask = pad([token_ids[row] for row in rows])  # (B, L), (B, L)
                # added to the scores (key, text, head, query): 0, or low enough to vanish
                self._local.mask = np.where(mask.T[:, :, None, None] != 0, np.float32(0), np.float32(-1e30))
                groups = [Group(0, *ids.shape)]
                hidden_states = packed.encode_pack(
                    ids.ravel(), groups, model.pipeline.engine.parameters, workspace
                )
                by_text = hidden_states.reshape(*ids.shape, -1)  # (B, L, E)
                embeddings[rows] = normalize(mean_pooling(by_text, mask))

            return encode_batch

        with mock.patch.object(packed, "_attend", self._attend):
            run_jobs(batches, make_worker, threads=model.threads)
        return embeddings

    def _attend(
        self,
        qkv: Float32Array,
        texts: int,
        heads: int,
        _bias: None,
        *,
        queries: slice = slice(None),
        out: Float32Array,
    ) -> None:
        q, k, v = _split_qkv(qkv, texts, heads, queries)
        scores = np.empty((k.shape[2], texts, heads, q.shape[2]), np.float32)
        np.matmul(k, q.swapaxes(-1, -2), out=scores.transpose(1, 2, 0, 3))
        scores += self._local.mask
        scores -= scores.max(axis=0)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=0)
        np.matmul(scores.transpose(1, 2, 3, 0), v, out=_by_head(out, texts, heads))


_MULTIPLY = packed._multiply


class _ThreeProducts:
    """(2) Three products for query, key and value, and scores divided by sqrt(D)."""

    def __init__(self, model: MiniLM) -> None:
        self._model = model

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        with mock.patch.multiple(packed, _multiply=_multiply_in_three, _attend=_attend_unscaled):
            return self._model.encode(texts)


def _without_scale(parameters: PackedParameters) -> PackedParameters:
    """Return parameters whose query weights are not divided by sqrt(D)."""
    width = parameters.position_embeddings.shape[1]
    scale = np.float32(math.sqrt(width // parameters.heads))
    layers = []
    for layer in parameters.layers:
        panels = (
            layer.query_key_value.weight.panels.copy()
        )  # (C, in, 3E / C): a third of the panels is the query's
        panels[: len(panels) // 3] *= scale
        bias = layer.query_key_value.bias.copy()  # (3E,)
        bias[:width] *= scale
        fused = Linear(layer.query_key_value.weight._replace(panels=panels), bias)
        layers.append(layer._replace(query_key_value=fused))
    return parameters._replace(layers=layers)


def _multiply_in_three(x: Float32Array, weight: Weight, *, out: Float32Array) -> None:
    panels, width = weight.panels, out.shape[1] // 3
    if panels.shape[0] * panels.shape[2] != 3 * x.shape[1]:
        _MULTIPLY(x, weight, out=out)
        return
    third = len(panels) // 3
    for i in range(3):
        part = weight._replace(panels=panels[i * third : (i + 1) * third])
        _MULTIPLY(x, part, out=out[:, i * width : (i + 1) * width])


def _attend_unscaled(
    qkv: Float32Array,
    texts: int,
    heads: int,
    _bias: None,
    *,
    queries: slice = slice(None),
    out: Float32Array,
) -> None:
    q, k, v = _split_qkv(qkv, texts, heads, queries)
    scores = np.empty((k.shape[2], texts, heads, q.shape[2]), np.float32)
    np.matmul(k, q.swapaxes(-1, -2), out=scores.transpose(1, 2, 0, 3))
    scores /= np.float32(math.sqrt(q.shape[-1]))
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    np.matmul(scores.transpose(1, 2, 3, 0), v, out=_by_head(out, texts, heads))


def _attend_last_axis(
    qkv: Float32Array,
    texts: int,
    heads: int,
    _bias: None,
    *,
    queries: slice = slice(None),
    out: Float32Array,
) -> None:
    """(3) Scores stored (text, head, query, key)."""
    q, k, v = _split_qkv(qkv, texts, heads, queries)
    scores = q @ k.swapaxes(-1, -2)  # (N, H, L, L)
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    np.matmul(scores, v, out=_by_head(out, texts, heads))


def _split_qkv(
    qkv: Float32Array, texts: int, heads: int, queries: slice
) -> tuple[Float32Array, Float32Array, Float32Array]:
    by_head = qkv.reshape(texts, -1, 3, heads, qkv.shape[1] // 3 // heads)
    q, k, v = by_head.transpose(2, 0, 3, 1, 4)  # 3 x (N, H, L, D)
    return q[:, :, queries], k, v


def _by_head(context: Float32Array, texts: int, heads: int) -> Float32Array:
    """View (N x L, E) as (N, H, L, D)."""
    return context.reshape(texts, -1, heads, context.shape[1] // heads).swapaxes(1, 2)


# Abramowitz and Stegun, formula 7.1.26: erf(z) = 1 - t P(t) exp(-z^2) with t = 1 / (1 + p z), z >= 0
_P = np.float32(0.3275911)
_A = [np.float32(a) for a in (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)]


def _gelu_by_7_1_26(x: Float32Array, workspace: Workspace, _coefficients: object) -> None:
    """(4) ``x (1 + erf(x / sqrt 2))`` in the same blocks."""
    for start in range(0, len(x), packed.GELU_ROWS):
        block = x[start : start + packed.GELU_ROWS]
        t, polynomial = workspace.square[: len(block)], workspace.gate[: len(block)]
        np.abs(block, out=t)
        t *= _P / np.float32(math.sqrt(2))
        t += np.float32(1)
        np.reciprocal(t, out=t)
        np.multiply(t, _A[-1], out=polynomial)
        for a in _A[-2::-1]:
            polynomial += a
            polynomial *= t
        np.multiply(block, block, out=t)
        t *= np.float32(-0.5)
        np.exp(t, out=t)
        polynomial *= t
        np.subtract(np.float32(1), polynomial, out=polynomial)
        np.copysign(polynomial, block, out=polynomial)
        polynomial += np.float32(1)
        block *= polynomial


def _gelu_by_math_erf(x: Float32Array, _workspace: Workspace, _coefficients: object) -> None:
    """(4) The function of activations.py."""
    x[:] = 2 * activations.gelu(x)


def _layer_norm_by_mean(x: Float32Array, norm: LayerNorm, eps: float, *, out: Float32Array) -> None:
    """(7) Mean and variance by mean()."""
    x -= x.mean(axis=-1, keepdims=True)
    variance = np.mean(x * x, axis=-1, keepdims=True)
    x /= np.sqrt(variance + np.float32(eps))
    x *= norm.weight
    np.add(x, norm.bias, out=out)


def _blas_threads(model: MiniLM) -> Callable[[Sequence[str]], Float32Array]:
    """One pack at a time, its products shared among BLAS's threads."""

    def one_worker(
        jobs: Sequence[Any], make_worker: Callable[[], Callable[[Any], object]], *, threads: int
    ) -> None:
        do_job = make_worker()

        def do_all() -> None:
            for job in jobs:
                do_job(job)

        call_with_blas_threads(threads, do_all)

    def encode(texts: Sequence[str]) -> Float32Array:
        with mock.patch.object(engine, "run_jobs", one_worker):
            return model.encode(texts, batch_size=4096 // engine.TOKENS_PER_TEXT)

    return encode


if __name__ == "__main__":
    main()
