"""Files of a checkpoint, read with checks, because a checkpoint may come from anybody.

Only regular files are read, because reading a pipe may wait forever. A file has a maximum size, and error
messages quote little of it. A broken link or a folder without search permission is an error. To treat its
file as missing would load another model than the intended one.
"""

from __future__ import annotations

import json
import re
import reprlib
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from minilm.checkpoint.keys import Keys
from minilm.errors import CheckpointError, CheckpointWarning, one_line

# A usual config.json has a few hundred bytes, one with a hundred thousand labels a few million. Parsed JSON
# can take thirty times as much memory as its text.
MAX_JSON_BYTES = 10 << 20

# Every framework that writes checkpoints stores sizes as int32 and layer_norm_eps as float32.
LARGEST_INT = 2**31 - 1
_SMALLEST_FLOAT, _LARGEST_FLOAT = 1.2e-38, 3.4e38

REQUIRED_FILES = ("config.json", "tokenizer.json", "model.safetensors")
OPTIONAL_FILES = (
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "tokenizer_config.json",
    "config_sentence_transformers.json",
)

# Instead of model.safetensors, this file may name the files that hold the weights.
WEIGHTS_INDEX = "model.safetensors.index.json"

# The names of sentence_bert_config.json, in the order in which sentence-transformers looks for them.
SENTENCE_BERT_CONFIGS = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
OTHER_FILES = ("special_tokens_map.json", "added_tokens.json", "adapter_config.json")

# The files of a module, by its class; those of the Transformer are above. Other classes may have both files.
_MODULE_FILES: dict[str, tuple[str, ...]] = {
    "Pooling": ("config.json",),
    "SpladePooling": ("config.json",),
    "Dropout": ("config.json",),
    "MultiVectorMask": ("config.json",),
    "Normalize": (),
    "Transformer": (),
    "MLMTransformer": (),
}
_BOTH = ("config.json", "model.safetensors")
_PICKLES = ("pytorch_model.bin", "model.ckpt", "pytorch_model.bin.index.json")
_SAFE_PATH = re.compile(r"\w[\w.-]{0,98}(/\w[\w.-]{0,98}){0,3}", re.ASCII)

# A file's path, or None if the checkpoint does not have the file. True as the second argument means that the
# model would be another one without the file, so that its absence must be certain.
Fetch = Callable[[str, bool], Path | None]

_T = TypeVar("_T")

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

_JSON_TYPES: dict[type, str] = {str: "a string", list: "a list", dict: "an object"}

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 3, 60, 60, 40


@contextmanager
def access_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a CheckpointError that names the file."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or one_line(error)}") from error


def is_there(path: Path) -> bool:
    """Whether a file of this name exists; a broken link counts as one."""
    with access_errors(path), suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()
        return True
    return False


def check_regular(path: Path, *, max_bytes: int | None = None) -> None:
    """Raise a CheckpointError unless ``path`` is a regular file of at most ``max_bytes`` bytes."""
    with access_errors(path):
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
        raise CheckpointError(f"{path}: is {kind}, not a regular file")
    if max_bytes is not None and status.st_size > max_bytes:
        raise CheckpointError(f"{path}: has {status.st_size} bytes; the limit for this file is {max_bytes}")


def read_json(path: Path, kind: type[_T]) -> _T:
    """The JSON value in a file; a CheckpointError names the file if the value is not of type ``kind``."""
    check_regular(path, max_bytes=MAX_JSON_BYTES)
    try:
        with access_errors(path):
            content = path.read_bytes()
        refuse_pointer(path, content)
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: is not valid JSON: {one_line(error)}") from error
    if not isinstance(value, kind):
        raise CheckpointError(f"{path}: holds a JSON {type(value).__name__}, not a {kind.__name__}")
    return value


def refuse_pointer(path: Path, start: bytes) -> None:
    """Refuse a file that holds no data but a pointer of Git LFS, from a clone without git-lfs."""
    if start.startswith(b"version https://git-lfs"):
        reason = "is a pointer of Git LFS, not the file itself"
        raise CheckpointError(f"{path}: {reason}: run `git lfs pull` in the clone")


def quoted(value: object) -> str:
    """A value from a checkpoint, as an error message quotes it: on one line, and cut if it is long."""
    return one_line(_SHORT.repr(value))


