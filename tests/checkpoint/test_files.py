"""checkpoint/files.py: files and JSON fields, each with an error that names the file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from minilm import CheckpointError
from minilm.checkpoint.files import (
    LARGEST_INT,
    REQUIRED_FILES,
    Fields,
    MissingFileError,
    access_errors,
    check_keys,
    check_regular,
    collect_files,
    is_there,
    quoted,
    read_json,
)
from minilm.checkpoint.keys import Keys
from minilm.errors import CheckpointWarning


def fields_of(path: Path, values: Any, **options: Any) -> Fields:
    path.write_text(json.dumps(values))
    return Fields(path, **options)


def test_a_broken_link_counts_as_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nothing")
    assert is_there(tmp_path / "link")
    assert not is_there(tmp_path / "nothing")
    assert not is_there(tmp_path / "nothing" / "below")


def test_what_the_system_says_about_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    with pytest.raises(CheckpointError, match=r"nothing: cannot be read: No such file"), access_errors(path):
        path.read_bytes()
    with pytest.raises(CheckpointError, match=r"nothing: cannot be read: no words"), access_errors(path):
        raise OSError("no words")


def test_a_file_has_at_most_so_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    check_regular(path, max_bytes=4)
    with pytest.raises(CheckpointError, match="has 4 bytes; the limit for this file is 3"):
        check_regular(path, max_bytes=3)
    with pytest.raises(CheckpointError, match="is a directory, not a regular file"):
        check_regular(tmp_path)


def test_json_of_another_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    assert read_json(tmp_path / "a.json", list) == [1]
    with pytest.raises(CheckpointError, match=r"a\.json: holds a JSON list, not a dict"):
        read_json(tmp_path / "a.json", dict)


def test_a_quoted_value_is_short_and_on_one_line() -> None:
    assert quoted([1, 2.5, "three"]) == "[1, 2.5, 'three']"
    assert quoted({"a": ["b\n"]}) == r"{'a': ['b\n']}"
    assert len(quoted("x" * 1_000_000)) == 60
    assert len(quoted(list(range(10_000)))) < 60


READS: list[tuple[Callable[[Fields], object], object, object]] = [
    (lambda f: f.positive_int("x"), 7, 7),
    (lambda f: f.positive_int("x"), LARGEST_INT, LARGEST_INT),
    (lambda f: f.positive_int("x", least=3, most=None), 10**30, 10**30),
    (lambda f: f.positive_int("x", default=2), ..., 2),
    (lambda f: f.positive_float("x", default=1.0), ..., 1.0),
    (lambda f: f.positive_float("x", default=1.0), 1e-12, 1e-12),
    (lambda f: f.boolean("x", default=True), ..., True),
    (lambda f: f.boolean("x", default=True), False, False),
    (lambda f: f.one_of("x", ("a", "b"), default="b"), ..., "b"),
    (lambda f: f.one_of("x", ("a", "b"), default="b"), "a", "a"),
    (lambda f: f.optional("x", str), "text", "text"),
    (lambda f: f.optional("x", str), ..., None),
    (lambda f: f.optional("x", list), [1], [1]),
    (lambda f: f.optional("x", list), ..., None),
    (lambda f: f.optional("x", dict), {"a": 1}, {"a": 1}),
    (lambda f: f.optional("x", dict), ..., None),
]


@pytest.mark.parametrize(("read", "value", "expected"), READS)
def test_a_field_is_read_or_has_its_default(
    tmp_path: Path, read: Callable[[Fields], object], value: object, expected: object
) -> None:
    fields = fields_of(tmp_path / "a.json", {} if value is ... else {"x": value})
    assert ("x" in fields.values) == (value is not ...)
    assert read(fields) == expected


REFUSALS: list[tuple[Callable[[Fields], object], object, str]] = [
    (lambda f: f.positive_int("x"), ..., "x is missing"),
    (lambda f: f.positive_int("x"), True, "x must be a positive whole number, not True"),
    (lambda f: f.positive_int("x"), 0, "x must be a positive whole number, not 0"),
    (lambda f: f.positive_int("x"), 2.0, "x must be a positive whole number, not 2.0"),
    (lambda f: f.positive_int("x"), 2**31, f"x must be at most {LARGEST_INT}, not {2**31}"),
    (lambda f: f.positive_int("x", least=3), 2, "x must be a whole number of at least 3, not 2"),
    (lambda f: f.positive_int("x", default=2), None, "x must be a positive whole number, not None"),
    (lambda f: f.positive_float("x", default=1.0), 1, "x must be a positive number such as 1e-12, not 1"),
    (lambda f: f.positive_float("x", default=1.0), 1e-40, "x must be a positive number such as 1e-12"),
    (lambda f: f.positive_float("x", default=1.0), True, "x must be a positive number such as 1e-12"),
    (lambda f: f.boolean("x", default=True), None, "x must be true or false, not None"),
    (lambda f: f.boolean("x", default=True), 1, "x must be true or false, not 1"),
    (lambda f: f.one_of("x", ("a", "b"), default="a"), "c", "x 'c' is not supported, only 'a', 'b' are"),
    (lambda f: f.one_of("x", ("a", "b"), default="a"), "c.a", "x 'c.a' is not supported, only 'a', 'b' are"),
    (lambda f: f.one_of("x", ("a",), default="a"), ["a"], "x ['a'] is not supported, only"),
    (lambda f: f.one_of("x", ("a",), default="a"), None, "x None is not supported, only 'a' are"),
    (lambda f: f.optional("x", str), 7, "x must be a string, not 7"),
    (lambda f: f.optional("x", str), None, "x must be a string, not None"),
    (lambda f: f.optional("x", list), {}, "x must be a list, not {}"),
    (lambda f: f.optional("x", dict), [], "x must be an object, not []"),
]


@pytest.mark.parametrize(("read", "value", "message"), REFUSALS)
def test_a_field_of_another_type_or_range_is_refused_with_file_name_and_value(
    tmp_path: Path, read: Callable[[Fields], object], value: object, message: str
) -> None:
    fields = fields_of(tmp_path / "a.json", {} if value is ... else {"x": value})
    with pytest.raises(CheckpointError) as error:
        read(fields)
    assert str(error.value).startswith(f"{tmp_path / 'a.json'}: {message}")


def test_an_optional_file_may_be_missing_and_null_means_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert Fields(path, optional=True).values == {}
    fields = fields_of(path, {"x": None, "y": 1}, optional=True)
    assert fields.values == {"y": 1}
    assert fields.boolean("x", default=True) is True
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        Fields(path)


# The files that a load reads

TRANSFORMER = {"type": "sentence_transformers.models.Transformer", "path": ""}


def collected(
    present: Iterable[str], modules: object = None, index: object = None
) -> tuple[list[str], list[str]]:
    """The names that are found among ``present``, and the names whose absence must be certain."""
    contents = {"modules.json": modules, "model.safetensors.index.json": index}
    with TemporaryDirectory() as directory:
        certain = []

        def fetch(name: str, must_be_certain: bool) -> Path | None:
            assert ".." not in name
            if name not in present and contents.get(name) is None:
                certain.extend([name] if must_be_certain else [])
                return None
            path = Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(contents.get(name, {})))
            return path

        return [*collect_files(fetch)], certain


def test_a_plain_bert_directory_has_three_files_and_none_of_sentence_transformers() -> None:
    found, certain = collected([*REQUIRED_FILES, "2_Dense/config.json", "vocab.txt"])
    assert found == [*REQUIRED_FILES]
    assert certain == ["modules.json", "tokenizer_config.json"]


@pytest.mark.parametrize("name", REQUIRED_FILES)
def test_a_required_file_is_named_if_nothing_stands_in_for_it(name: str) -> None:
    with pytest.raises(MissingFileError, match=f"^{re.escape(name)}$"):
        collected({*REQUIRED_FILES} - {name})


def test_every_shard_is_required() -> None:
    index = {"weight_map": {"a": "x.safetensors", "b": "y.safetensors", "c": "x.safetensors"}}
    rest = ["config.json", "tokenizer.json"]
    found, _ = collected([*rest, "x.safetensors", "y.safetensors"], index=index)
    assert found == [*rest, "model.safetensors.index.json", "x.safetensors", "y.safetensors"]
    with pytest.raises(MissingFileError, match=r"^y\.safetensors$"):
        collected([*rest, "x.safetensors"], index=index)
    # a load reads model.safetensors if it is there
    assert "x.safetensors" not in collected([*REQUIRED_FILES, "x.safetensors"], index=index)[0]


def test_the_modules_name_their_files() -> None:
    kinds = ("Pooling", "Dense", "LayerNorm", "Dropout", "Normalize", "SpladePooling", "Other")
    modules = [TRANSFORMER, *({"type": f"a.b.{kind}", "path": f"x_{kind}"} for kind in kinds)]
    files = [f"x_{kind}/{name}" for kind in kinds for name in ("config.json", "model.safetensors")]
    found, _ = collected([*REQUIRED_FILES, *files], modules)
    unread = {f"x_{kind}/model.safetensors" for kind in ("Pooling", "Dropout", "SpladePooling")}
    unread |= {"x_Normalize/config.json", "x_Normalize/model.safetensors"}
    assert {*found} == {*REQUIRED_FILES, "modules.json", *files} - unread
    _, certain = collected(REQUIRED_FILES, modules)
    assert {*files} - unread <= {*certain}
    assert {"config_sentence_transformers.json", "sentence_bert_config.json"} <= {*certain}


def test_the_encoder_may_have_a_folder_of_its_own() -> None:
    modules = [{"type": "a.Transformer", "path": "0_BERT"}, {"type": "a.Pooling", "path": "1_Pooling"}]
    names = ["config.json", "vocab.txt", "model.safetensors", "sentence_roberta_config.json"]
    files = [f"0_BERT/{name}" for name in names]
    found, _ = collected(["config.json", *files, "1_Pooling/config.json"], modules)
    assert found == [files[0], "config.json", "modules.json", *files[1:], "1_Pooling/config.json"]
    with pytest.raises(MissingFileError, match=r"^0_BERT/config\.json$"):
        collected(["config.json", *files[1:]], modules)


@pytest.mark.parametrize(
    "modules",
    [
        "7",
        [],
        {},
        [TRANSFORMER, {"type": "a.Pooling", "path": "../up"}],
        [TRANSFORMER, {"type": "a.Pooling", "path": "/etc"}],
        [TRANSFORMER, {"type": "a.Pooling", "path": "x" * 100}],
        [{"type": "a.Transformer", "path": "a\\b"}],
    ],
)
def test_modules_that_no_load_accepts_name_no_folder(modules: object) -> None:
    found, certain = collected(REQUIRED_FILES, modules)
    assert found == ["config.json", "modules.json", "tokenizer.json", "model.safetensors"]
    assert "1_Pooling/config.json" in certain


@pytest.mark.parametrize(
    "index", [{}, [], {"weight_map": []}, {"weight_map": {"a": "../x", "b": 7, "c": None}}]
)
def test_an_index_that_no_load_accepts_names_no_file_outside(index: object) -> None:
    present = ["config.json", "tokenizer.json", "7", "None"]
    assert {*collected(present, index=index)[0]} <= {*present, "model.safetensors.index.json"}


KEYS = Keys(
    obeyed=frozenset({"a"}),
    without_effect=frozenset({"b"}),
    only={"c": (False, "x")},
    not_null=frozenset({"a"}),
    suffix="_token",
)


def test_known_keys_pass_in_silence(tmp_path: Path) -> None:
    check_keys(tmp_path, {"a": 1, "b": None, "c": "x", "cls_token": "x"}, KEYS)


@pytest.mark.parametrize("value", [True, 0, None, "y"])
def test_a_value_that_is_not_supported_is_refused_by_name(tmp_path: Path, value: object) -> None:
    message = re.escape(f"x.c {value!r} is not supported, only False or 'x' is")
    with pytest.raises(CheckpointError, match=message):
        check_keys(tmp_path, {"c": value}, KEYS, "x.")


def test_null_is_refused_where_it_has_no_meaning(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="a must not be null; remove it"):
        check_keys(tmp_path, {"a": None}, KEYS)


def test_unknown_keys_are_named_once_by_a_warning_or_refused(tmp_path: Path) -> None:
    with pytest.warns(CheckpointWarning, match=r"unknown settings \['d', 'e'\] are ignored") as warned:
        check_keys(tmp_path, {"d": 1, "e": 2, "a": 3}, KEYS)
    assert len(warned) == 1
    with pytest.raises(CheckpointError, match=r"\['d'\] is not supported"):
        check_keys(tmp_path, {"d": 1}, KEYS._replace(refuses_unknown=True))


def test_a_pointer_of_git_lfs_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(CheckpointError, match=r"config\.json: is a pointer of Git LFS.*run `git lfs pull`"):
        read_json(tmp_path / "config.json", dict)
