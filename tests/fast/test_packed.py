"""packed.py: the encoder for speed computes what ``encoder.py`` computes."""

from __future__ import annotations

import math
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilm import MiniLM, ModelConfig, encoder
from minilm._arrays import Parameters
from minilm.fast import packed
from minilm.fast.cores import run_together
from minilm.fast.engine import make_packs
from minilm.fast.packed import Workspace
from minilm.fast.parameters import GELU_COEFFICIENTS, HIDDEN_ACTS, PANEL_COLUMNS, Weight, pack_parameters
from minilm.pooling import normalize
from tests.checkpoints import TINY, random_parameters
from tests.fast.networks import config_of, truth, well_scaled
from tests.parity.texts import PLAIN

# The rounding of float32 against float64: it rounds components of unit vectors to 3e-8 at most, and errors of
# some units in the last place add up over the layers. The largest error on texts was 6e-7.
BOUND = 2e-6

COEFFICIENTS = tuple(np.float32(coefficient) for coefficient in GELU_COEFFICIENTS)


def packed_states(
    texts: list[list[int]], parameters: Parameters, config: ModelConfig, *, in_panels: bool
) -> list[np.ndarray]:
    """Hidden states (L, E) of each text, all in one pack."""
    [pack] = make_packs(texts, pack_tokens=10**6, workers=1)
    fused = pack_parameters(parameters, config, in_panels=in_panels)
    states = packed.encode_pack(pack.input_ids, pack.groups, fused, Workspace(len(pack.input_ids), fused))
    by_row: dict[int, np.ndarray] = {}
    start = 0
    for row in pack.rows.tolist():
        by_row[row] = states[start : start + len(texts[row])].copy()
        start += len(texts[row])
    return [by_row[row] for row in range(len(texts))]


def embedding(states: np.ndarray) -> np.ndarray:
    return normalize(states.astype(np.float64).mean(axis=0))