class Fields:
    """The fields of a JSON object in a file. A CheckpointError names the file, the field and the value.

    An ``optional`` file may be missing, and its fields that are null count as missing. ``keys`` says which
    fields are known. ``extra`` has fields that another file sets instead. ``values`` has the fields without
    any check.
    """

    def __init__(
        self,
        path: Path,
        keys: Keys | None = None,
        *,
        optional: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        values = {} if optional and not is_there(path) else read_json(path, dict)
        self.values: dict[str, Any] = {**values, **(extra or {})}
        if optional:
            kept = keys.not_null if keys else ()
            self.values = {k: value for k, value in self.values.items() if value is not None or k in kept}
        if keys:
            check_keys(path, self.values, keys)

    @classmethod
    def of(cls, path: Path, values: Mapping[str, Any]) -> Fields:
        """The fields of an object that was read and checked already; ``path`` is for error messages."""
        fields = cls.__new__(cls)
        fields.path, fields.values = path, dict(values)
        return fields

    def error(self, message: str) -> CheckpointError:
        """An error about this file, to be raised."""
        return CheckpointError(f"{self.path}: {message}")

    def one_of(self, name: str, supported: Iterable[str], *, default: str) -> str:
        """A field with one of several names."""
        value = self.values.get(name, default)
        if not isinstance(value, str) or value not in supported:
            choices = ", ".join(map(repr, supported))
            raise self.error(f"{name} {quoted(value)} is not supported, only {choices} are")
        return value

    def positive_int(
        self, name: str, *, least: int = 1, most: int | None = LARGEST_INT, default: int | None = None
    ) -> int:
        """A whole number from ``least`` to ``most``; without a ``default`` the field is required."""
        value = self._required(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            kind = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
            raise self.error(f"{name} must be {kind}, not {quoted(value)}")
        if most is not None and value > most:
            raise self.error(f"{name} must be at most {most}, not {quoted(value)}")
        return value

    def positive_float(self, name: str, *, default: float) -> float:
        """A positive number that float32 can hold; JSON writes it with a point or an exponent."""
        value = self.values.get(name, default)
        if not isinstance(value, float) or not _SMALLEST_FLOAT <= value <= _LARGEST_FLOAT:
            raise self.error(f"{name} must be a positive number such as 1e-12, not {quoted(value)}")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise self.error(f"{name} must be true or false, not {quoted(value)}")
        return value

    def optional(self, name: str, kind: type[_T]) -> _T | None:
        """A field that holds a str, list or dict; None if it is missing."""
        value = self.values.get(name)
        if name in self.values and not isinstance(value, kind):
            raise self.error(f"{name} must be {_JSON_TYPES[kind]}, not {quoted(value)}")
        return value

    def _required(self, name: str, default: object = None) -> Any:  # noqa: ANN401 - any JSON value
        if name not in self.values and default is None:
            raise self.error(f"{name} is missing")
        return self.values.get(name, default)


class MissingFileError(CheckpointError):
    """A checkpoint lacks a file that it needs; the message is the file's name."""


def collect_files(fetch: Fetch) -> dict[str, Path]:
    """Fetch every file that a load of a checkpoint reads: name to path, the encoder's config.json first.

    ``modules.json`` names the folders of the modules, and the index of the weights names their shards. Raises
    a MissingFileError if a required file is absent.
    """
    files = _Collection(fetch)
    files.take("config.json", certain=False)  # the first file decides from which commit the others come
    has_modules = files.take("modules.json")
    modules = _read_folders(files.paths["modules.json"]) if has_modules else [("Transformer", "")]
    folder = next((folder for kind, folder in modules if kind.endswith("Transformer")), "")
    config, tokenizer, weights = (_join(folder, name) for name in REQUIRED_FILES)
    files.need(config)
    files.need(tokenizer, _join(folder, "vocab.txt"))
    index = _join(folder, WEIGHTS_INDEX)
    files.need(weights, index)
    for name in _read_shards(files.paths[index]) if index in files.paths else ():
        files.need(_join(folder, name))
    # without modules.json sentence-transformers reads none of its own settings
    files.take("config_sentence_transformers.json", certain=has_modules)
    first, *others = (_join(folder, name) for name in SENTENCE_BERT_CONFIGS)
    if not files.take(first, certain=has_modules) and has_modules:
        files.take(*others, certain=False)
    files.take(_join(folder, "tokenizer_config.json"))
    for name in OTHER_FILES:
        files.take(_join(folder, name), certain=False)
    module_files = dict(_MODULE_FILES)
    if any(kind == "MultiVectorMask" for kind, _ in modules):  # then Normalize's file says what it scales
        module_files["Normalize"] = ("config.json",)
    for path, name in ((path, name) for kind, path in modules for name in module_files.get(kind, _BOTH)):
        files.take(_join(path, name))
    return {config: files.paths.pop(config), **files.paths}


class _Collection:
    """The files of a checkpoint that were found, by name."""

    def __init__(self, fetch: Fetch) -> None:
        self.fetch = fetch
        self.paths: dict[str, Path] = {}

    def take(self, *names: str, certain: bool = True) -> bool:
        """Fetch the first of these files that exists; False if none does."""
        for name in names:
            if name in self.paths:
                return True
            if path := self.fetch(name, certain):
                self.paths[name] = path
                return True
        return False

    def need(self, *names: str) -> None:
        """Fetch the first of these files that exists; at least one must."""
        if not self.take(*names):
            raise MissingFileError(names[0])


def directory_files(directory: Path) -> list[str]:
    """Names of the files in a directory that a load reads; a CheckpointError names what is missing."""

    def fetch(name: str, _: bool) -> Path | None:
        path = directory / name
        if not is_there(path):
            return None
        check_regular(path)
        return path

    try:
        return [*collect_files(fetch)]
    except MissingFileError as missing:
        name, hint = str(missing), ""
        pickles = [other for other in _PICKLES if (directory / name).with_name(other).exists()]
        if pickles and name.endswith("model.safetensors"):
            remedy = "save the model again with safe_serialization=True"
            hint = f"; {pickles[0]} is a pickle, which minilm never opens: {remedy}"
        raise CheckpointError(f"{directory} is not a complete checkpoint: {name} is missing{hint}") from None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _read_folders(path: Path) -> list[tuple[str, str]]:
    """Class and folder of each module; those of a usual checkpoint if modules.json cannot be used."""
    with suppress(CheckpointError):  # a load of the checkpoint reports this error
        modules = [
            (str(module.get("type", "")).rpartition(".")[2], str(module.get("path", "")))
            for module in read_json(path, list)
            if isinstance(module, dict)
        ]
        # another path could leave the checkpoint; a load refuses it
        if modules and all(not folder or _SAFE_PATH.fullmatch(folder) for _, folder in modules):
            return modules
    return [("Transformer", ""), ("Pooling", "1_Pooling")]


def _read_shards(path: Path) -> list[str]:
    """Names of the files that the index of the weights names; a load refuses other names."""
    with suppress(CheckpointError):
        shards = read_json(path, dict).get("weight_map")
        names = {str(name) for name in shards.values()} if isinstance(shards, dict) else set()
        return sorted(name for name in names if _SAFE_PATH.fullmatch(name))
    return []


def check_keys(path: Path, values: Mapping[str, Any], keys: Keys, within: str = "") -> None:
    """Refuse a value that is not supported, and report unknown keys; ``within`` goes before their names."""
    unknown = []
    for name, value in values.items():
        label = within + name
        if name in keys.only:
            supported = keys.only[name]
            if not any(type(value) is type(choice) and value == choice for choice in supported):
                choices = " or ".join(repr(choice) for choice in supported)
                raise CheckpointError(f"{path}: {label} {quoted(value)} is not supported, only {choices} is")
        elif not (name in keys.obeyed | keys.without_effect or (keys.suffix and name.endswith(keys.suffix))):
            unknown.append(label)
        if value is None and name in keys.not_null:
            raise CheckpointError(f"{path}: {label} must not be null; remove it to get its default")
    if unknown and keys.refuses_unknown:
        raise CheckpointError(f"{path}: {quoted(unknown)} is not supported, and no setting that is known")
    if unknown:
        effect = "ignored, as they are by sentence-transformers 6"
        warnings.warn(f"{path}: unknown settings {quoted(unknown)} are {effect}", CheckpointWarning, 2)
