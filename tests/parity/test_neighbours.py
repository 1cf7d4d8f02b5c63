"""RoBERTa, XLM-R, MPNet and DistilBERT against transformers, on random networks that save_pretrained wrote.

Needs the extra "golden".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import ModelConfig, encoder
from minilm._arrays import IntArray, Parameters
from minilm.checkpoint.config import read_config
from minilm.checkpoint.weights import load_parameters
from minilm.fast.engine import Engine
from minilm.fast.parameters import pack_parameters
from minilm.variants import VARIANTS, relative_position_bucket
from tests.intermediates import encode_with_intermediates
from tests.parity.differences import note
from tests.parity.neighbours import CLASSES, FAMILIES, SHAPE, save_network

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
transformers = pytest.importorskip("transformers", reason="transformers is not installed; see '.[golden]'")

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

LAYERS, VOCABULARY, POSITIONS = SHAPE["num_hidden_layers"], 61, SHAPE["max_position_embeddings"]
# Rounding in float64, in another order: 1e-14 was seen.
DOUBLE_BOUND = 1e-11
# Rounding in float32, in another order, of components that reach 5: 4e-6 was seen.
SINGLE_BOUND = 1e-5


def some_ids(seed: int = 0, texts: int = 5, length: int = 37) -> tuple[IntArray, IntArray]:
    """Token ids, with the padding's among them, and a mask."""
    random = np.random.default_rng(seed)
    mask = (np.arange(length) < random.integers(1, length + 1, texts)[:, None]).astype(np.int64)
    mask[0] = 1
    return random.integers(0, VOCABULARY, (texts, length)), mask


def read(directory: Path) -> tuple[ModelConfig, Parameters]:
    config = read_config(directory)
    return config, load_parameters(directory / "model.safetensors", config, dtype=np.float64)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_agrees_in_float64(family: str, seed: int, tmp_path: Path) -> None:
    network = save_network(family, tmp_path, seed=seed)
    ids, mask = some_ids(seed)
    with torch.inference_mode():
        theirs = network(
            torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            output_hidden_states=True,
            output_attentions=True,
        )
    config, parameters = read(tmp_path)
    ours = encode_with_intermediates(ids, mask, parameters, config)
    assert len(ours.hidden_states) == len(theirs.hidden_states) == LAYERS + 1
    for mine, original in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        np.testing.assert_allclose(mine, original.numpy(), rtol=0, atol=DOUBLE_BOUND)
    for mine, original in zip(ours.attention_probs, theirs.attentions, strict=True):
        np.testing.assert_allclose(mine, original.numpy(), rtol=0, atol=DOUBLE_BOUND)
    note(f"encoder.encode, {family}, float64", ours.last_hidden_state, theirs.last_hidden_state.numpy())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_fast_encoder_agrees(family: str, threads: int, tmp_path: Path) -> None:
    network = save_network(family, tmp_path, intermediate_size=900)  # in three sums
    config, parameters = read(tmp_path)
    random = np.random.default_rng(1)
    # a long one alone, which two threads share, and packs of texts of equal and of other lengths
    for lengths in ([config.longest_input], [1], [7, 7, 7, 150, 3, 64, 64, 1]):
        texts = [random.integers(0, VOCABULARY, length).tolist() for length in lengths]
        engine = Engine(pack_parameters(parameters, config), threads)
        ours = engine.run(texts, lambda states: [*states.copy()], pack_tokens=100)
        for text, mine in zip(texts, ours, strict=True):
            with torch.inference_mode():
                # without a mask, so that a token with the padding's id is one
                original = network(torch.tensor([text]), attention_mask=torch.ones(1, len(text)))
            np.testing.assert_allclose(mine, original.last_hidden_state[0].numpy(), rtol=0, atol=SINGLE_BOUND)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("roberta", {"type_vocab_size": 2}),
        ("xlm-roberta", {"type_vocab_size": 2, "layer_norm_eps": 1e-5}),
        ("roberta", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5}),
        ("mpnet", {"hidden_act": "relu", "layer_norm_eps": 1e-5}),
        ("mpnet", {"pad_token_id": 3}),  # positions are counted from 2 all the same
        ("distilbert", {"sinusoidal_pos_embds": True}),  # the table is in the file
        ("distilbert", {"pad_token_id": 5}),
        ("distilbert", {"hidden_act": "relu"}),
        ("distilbert", {"layer_norm_eps": 0.1, "type_vocab_size": 3}),  # which its code does not read
    ],
)
def test_what_a_familys_config_may_say_is_obeyed(
    family: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    network = save_network(family, tmp_path, **changes)
    ids, mask = some_ids()
    with torch.inference_mode():
        theirs = network(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
    config, parameters = read(tmp_path)
    mine = encoder.encode(ids, mask, parameters, config)
    np.testing.assert_allclose(mine, theirs.numpy(), rtol=0, atol=DOUBLE_BOUND)


@pytest.mark.parametrize("padding_idx", [0, 2, 9])
def test_positions_begin_after_the_paddings_id(padding_idx: int, tmp_path: Path) -> None:
    network = save_network("roberta", tmp_path, pad_token_id=padding_idx)
    ids, mask = some_ids()
    with torch.inference_mode():
        theirs = network(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
    config, parameters = read(tmp_path)
    assert config.longest_input == POSITIONS - padding_idx - 1
    mine = encoder.encode(ids, mask, parameters, config)
    np.testing.assert_allclose(mine, theirs.numpy(), rtol=0, atol=DOUBLE_BOUND)


def test_the_longest_input_is_the_longest_that_the_original_takes(tmp_path: Path) -> None:
    for family in FAMILIES:
        network = save_network(family, tmp_path / family)
        config = read_config(tmp_path / family)
        assert config.max_seq_length == config.longest_input
        ids = torch.full((1, config.longest_input), 7)
        network(ids)
        with pytest.raises((IndexError, RuntimeError)):
            network(torch.full((1, config.longest_input + 1), 7))


def test_mpnets_buckets_are_those_of_the_original() -> None:
    distances = np.arange(-2000, 2001)
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    theirs = MPNetEncoder.relative_position_bucket(torch.from_numpy(distances)).numpy()
    assert relative_position_bucket(distances).tolist() == theirs.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_config_json_without_a_field_has_transformers_default(family: str) -> None:
    default = getattr(transformers, f"{CLASSES[family]}Config")()
    from minilm.checkpoint.config import Settings, model_config
    from minilm.checkpoint.files import Fields

    def no_fields(**values: Any) -> Fields:
        return Fields.of(Path("x.json"), values)

    nothing = no_fields()
    config = model_config(
        Settings(Path(), Path(), None, no_fields(model_type=family), nothing, nothing, nothing, {}, {})
    )
    for name in (*SHAPE, "layer_norm_eps", "type_vocab_size", "hidden_act"):
        theirs = getattr(default, VARIANTS[family].fields.get(name, name), None)
        assert theirs in (None, getattr(config, name)), name
