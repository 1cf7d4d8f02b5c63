"""``modules.json``: the modules of a checkpoint of sentence-transformers, in their order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from minilm.checkpoint.files import Fields, check_keys, is_there, quoted, read_json
from minilm.checkpoint.keys import DROPOUT, MODULE, NORMALIZE
from minilm.errors import CheckpointError

# Only classes of this package are known; another one would be code that comes with the checkpoint.
_PACKAGE = "sentence_transformers."


Kind = Literal["SentenceTransformer", "CrossEncoder", "SparseEncoder", "MultiVectorEncoder"]


class Modules(NamedTuple):
    """The modules as ``modules.json`` lists them, without Dropout, which does nothing at inference."""

    transformer: str = ""  # the Transformer's folder: "" is the top of the directory
    pooling: str = ""  # the folder of the Pooling or SpladePooling module; "" if there is none
    steps: tuple[tuple[str, str], ...] = ()  # type and folder: Dense, LayerNorm, and Normalize before them
    normalize: bool = False  # whether the last module is Normalize
    others: tuple[tuple[str, str], ...] = ()  # type and folder of all after Pooling
    kind: Kind = "SentenceTransformer"  # of model, as far as the modules say it
    is_mlm: bool = False  # whether the Transformer is an MLMTransformer
    mask: str = ""  # the folder of the MultiVectorMask; "" if there is none

    @property
    def dense(self) -> tuple[str, ...]:
        """The folders of the Dense and LayerNorm modules, which have weights."""
        return tuple(folder for name, folder in self.steps if name != "Normalize")


def read_modules(directory: Path, kind: Kind = "SentenceTransformer") -> Modules | None:
    """Read ``modules.json``; None if the directory has none, as a plain BERT directory.

    Of a MultiVectorEncoder, all Dense and Normalize modules are steps, for they work on each token.
    """
    path = directory / "modules.json"
    if not is_there(path):
        return None
    entries = read_json(path, list)
    for entry in entries:
        _check_entry(path, entry)
    names = [entry["type"].rpartition(".")[2] for entry in entries]
    folders = [entry["path"] for entry in entries]
    for what, values in (("name", [entry["name"] for entry in entries]), ("folder", folders)):
        if len({*values}) < len(values):
            raise CheckpointError(f"{path}: two modules have the same {what} in {quoted(values)}")
    if re.fullmatch(r"(MLM)?Transformer SpladePooling", " ".join(names)):
        is_mlm = names[0] == "MLMTransformer"
        return Modules(folders[0], folders[1], kind="SparseEncoder", is_mlm=is_mlm)
    if kind == "MultiVectorEncoder" or "MultiVectorMask" in names:
        return _multi_vector_modules(path, names, folders)
    if not re.fullmatch(r"Transformer( Pooling)?( (Dense|LayerNorm|Normalize|Dropout))*", " ".join(names)):
        raise CheckpointError(
            f"{path}: modules {quoted(names)} are not supported, only Transformer, Pooling, and after them "
            "any number of Dense, LayerNorm, Normalize and Dropout; or Transformer and SpladePooling"
        )
    _check_folders(path, folders)
    has_pooling = "Pooling" in names
    others = list(zip(names, folders, strict=True))[1 + has_pooling :]
    for name, folder in others:
        if name in ("Normalize", "Dropout"):  # nothing in their files may change what they do
            keys = NORMALIZE if name == "Normalize" else DROPOUT
            Fields(directory / folder / "config.json", keys, optional=True)
    steps = [step for step in others if step[0] != "Dropout"]
    last = next((i for i in reversed(range(len(steps))) if steps[i][0] != "Normalize"), -1)
    return Modules(
        folders[0],
        folders[1] if has_pooling else "",
        tuple(steps[: last + 1]),
        normalize=len(steps) > last + 1,
        others=tuple(others),
        kind="SentenceTransformer" if has_pooling else "CrossEncoder",
    )


def _multi_vector_modules(path: Path, names: list[str], folders: list[str]) -> Modules:
    steps = "( (Dense|Normalize))*"
    if not re.fullmatch(f"Transformer{steps}( MultiVectorMask)?{steps}", " ".join(names)):
        raise CheckpointError(
            f"{path}: modules {quoted(names)} are not supported: a MultiVectorEncoder has a Transformer, and "
            "after it any number of Dense and Normalize, and at most one MultiVectorMask"
        )
    _check_folders(path, folders)
    others = tuple(zip(names, folders, strict=True))[1:]
    return Modules(
        folders[0],
        steps=tuple(step for step in others if step[0] != "MultiVectorMask"),
        others=others,
        kind="MultiVectorEncoder",
        mask=dict(others).get("MultiVectorMask", ""),
    )


def _check_folders(path: Path, folders: list[str]) -> None:
    if "" in folders[1:]:
        raise CheckpointError(f"{path}: only the Transformer's path may be '', in {quoted(folders)}")


def _check_entry(path: Path, entry: Any) -> None:  # noqa: ANN401 - any JSON value
    fields = ("type", "path", "name")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(field), str) for field in fields):
        raise CheckpointError(f"{path}: a module must have a type, a path and a name, not be {quoted(entry)}")
    check_keys(path, entry, MODULE)
    if not entry["type"].startswith(_PACKAGE):
        reason = f"only types that begin with {_PACKAGE} are, because others are code of the checkpoint"
        raise CheckpointError(f"{path}: the type {quoted(entry['type'])} is not supported, {reason}")
    # a path such as "../x" would leave the checkpoint
    if not re.fullmatch(r"|(?!\.)[\w.-]{1,99}", entry["path"], re.ASCII):
        raise CheckpointError(
            f"{path}: a module's path must be a plain folder name, not {quoted(entry['path'])}"
        )
