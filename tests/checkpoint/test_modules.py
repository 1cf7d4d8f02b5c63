"""checkpoint/modules.py: which modules a checkpoint may have, and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minilm import CheckpointError
from minilm.checkpoint.modules import Kind, Modules, read_modules


def write_types(directory: Path, *types: str, folders: dict[int, str] | None = None) -> Path:
    modules = [
        {"name": str(i), "path": f"{i}_{name}" if i else "", "type": f"sentence_transformers.models.{name}"}
        for i, name in enumerate(types)
    ]
    for index, folder in (folders or {}).items():
        modules[index]["path"] = folder
    (directory / "modules.json").write_text(json.dumps(modules))
    return directory


def test_a_directory_without_the_file_has_no_modules(tmp_path: Path) -> None:
    assert read_modules(tmp_path) is None


def test_the_last_normalize_is_a_setting_and_an_earlier_one_a_step(tmp_path: Path) -> None:
    types = ("Transformer", "Pooling", "Normalize", "Dense", "Dropout", "LayerNorm", "Normalize", "Normalize")
    modules = read_modules(write_types(tmp_path, *types))
    assert modules is not None
    assert modules.steps == (("Normalize", "2_Normalize"), ("Dense", "3_Dense"), ("LayerNorm", "5_LayerNorm"))
    assert (modules.pooling, modules.dense, modules.normalize) == (
        "1_Pooling",
        ("3_Dense", "5_LayerNorm"),
        True,
    )


def test_dropout_does_nothing(tmp_path: Path) -> None:
    modules = read_modules(write_types(tmp_path, "Transformer", "Pooling", "Dropout"))
    assert modules == Modules("", "1_Pooling", (), False, (("Dropout", "2_Dropout"),))


def test_the_transformer_may_have_a_folder(tmp_path: Path) -> None:
    modules = read_modules(write_types(tmp_path, "Transformer", "Pooling", folders={0: "0_Transformer"}))
    assert modules == Modules("0_Transformer", "1_Pooling")


@pytest.mark.parametrize(
    "types",
    [
        ("Transformer", "Pooling", "LSTM"),
        ("Transformer", "Normalize", "Pooling"),
        ("Transformer", "Pooling", "Pooling"),
        ("Pooling", "Transformer"),
        (),
    ],
)
def test_other_modules_are_refused_by_name(tmp_path: Path, types: tuple[str, ...]) -> None:
    with pytest.raises(CheckpointError) as error:
        read_modules(write_types(tmp_path, *types))
    assert f"modules {list(types)} are not supported, only Transformer, Pooling" in str(error.value)


@pytest.mark.parametrize("folder", ["../elsewhere", "/etc", "..", "a/b", ".hidden", "x" * 100])
def test_modules_lie_in_the_checkpoint(tmp_path: Path, folder: str) -> None:
    write_types(tmp_path, "Transformer", "Pooling", folders={1: folder})
    with pytest.raises(CheckpointError, match="must be a plain folder name, not '"):
        read_modules(tmp_path)


def test_code_of_the_checkpoint_is_refused(tmp_path: Path) -> None:
    write_types(tmp_path, "Transformer", "Pooling")
    text = (
        (tmp_path / "modules.json")
        .read_text()
        .replace("sentence_transformers.models.Pooling", "mine.Pooling")
    )
    (tmp_path / "modules.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"the type 'mine\.Pooling' is not supported"):
        read_modules(tmp_path)


def test_two_modules_may_not_share_a_name_or_a_folder(tmp_path: Path) -> None:
    write_types(tmp_path, "Transformer", "Pooling", "Dense", folders={2: "1_Pooling"})
    with pytest.raises(CheckpointError, match="two modules have the same folder"):
        read_modules(tmp_path)
    write_types(tmp_path, "Transformer", "Pooling")
    (tmp_path / "modules.json").write_text((tmp_path / "modules.json").read_text().replace('"1"', '"0"'))
    with pytest.raises(CheckpointError, match="two modules have the same name"):
        read_modules(tmp_path)


def test_a_multi_vector_encoder_has_steps_for_each_token(tmp_path: Path) -> None:
    write_types(tmp_path, "Transformer", "Dense", "MultiVectorMask", "Normalize")
    others = (("Dense", "1_Dense"), ("MultiVectorMask", "2_MultiVectorMask"), ("Normalize", "3_Normalize"))
    steps = (others[0], others[2])
    kind: Kind = "MultiVectorEncoder"
    expected = Modules("", steps=steps, others=others, kind=kind, mask="2_MultiVectorMask")
    assert read_modules(tmp_path) == read_modules(tmp_path, kind) == expected
    assert expected.dense == ("1_Dense",)
    write_types(tmp_path, "Transformer", "Normalize")
    expected = Modules(
        "", steps=(("Normalize", "1_Normalize"),), others=(("Normalize", "1_Normalize"),), kind=kind
    )
    assert read_modules(tmp_path, kind) == expected


@pytest.mark.parametrize(
    "types",
    [
        ("Transformer", "MultiVectorMask", "HierarchicalTokenPooling"),
        ("Transformer", "MultiVectorMask", "Dense", "MultiVectorMask"),
        ("Transformer", "MultiVectorMask", "LayerNorm"),
        ("Transformer", "Pooling", "MultiVectorMask"),
    ],
)
def test_other_modules_of_a_multi_vector_encoder_are_refused(tmp_path: Path, types: tuple[str, ...]) -> None:
    with pytest.raises(CheckpointError) as error:
        read_modules(write_types(tmp_path, *types))
    assert f"modules {list(types)} are not supported: a MultiVectorEncoder has a Transf" in str(error.value)


@pytest.mark.parametrize("transformer", ["Transformer", "MLMTransformer"])
def test_a_sparse_encoder_has_a_splade_pooling(tmp_path: Path, transformer: str) -> None:
    modules = read_modules(write_types(tmp_path, transformer, "SpladePooling"))
    is_mlm = transformer == "MLMTransformer"
    assert modules == Modules("", "1_SpladePooling", kind="SparseEncoder", is_mlm=is_mlm)
    with pytest.raises(CheckpointError, match="or Transformer and SpladePooling"):
        read_modules(write_types(tmp_path, transformer, "SpladePooling", "Normalize"))
