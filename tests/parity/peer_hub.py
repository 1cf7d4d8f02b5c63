"""Small random models, in a Hugging Face cache, under the names that sentence-transformers' tests ask for.

    python -m tests.parity.peer_hub FOLDER

``HF_HUB_CACHE=FOLDER HF_HUB_OFFLINE=1`` then opens them by name. They have the shape of the models that they
stand for, and weights from a fixed seed. All have the tokenizer of all-MiniLM-L6-v2.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TINY: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
}
LARGE: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 1,
    "num_attention_heads": 12,
    "intermediate_size": 64,
}


def fill(cache: Path) -> None:
    """Make every model in the cache."""
    for number, (name, make) in enumerate(MODELS.items()):
        repository = cache / f"models--{name.replace('/', '--')}"
        for commit in (COMMIT, *OTHER_COMMITS.get(name, ())):
            with tempfile.TemporaryDirectory() as folder:
                _seed(number if commit in (COMMIT, *OTHER_COMMITS.get(name, ())[:1]) else 1000 + number)
                make(Path(folder))
                shutil.copytree(folder, repository / "snapshots" / commit, dirs_exist_ok=True)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(COMMIT)


def _seed(number: int) -> None:
    import torch

    torch.manual_seed(number)


def _tokenizer() -> Any:
    from transformers import BertTokenizerFast

    from minilm.hub import find_checkpoint

    file = find_checkpoint().directory / "tokenizer.json"
    tokenizer = BertTokenizerFast(tokenizer_file=str(file), model_max_length=512)
    tokenizer._tokenizer.no_truncation()
    tokenizer._tokenizer.no_padding()
    return tokenizer


def _bert(folder: Path, **fields: Any) -> None:
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(**fields)).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)


def _embedder(*, dense: bool = False, normalize: bool = False, **fields: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer import modules as st

        with tempfile.TemporaryDirectory() as plain:
            _bert(Path(plain), **fields)
            transformer = st.Transformer(plain, max_seq_length=128)
            steps: list[Any] = [transformer, st.Pooling(fields["hidden_size"])]
            if dense:
                steps.append(st.Dense(fields["hidden_size"], 768))
            if normalize:
                steps.append(st.Normalize())
            SentenceTransformer(modules=steps, device="cpu").save(str(folder), create_model_card=False)

    return make


def _classifier(num_labels: int, **fields: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from sentence_transformers import CrossEncoder
        from transformers import BertConfig, BertForSequenceClassification

        with tempfile.TemporaryDirectory() as plain:
            config = BertConfig(**fields, num_labels=num_labels)
            BertForSequenceClassification(config).save_pretrained(plain)
            _tokenizer().save_pretrained(plain)
            CrossEncoder(plain, device="cpu", max_length=512).save_pretrained(str(folder))

    return make


def _original(folder: Path) -> None:
    """The model itself: minilm opens nothing else under this name."""
    from minilm.hub import copy_checkpoint, find_checkpoint

    copy_checkpoint(find_checkpoint(), folder)


def _plain(folder: Path) -> None:
    _bert(folder, **TINY)


MODELS: dict[str, Callable[[Path], None]] = {
    "sentence-transformers-testing/stsb-bert-tiny-safetensors": _embedder(**TINY),
    "sentence-transformers-testing/all-nli-bert-tiny-dense": _embedder(dense=True, **TINY),
    "sentence-transformers/paraphrase-distilroberta-base-v1": _embedder(**LARGE),
    "sentence-transformers/all-MiniLM-L6-v2": _original,
    "google-bert/bert-base-uncased": _plain,
    "distilbert/distilbert-base-uncased": _plain,
    "cross-encoder-testing/reranker-bert-tiny-gooaq-bce": _classifier(1, **TINY),
    "cross-encoder-testing/reranker-bert-tiny-gooaq-bce-STv54": _classifier(1, **TINY),
    "cross-encoder/stsb-distilroberta-base": _classifier(1, **TINY),
    "distilbert/distilroberta-base": _plain,
    "cross-encoder/nli-MiniLM2-L6-H768": _classifier(3, **TINY),
    "BAAI/bge-reranker-base": _classifier(1, **TINY),
    "cross-encoder/ms-marco-TinyBERT-L2": _classifier(1, **TINY),
    "cross-encoder/ms-marco-MiniLM-L6-v2": _classifier(1, **TINY),
    "mixedbread-ai/mxbai-embed-large-v1": _embedder(
        hidden_size=1024, num_hidden_layers=1, num_attention_heads=16, intermediate_size=64
    ),
}
# Commits that the tests name: the first has the weights of the newest, the second has others.
OTHER_COMMITS = {
    "sentence-transformers-testing/stsb-bert-tiny-safetensors": (
        "f3cb857cba53019a20df283396bcca179cf051a4",
        "ba33022fdf0b0fc2643263f0726f44d0a07d0e24",
    )
}

if __name__ == "__main__":
    fill(Path(sys.argv[1]))