def worst(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    return max(float(np.abs(embedding(a) - embedding(b)).max()) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("in_panels", [False, True])
def test_the_real_weights_give_what_the_textbook_gives(
    model: MiniLM, float64_parameters: Parameters, in_panels: bool
) -> None:
    random = np.random.default_rng(1)
    words = " ".join(PLAIN).split()
    salads = [" ".join(random.choice(words, length)) for length in (0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 90, 240)]
    texts = model.tokenizer.texts(salads).input_ids
    ours = packed_states(texts, float64_parameters, model.config, in_panels=in_panels)
    theirs = [truth(ids, float64_parameters, model.config) for ids in texts]
    assert worst(ours, theirs) <= BOUND


@pytest.mark.parametrize("in_panels", [False, True])
def test_random_tokens_give_what_the_textbook_gives(
    model: MiniLM, float64_parameters: Parameters, in_panels: bool
) -> None:
    random = np.random.default_rng(2)
    texts = [random.integers(0, 30522, length).tolist() for length in (1, 2, 2, 7, 33, 64, 128)]
    ours = packed_states(texts, float64_parameters, model.config, in_panels=in_panels)
    theirs = [truth(ids, float64_parameters, model.config) for ids in texts]
    assert worst(ours, theirs) <= BOUND


# BERT's own, and one that matters beside the variance of any row
epsilons = st.sampled_from([1e-12, 0.1])
# at least 8 wide: the layer norm of one or two numbers is a step function, which enlarges any rounding
odd_widths = st.builds(
    config_of,
    heads=st.integers(1, 6),
    head_size=st.integers(8, 24),
    layers=st.integers(1, 3),
    intermediate=st.integers(1, 900),
    eps=epsilons,
)
widths_of_whole_panels = st.builds(
    config_of,
    heads=st.sampled_from([1, 2, 4, 8]),
    head_size=st.sampled_from([64, 128]),
    layers=st.integers(1, 2),
    intermediate=st.sampled_from([64, 384, 448, 768, 832]),
    eps=epsilons,
).filter(lambda config: config.hidden_size <= 256)
lengths_of_texts = st.lists(st.integers(1, 48), min_size=1, max_size=6)


def check_against_the_textbook(
    config: ModelConfig, lengths: list[int], seed: int, *, in_panels: bool
) -> None:
    parameters = well_scaled(config, seed)
    random = np.random.default_rng(seed)
    texts = [random.integers(0, config.vocab_size, length).tolist() for length in lengths]
    ours = packed_states(texts, parameters, config, in_panels=in_panels)
    # the truth has the same parameters, rounded to float32 as in a checkpoint
    rounded = {name: values.astype(np.float32) for name, values in parameters.items()}
    theirs = [truth(ids, rounded, config) for ids in texts]
    assert worst(ours, theirs) <= BOUND


@given(config=odd_widths, lengths=lengths_of_texts, seed=st.integers(0, 999), in_panels=st.booleans())
@settings(deadline=None, max_examples=60)  # a deadline would make the clock part of the test
def test_any_shape_gives_what_the_textbook_gives(
    config: ModelConfig, lengths: list[int], seed: int, in_panels: bool
) -> None:
    check_against_the_textbook(config, lengths, seed, in_panels=in_panels)


@given(config=widths_of_whole_panels, lengths=lengths_of_texts, seed=st.integers(0, 999))
@settings(deadline=None, max_examples=30)
def test_any_shape_of_whole_panels_gives_what_the_textbook_gives(
    config: ModelConfig, lengths: list[int], seed: int
) -> None:
    check_against_the_textbook(config, lengths, seed, in_panels=True)


@pytest.fixture(scope="module")
def seldom_used() -> Workspace:
    """A workspace for an intermediate width of 500."""
    config = config_of(heads=2, head_size=8, layers=1, intermediate=500)
    return Workspace(1, pack_parameters(random_parameters(config, 1), config))


def test_double_gelu_is_twice_x_times_the_normal_distribution_function(seldom_used: Workspace) -> None:
    x = np.linspace(-40, 40, 200_000).astype(np.float32).reshape(-1, 500)
    ours = x.copy()
    packed._double_gelu(ours, seldom_used, COEFFICIENTS)
    phi = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x.ravel().tolist()])
    theirs = 2 * x.astype(np.float64) * phi.reshape(x.shape)
    # absolute: twice the polynomial's 6.6e-8, and the rounding of 1 + tanh where it is nearly 0 (6e-8, the
    # unit of numbers below 1, and tanh's and its argument's) times |x| up to 6; from there on tanh is -1.
    # relative: the two roundings of 1 + tanh, and of the product, each 6e-8, and tanh's own two units
    np.testing.assert_allclose(ours, theirs, rtol=4e-7, atol=1.2e-6)


@pytest.mark.parametrize("rows", [1, packed.GELU_ROWS - 1, packed.GELU_ROWS, packed.GELU_ROWS + 1, 200])
def test_gelu_leaves_out_no_row(seldom_used: Workspace, rows: int) -> None:
    x = np.ones((rows, 500), np.float32)
    packed._double_gelu(x, seldom_used, COEFFICIENTS)
    # Phi(1) to 16 digits, from tables of the normal distribution; the bound is that of the test above
    np.testing.assert_allclose(x, 2 * 0.8413447460685429, rtol=4e-7)


@pytest.mark.parametrize("size", [40.0, 4e3, 1e4, 1e15, 1e30])
def test_gelu_of_large_numbers_neither_warns_nor_gives_nan(seldom_used: Workspace, size: float) -> None:
    x = np.full((2, 500), size, np.float32)
    x[1] *= -1
    ours = x.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        packed._double_gelu(ours, seldom_used, COEFFICIENTS)
    np.testing.assert_array_equal(ours[0], 2 * x[0])
    np.testing.assert_array_equal(ours[1], 0)


