"""Checkpoints as other people make them: one change each to a small checkpoint that the original saved.

The table says of each what minilm does: the same numbers as the original ("" as the refusal), or a
CheckpointError with these words. :func:`write_base` makes the checkpoint that is changed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

Change = Callable[[Path], object]

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *"abcdefghijklmnopqrstuvwxyzABCDEFé中文?!",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyzABCDEFé中文"),
    *("hello", "world", "##lo", "##rld", "hel", "@@a", "@@b", "[", "]", "new"),
]
SHAPE: dict[str, Any] = {
    "vocab_size": len(WORDS) + 4,  # the added tokens of some variants have the last ids
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}
LIMIT = 16
NEW = len(WORDS)  # the id of the first added token

TEXTS = [
    "hello world",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z",  # longer than the limit
    "A Bc HELLO World",
    "é café É",
    "中文 a中b",
    "",
    "\N{SNOWMAN} unknown? x!",
    "[NEW] a [MASK] b [new]",
    "a" * 120,  # a word beyond max_input_chars_per_word
]
PAIRS = [
    ("hello world", "a b c"),
    ("a b c d e f g h i j k l m n o p", "A b"),
    ("a B", "z y x w v u t s r q p o n m l k j"),
    ("a b c d e f g h i j k l", "z y x w v u t s r q p o n"),
    ("", "é 中文"),
    ("[NEW] a", ""),
]


class Variant(NamedTuple):
    """One changed checkpoint."""

    name: str
    change: Change
    refused: str = ""  # words of the error; "": the same numbers as the original
    warns: str = ""  # words of the warning that names an unknown key
    is_float32: bool = False  # ask the original for float32, which minilm always computes in
    is_lost: bool = False  # the original finds no tensor, and makes random ones; the numbers are the base's


def write_base(directory: Path, *, num_labels: int = 0) -> None:
    """Save a small sentence encoder, or with labels a cross-encoder, by the original's own classes."""
    import torch
    import transformers

    torch.manual_seed(num_labels)
    vocab = directory.parent / "vocab.txt"
    vocab.write_text("\n".join(WORDS) + "\n", "utf-8")
    tokenizer = transformers.BertTokenizer(vocab=str(vocab), model_max_length=LIMIT)
    names = {"id2label": {i: f"LABEL_{i}" for i in range(num_labels)}} if num_labels else {}
    config = transformers.BertConfig(**SHAPE, **names)
    kind = transformers.BertForSequenceClassification if num_labels else transformers.BertModel
    model = kind(config)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                tensor.add_(torch.randn_like(tensor) * 0.1)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    if not num_labels:
        write_modules(directory, "Transformer", "Pooling", "Normalize")
        write(directory / "sentence_bert_config.json", {"max_seq_length": LIMIT, "do_lower_case": False})


CLASSES = "sentence_transformers.models."
WIDTH = int(SHAPE["hidden_size"])


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def write_modules(directory: Path, *modules: str, prefix: str = CLASSES) -> None:
    """Write modules.json, and a folder with random weights for each module that has one."""
    random = np.random.default_rng(7)
    entries = []
    width = WIDTH
    for i, module in enumerate(modules):
        folder = "" if module == "Transformer" else f"{i}_{module}"
        entries.append({"idx": i, "name": str(i), "path": folder, "type": prefix + module})
        path = directory / folder
        if module == "Pooling":
            write(path / "config.json", {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True})
        elif module == "Dense":
            name = "torch.nn.modules.activation.Tanh"
            fields = {"in_features": width, "out_features": 8, "bias": True, "activation_function": name}
            write(path / "config.json", fields)
            tensors = {
                "linear.weight": random.normal(0, 0.5, (8, width)),
                "linear.bias": random.normal(0, 0.5, 8),
            }
            save_file(_floats(tensors), path / "model.safetensors")
            width = 8
        elif module == "LayerNorm":
            write(path / "config.json", {"dimension": width})
            tensors = {"norm.weight": random.normal(1, 0.5, width), "norm.bias": random.normal(0, 0.5, width)}
            save_file(_floats(tensors), path / "model.safetensors")
        elif module == "Dropout":
            write(path / "config.json", {"dropout": 0.2})
        elif module in ("Normalize",):
            path.mkdir(exist_ok=True)
    write(directory / "modules.json", entries)


def _floats(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(tensor, np.float32) for name, tensor in tensors.items()}


# --- changes ---


def edit(file: str, remove: tuple[str, ...] = (), **changes: Any) -> Change:
    """Set fields of a JSON file, and remove others."""

    def change(directory: Path) -> None:
        path = directory / file
        fields = read(path) if path.exists() else {}
        write(path, {k: v for k, v in {**fields, **changes}.items() if k not in remove})

    return change


def both(*changes: Change) -> Change:
    def change(directory: Path) -> None:
        for one in changes:
            one(directory)

    return change


def delete(*names: str) -> Change:
    def change(directory: Path) -> None:
        for name in names:
            path = directory / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def bert(**changes: Any) -> Change:
    return edit("config.json", **changes)


def without(*names: str) -> Change:
    return edit("config.json", remove=names)


def sbert(**changes: Any) -> Change:
    return edit("sentence_bert_config.json", **changes)


def settings(**changes: Any) -> Change:
    return edit("config_sentence_transformers.json", **changes)


