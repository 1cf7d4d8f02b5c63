"""Small checkpoints of BERT's neighbours, as transformers saves them; the tokenizers know a few texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from minilm.variants import VARIANTS
from tests.parity.texts import PLAIN

FAMILIES = [family for family in VARIANTS if family != "bert"]
CLASSES = {
    "bert": "Bert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "mpnet": "MPNet",
    "distilbert": "DistilBert",
}
LIMIT = 64  # tokens per text
SHAPE: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 160,
}
ANGLED = ["<s>", "<pad>", "</s>", "<unk>"]
SQUARE = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_network(family: str, directory: Path, *, seed: int = 0, model: str = "Model", **changes: Any) -> Any:
    """A random network of the family in float64, saved as transformers saves it in float32."""
    import torch
    import transformers

    torch.manual_seed(seed)
    fields = {"vocab_size": 61, **SHAPE, "initializer_range": 0.3, **changes}
    if family in ("roberta", "xlm-roberta"):
        fields = {"type_vocab_size": 1, **fields}
    fields = {VARIANTS[family].fields.get(name, name): value for name, value in fields.items()}
    name = CLASSES[family]
    network = getattr(transformers, f"{name}{model}")(
        getattr(transformers, f"{name}Config")(**fields, attn_implementation="eager")
    )
    for parameter in network.parameters():
        if parameter.ndim == 1:  # biases and norms start at 0 and 1: make them count
            parameter.data += torch.randn_like(parameter) * 0.3
        else:  # the row of the padding starts at 0, and a trained one need not be
            parameter.data += torch.randn_like(parameter) * 0.01
    network.save_pretrained(directory)
    return network.double().eval()


def save_tokenizer(family: str, directory: Path) -> int:
    """The tokenizer of the family's class, of a few hundred tokens. Returns how many it has."""
    import transformers

    if family == "roberta":
        bpe = Tokenizer(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        bpe.train_from_iterator(
            PLAIN,
            trainers.BpeTrainer(
                vocab_size=400, special_tokens=ANGLED, initial_alphabet=alphabet, show_progress=False
            ),
        )
        saved = json.loads(bpe.to_str())["model"]
        made = transformers.RobertaTokenizer(
            vocab=saved["vocab"], merges=[tuple(pair) for pair in saved["merges"]], model_max_length=LIMIT
        )
    elif family == "xlm-roberta":
        # not trained: the library's training gives other pieces in every run
        letters = sorted({letter for text in PLAIN for letter in text if not letter.isspace()})
        vocabulary = sorted({word for text in PLAIN for word in text.split()})
        pieces = [*((token, 0.0) for token in ANGLED), ("\u2581", -4.0)]
        pieces += [(letter, -6.0 - i / 100) for i, letter in enumerate(letters)]
        pieces += [(f"\u2581{word}", -3.0 - i / 100) for i, word in enumerate(vocabulary)]
        made = transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=LIMIT)
    else:
        special = [*ANGLED[:3], "[UNK]", "<mask>"] if family == "mpnet" else SQUARE
        words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        words.normalizer = normalizers.BertNormalizer()
        words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        words.train_from_iterator(
            PLAIN, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
        )
        kind = "MPNetTokenizer" if family == "mpnet" else "BertTokenizer"
        made = getattr(transformers, kind)(vocab=words.get_vocab(), model_max_length=LIMIT)
    made.save_pretrained(directory)
    return len(made)


def save_encoder(family: str, directory: Path, **changes: Any) -> None:
    """A network with its tokenizer, as transformers saves both."""
    size = save_tokenizer(family, directory)
    save_network(family, directory, **{"vocab_size": size, **changes})