@pytest.mark.parametrize("in_panels", [False, True])
def test_large_activations_neither_warn_nor_give_nan(in_panels: bool) -> None:
    config = config_of(heads=2, head_size=64, layers=2, intermediate=448)
    parameters = dict(well_scaled(config, 1))
    for name in ("query", "key", "value"):
        parameters[f"encoder.layer.0.attention.self.{name}.weight"] *= 1e2  # scores of order 1e4
    for layer in range(2):
        parameters[f"encoder.layer.{layer}.intermediate.dense.weight"] *= 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [states] = packed_states([[1, 2, 3, 4, 5]], parameters, config, in_panels=in_panels)
    assert np.isfinite(states).all()


def weight_in_panels(inputs: int, outputs: int, block_rows: int) -> tuple[Weight, np.ndarray]:
    matrix = np.random.default_rng(1).normal(0, 1 / math.sqrt(inputs), (inputs, outputs)).astype(np.float32)
    panels = matrix.reshape(inputs, -1, PANEL_COLUMNS).transpose(1, 0, 2)
    return Weight(np.ascontiguousarray(panels), block_rows), matrix


@pytest.mark.parametrize("block_rows", [8, 32])
def test_panels_multiply_as_the_matrix_does_for_any_number_of_rows(block_rows: int) -> None:
    inputs, outputs = 384, 192
    weight, matrix = weight_in_panels(inputs, outputs, block_rows)
    x = np.random.default_rng(2).normal(size=(100, inputs)).astype(np.float32)
    expected = x.astype(np.float64) @ matrix.astype(np.float64)
    for rows in range(1, 101):
        out = np.full((rows + 1, outputs), np.nan, np.float32)
        packed._multiply(x[:rows], weight, out=out[:rows])
        # 384 products summed one after another: partial sums of order 1, each rounded to 6e-8, and errors of
        # random sign add up to sqrt(384) of that, 1.2e-6; four times as much for the worst of 19,200
        np.testing.assert_allclose(out[:rows], expected[:rows], rtol=0, atol=5e-6)
        assert np.isnan(out[rows]).all()  # the row behind is not written


@pytest.mark.parametrize("rows", [33, 65, 97])
def test_a_single_row_left_over_leaves_the_rows_before_it_alone(rows: int) -> None:
    weight, _ = weight_in_panels(384, 192, 32)
    x = np.random.default_rng(3).normal(size=(rows, 384)).astype(np.float32)
    one_more, out = np.empty((rows + 1, 192), np.float32), np.empty((rows, 192), np.float32)
    packed._multiply(np.vstack([x, x[:1]]), weight, out=one_more)
    packed._multiply(x, weight, out=out)
    # two ways to sum the same 384 products, each within the bound of the test above
    np.testing.assert_allclose(out, one_more[:rows], rtol=0, atol=1e-5)


