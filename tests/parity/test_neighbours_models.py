"""Whole models of BERT's neighbours against sentence-transformers: tokenizers, vectors and scores.

The checkpoints have random weights, and tokenizers that were trained on a few texts. Needs the extra
"golden".
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import CheckpointError, CrossEncoder, MiniLM
from minilm.activations import identity
from minilm.check.diagnosis import Search
from minilm.check.recipe import Recipe
from minilm.check.variants import Variants
from minilm.variants import VARIANTS
from tests.hostile import HostileTexts
from tests.parity.differences import note
from tests.parity.neighbours import (
    CLASSES,
    FAMILIES,
    LIMIT,
    SHAPE,
    save_encoder,
    save_network,
    save_tokenizer,
)
from tests.parity.texts import TEXTS

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[golden]' brings it")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what torch and its companions have to say at import
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch and its companions warn is their affair

BOUND = 1e-6  # both compute in float32 and round in another order; components are below 1
SPECIAL = [
    "<s> a </s>",
    "a <mask> b",
    "a<mask>b",
    "<pad>",
    "a <pad> b <pad>",
    "[PAD] a [UNK]",
    " a  b ",
    "<unk>",
]
# Logits in float32 are up to 1.4e-6 from those in float64 in torch, and 1.5e-6 here: the most in 30 random
# networks (5 families, 1 and 3 labels, 3 seeds) with logits up to 4. Two in float32 can be twice that apart.
LOGIT_BOUND = 3e-6
HOSTILE = [*TEXTS, *SPECIAL, *HostileTexts(26).texts(300)]
PAIRS = [
    ("hello world", "a b c"),
    ("", "x"),
    (TEXTS[3], TEXTS[5]),
    ("long " * 80, "y"),
    ("a <pad>", "long " * 90),
]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def checkpoint(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence encoder as sentence-transformers saves it."""
    plain, saved = (tmp_path_factory.mktemp(name) / "checkpoint" for name in ("plain", "saved"))
    save_encoder(family, plain)
    transformer = Transformer(str(plain))
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), "mean"), Normalize()]
    sentence_transformers.SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(saved))
    return saved


@pytest.fixture(scope="module")
def both(checkpoint: Path) -> tuple[MiniLM, Any]:
    """The same checkpoint in minilm and in the original."""
    return MiniLM(checkpoint), sentence_transformers.SentenceTransformer(str(checkpoint), device="cpu")


def test_hostile_texts_have_the_originals_ids(both: tuple[MiniLM, Any]) -> None:
    ours, original = both
    assert ours.max_seq_length == original.max_seq_length == LIMIT
    tokenizer = original.tokenizer
    expected = tokenizer(HOSTILE, truncation=True, max_length=LIMIT)["input_ids"]
    for text, mine, theirs in zip(HOSTILE, ours.tokenizer.texts(HOSTILE).input_ids, expected, strict=True):
        assert mine == theirs, ascii(text)
    firsts, seconds = map(list, zip(*PAIRS, strict=True))
    expected = tokenizer(firsts, seconds, truncation=True, max_length=LIMIT)["input_ids"]
    assert ours.tokenizer.pairs(PAIRS).input_ids == expected


def test_encode_gives_the_originals_vectors(family: str, both: tuple[MiniLM, Any]) -> None:
    ours, original = both
    mine, theirs = ours.encode(HOSTILE), original.encode(HOSTILE)
    note(f"MiniLM.encode, {family}", mine, theirs)
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=BOUND)
    np.testing.assert_allclose(ours.encode(PAIRS), original.encode(PAIRS), rtol=0, atol=BOUND)
    np.testing.assert_allclose(ours.encode("a"), original.encode("a"), rtol=0, atol=BOUND)


def test_everything_about_a_text_has_the_originals_names(both: tuple[MiniLM, Any]) -> None:
    ours, original = both
    mine = ours.encode(["a b"], output_value=None)[0]
    theirs = original.encode(["a b"], output_value=None)[0]
    assert mine.keys() == theirs.keys()
    assert mine["input_ids"].tolist() == theirs["input_ids"].tolist()