def tok(**changes: Any) -> Change:
    return edit("tokenizer_config.json", **changes)


def pooling(**changes: Any) -> Change:
    def change(directory: Path) -> None:
        write(directory / "1_Pooling" / "config.json", changes)

    return change


def part(name: str, value: Any) -> Change:
    """Set a part of tokenizer.json: "normalizer", "model.unk_token" ..."""

    def change(directory: Path) -> None:
        path = directory / "tokenizer.json"
        fields = read(path)
        *above, last = name.split(".")
        place = fields
        for key in above:
            place = place[key]
        place[last] = value(place.get(last)) if callable(value) else value
        write(path, fields)

    return change


def plain(**changes: Any) -> Change:
    """Let the tokenizer be what tokenizer.json says: no class rebuilds it."""
    return tok(tokenizer_class="PreTrainedTokenizerFast", **changes)


def modules(*names: str, prefix: str = CLASSES) -> Change:
    def change(directory: Path) -> None:
        for folder in ("1_Pooling", "2_Normalize"):
            shutil.rmtree(directory / folder, ignore_errors=True)
        write_modules(directory, *names, prefix=prefix)

    return change


def module_config(folder: str, remove: tuple[str, ...] = (), **changes: Any) -> Change:
    return edit(f"{folder}/config.json", remove=remove, **changes)


def tensors(
    change_tensors: Callable[[dict[str, Any]], dict[str, Any]], file: str = "model.safetensors"
) -> Change:
    def change(directory: Path) -> None:
        save_file(change_tensors(load_file(directory / file)), directory / file, {"format": "pt"})

    return change


def renamed(old: str, new: str) -> Change:
    return tensors(lambda t: {name.replace(old, new): tensor for name, tensor in t.items()})


def prefixed(prefix: str) -> Change:
    return tensors(lambda t: {prefix + name: tensor for name, tensor in t.items()})


def more(**extra: tuple[int, ...]) -> Change:
    random = np.random.default_rng(5)
    names = {name.replace("__", "."): shape for name, shape in extra.items()}
    return tensors(lambda t: {**t, **{n: random.normal(0, 1, s).astype("f4") for n, s in names.items()}})


def as_torch(dtype: str) -> Change:
    def change(directory: Path) -> None:
        import torch
        from safetensors.torch import load_file as load
        from safetensors.torch import save_file as save

        path = directory / "model.safetensors"
        save({n: t.to(getattr(torch, dtype)) for n, t in load(path).items()}, path, {"format": "pt"})
        bert(dtype=dtype)(directory)

    return change


def sharded(parts: int = 2) -> Change:
    def change(directory: Path) -> None:
        path = directory / "model.safetensors"
        all_tensors = load_file(path)
        names = sorted(all_tensors)
        where = {}
        for i in range(parts):
            file = f"model-{i + 1:05}-of-{parts:05}.safetensors"
            mine = names[i::parts]
            save_file({name: all_tensors[name] for name in mine}, directory / file, {"format": "pt"})
            where.update(dict.fromkeys(mine, file))
        total = sum(tensor.nbytes for tensor in all_tensors.values())
        write(
            directory / "model.safetensors.index.json",
            {"metadata": {"total_size": total}, "weight_map": where},
        )
        path.unlink()

    return change


def in_folder(directory: Path) -> None:
    """The layout of the first versions: everything of the Transformer in a folder of its own."""
    folder = directory / "0_Transformer"
    folder.mkdir()
    for path in [*directory.iterdir()]:
        if path.is_file() and path.name not in ("modules.json", "config_sentence_transformers.json"):
            path.rename(folder / path.name)
    entries = read(directory / "modules.json")
    entries[0]["path"] = "0_Transformer"
    write(directory / "modules.json", entries)


def old_vocabulary(directory: Path) -> None:
    """Only vocab.txt, as before the tokenizers library."""
    (directory / "tokenizer.json").unlink()
    (directory / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")


def xlm_roberta(directory: Path) -> None:
    """The tokenizer of the multilingual models: pieces of words, and a mark for a space."""
    import transformers

    pieces = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces += [("\u2581", -2.0), ("\u2581hello", -2.2), ("world", -2.3)]
    pieces += [(letter, -3.0 - i / 10) for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz中é")]
    pieces += [(f"\u2581{letter}", -2.5 - i / 10) for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")]
    transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=LIMIT).save_pretrained(directory)


def token(content: str, **fields: Any) -> dict[str, Any]:
    defaults = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    return {"content": content, **defaults, **fields}


def decoder_with(**added: Any) -> Change:
    """Add tokens to the table added_tokens_decoder only."""

    def change(directory: Path) -> None:
        path = directory / "tokenizer_config.json"
        fields = read(path)
        decoder = {str(i): token(word, special=True) for i, word in enumerate(WORDS[:5])}
        fields["added_tokens_decoder"] = {**decoder, **{k.strip("_"): v for k, v in added.items()}}
        write(path, fields)

    return change


def entries(change_entries: Callable[[list[Any]], Any]) -> Change:
    def change(directory: Path) -> None:
        write(directory / "modules.json", change_entries(read(directory / "modules.json")))

    return change


def write_file(name: str, content: Any) -> Change:
    def change(directory: Path) -> None:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")

    return change


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 90868376\n"