@pytest.mark.parametrize("in_panels", [False, True])
@pytest.mark.parametrize(("length", "count"), [(2, 2), (9, 2), (9, 4), (48, 3), (48, 7)])
def test_threads_that_share_a_text_find_what_one_finds(length: int, count: int, in_panels: bool) -> None:
    config = config_of(heads=4, head_size=32, layers=3, intermediate=448)
    parameters = well_scaled(config, 5)
    ids = np.random.default_rng(6).integers(0, config.vocab_size, length)
    [alone] = packed_states([ids.tolist()], parameters, config, in_panels=in_panels)

    fused = pack_parameters(parameters, config, in_panels=in_panels)
    query_key_value = np.empty((length, 3 * config.hidden_size), np.float32)
    shared = np.full((length, config.hidden_size), np.nan, np.float32)
    bounds = [length * i // count for i in range(count + 1)]

    def work(number: int, wait: object) -> None:
        assert callable(wait)
        rows = slice(bounds[number], bounds[number + 1])
        # with more room than its rows need
        workspace = Workspace(length, fused)
        shared[rows] = packed.encode_share(ids, rows, query_key_value, fused, workspace, wait=wait)

    run_together(work, threads=count)
    # the same sums, but for kernels that round by a row's position or number: hidden states reach 4, so
    # this is 40 units in their last place after three layers
    np.testing.assert_allclose(shared, alone, rtol=0, atol=1e-5)


def test_a_text_is_shared_with_two_waits_a_layer() -> None:
    parameters = pack_parameters(random_parameters(TINY, 1), TINY)
    calls: list[int] = []
    packed.encode_share(
        np.array([2, 7, 3]),
        slice(0, 3),
        np.empty((3, 3 * TINY.hidden_size), np.float32),
        parameters,
        Workspace(3, parameters),
        wait=lambda: calls.append(threading.get_ident()),
    )
    assert len(calls) == 2 * TINY.num_hidden_layers


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
def test_other_activations_give_what_the_textbook_gives(activation: str) -> None:
    config = replace(config_of(heads=2, head_size=16, layers=2, intermediate=96), hidden_act=activation)
    check_against_the_textbook(config, [1, 5, 5, 48], seed=4, in_panels=False)


def test_every_activation_function_that_packed_names_gives_what_the_textbook_gives() -> None:
    assert set(HIDDEN_ACTS) == {
        "gelu",
        "gelu_python",
        "gelu_new",
        "gelu_fast",
        "gelu_pytorch_tanh",
        "relu",
    }
    for name in HIDDEN_ACTS:
        check_against_the_textbook(replace(TINY, hidden_act=name), [1, 5], seed=3, in_panels=False)


@pytest.mark.parametrize("rows", [slice(0, 5), slice(2, 5)])
def test_token_types_give_what_the_textbook_gives(rows: slice) -> None:
    config = config_of(heads=2, head_size=16, layers=1, intermediate=96)
    parameters = {name: values.astype(np.float32) for name, values in well_scaled(config, 7).items()}
    ids, types = np.array([2, 7, 3, 9, 3]), np.array([0, 1, 1, 0, 1])
    fused = pack_parameters(parameters, config)
    workspace = Workspace(5, fused)
    in_double = {name: values.astype(np.float64) for name, values in parameters.items()}
    [expected] = encoder.encode(
        ids[None], np.ones((1, 5), int), in_double, config, token_type_ids=types[None]
    )
    whole = packed.encode_pack(ids, [packed.Group(0, 1, 5)], fused, workspace, token_type_ids=types)
    # float32 rounds numbers of order 4 to 2.4e-7; some such errors add up over a layer
    np.testing.assert_allclose(whole, expected, rtol=0, atol=1e-5)
    query_key_value = workspace.query_key_value.copy()  # the other rows' keys and values
    share = packed.encode_share(
        ids, rows, query_key_value, fused, workspace, wait=lambda: None, token_type_ids=types
    )
    np.testing.assert_allclose(share, expected[rows], rtol=0, atol=1e-5)


def test_a_workspace_forgets_what_it_held() -> None:
    parameters = pack_parameters(random_parameters(TINY, 2), TINY)
    ids, groups = np.array([2, 7, 3, 2, 3]), [packed.Group(0, 1, 3), packed.Group(3, 1, 2)]
    used = Workspace(20, parameters)
    packed.encode_pack(np.arange(20), [packed.Group(0, 1, 20)], parameters, used)
    again = packed.encode_pack(ids, groups, parameters, used)
    fresh = packed.encode_pack(ids, groups, parameters, Workspace(5, parameters))
    np.testing.assert_array_equal(again, fresh)


def test_every_buffer_is_of_single_precision() -> None:
    config = config_of(heads=2, head_size=8, layers=1, intermediate=96)
    buffers = vars(Workspace(5, pack_parameters(random_parameters(config, 1), config)))
    assert {name: array.dtype for name, array in buffers.items()} == dict.fromkeys(buffers, np.float32)
    assert {name: array.shape[1] for name, array in buffers.items()} == {
        "query_key_value": 3 * 16,
        "hidden_states": 16,
        "context": 16,
        "sum": 16,
        "part": 16,
        "intermediate": 96,
        "square": 96,
        "gate": 96,
    }