@pytest.mark.parametrize("side", ["in tokenizer_config.json", "in no file", "as it is"])
def test_the_tokenizer_is_built_by_the_class_that_the_original_takes(
    checkpoint: Path, side: str, tmp_path: Path
) -> None:
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "tokenizer_config.json"
    fields = json.loads(path.read_text())
    if side == "in no file":
        fields.pop("tokenizer_class")
    elif side == "as it is":
        fields["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(fields))
    original = sentence_transformers.SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_allclose(MiniLM(tmp_path).encode(HOSTILE), original.encode(HOSTILE), rtol=0, atol=BOUND)


@pytest.mark.parametrize("labels", [1, 3])
def test_a_classifier_gives_the_originals_scores(family: str, labels: int, tmp_path: Path) -> None:
    size = save_tokenizer(family, tmp_path)
    save_network(family, tmp_path, model="ForSequenceClassification", vocab_size=size, num_labels=labels)
    original = sentence_transformers.CrossEncoder(str(tmp_path), device="cpu")
    ours = CrossEncoder(tmp_path)
    assert ours.num_labels == original.num_labels == labels
    mine, theirs = ours.predict(PAIRS), original.predict(PAIRS)
    assert mine.shape == theirs.shape
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=LOGIT_BOUND)  # the sigmoid makes no error larger
    note(f"CrossEncoder.predict, {family}", mine, theirs)
    exact = sentence_transformers.CrossEncoder(
        str(tmp_path), device="cpu", model_kwargs={"dtype": torch.float64}
    )
    logits = exact.predict(PAIRS, activation_fn=torch.nn.Identity(), convert_to_tensor=True).numpy()
    assert np.ptp(logits) > 0.01  # the pairs differ
    np.testing.assert_allclose(ours.predict(PAIRS, activation_fn=identity), logits, rtol=0, atol=LOGIT_BOUND)


def test_minilm_check_tries_only_what_the_family_has(family: str, checkpoint: Path) -> None:
    variants = Variants(MiniLM(checkpoint))
    can = {
        name: variants.can(Recipe().changed(**changes))
        for name, changes in (
            ("token type 1", {"token_type": 1}),  # these networks have one type or none
            ("position 1", {"position_offset": 1}),  # a message says that positions begin at 0
            ("pooler", {"pooling": "pooler"}),
            ("layer less", {"fewer_layers": 1}),
        )
    }
    assert can == {
        "token type 1": False,
        "position 1": family == "distilbert",
        "pooler": family != "distilbert",
        "layer less": True,
    }
    plain = sentence_transformers.SentenceTransformer(str(checkpoint), device="cpu")
    modules = [plain[0], Pooling(plain.get_embedding_dimension(), "cls"), Normalize()]
    other = sentence_transformers.SentenceTransformer(modules=modules, device="cpu")
    for original, expected in ((plain, []), (other, ["cls"])):
        steps = Search(variants, TEXTS, original.encode(TEXTS), len(TEXTS)).run().steps
        assert [step.name for step in steps] == expected


def test_a_file_of_another_family_is_refused(family: str, checkpoint: Path, tmp_path: Path) -> None:
    """Names of tensors are those of the family alone, as in transformers."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "config.json"
    fields = json.loads(path.read_text())
    other = "distilbert" if family != "distilbert" else "mpnet"
    names = VARIANTS[other].fields
    shape = {names.get(name, name): value for name, value in SHAPE.items()}
    path.write_text(json.dumps({"model_type": other, "vocab_size": fields["vocab_size"], **shape}))
    with pytest.raises(CheckpointError, match=r"missing: (transformer|encoder)"):
        MiniLM(tmp_path)


def test_every_family_is_tried() -> None:
    assert CLASSES.keys() == {"bert", *FAMILIES}
