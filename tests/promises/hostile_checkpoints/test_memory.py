"""False claims of gigabytes, and sparse files of gigabytes: neither allocates memory.

The files are sparse: they have the size that they claim, and use no room on the disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.promises.hostile_checkpoints.refusing import change_json, in_child, join, put, split

resource = pytest.importorskip("resource", reason="the system does not limit a process's memory")

# A process with a limit on its address space refuses the checkpoint. It prints the reason, and the growth of
# its peak resident size in MiB.
CHILD = """
import resource, sys
from minilm import CheckpointError, MiniLM
MiniLM(sys.argv[2])  # the memory of a good load: libraries, threads, their stacks
unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
before = peak()
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
try:
    MiniLM(sys.argv[1])
except CheckpointError as error:
    print(error)
print(peak() - before)
"""

# The memory limit of a refusal in MiB. The largest JSON file that is parsed has 10 MiB.
ALLOWED = 64

GIBIBYTE = 1 << 30


def claimed_header(directory: Path) -> str:
    header, body = split(directory)
    put(directory, join(header, body, length=2**60))
    return "its header claims 1152921504606846976 bytes"


def long_header(directory: Path) -> str:
    header, body = split(directory)
    put(directory, join(header, body, length=90_000_000))
    grow(directory / "model.safetensors", GIBIBYTE)
    return "its header claims 90000000 bytes"


def claimed_rows(directory: Path) -> str:
    header, body = split(directory)
    rows = 2**31 - 1
    header["embeddings.word_embeddings.weight"].update(shape=[rows, 16], data_offsets=[0, rows * 64])
    put(directory, join(header, body))
    change_json(directory / "config.json", lambda fields: fields.update(vocab_size=rows))
    return "cannot be read as safetensors"


def sparse_rows(directory: Path) -> str:
    """A table of 120 GiB that exists as a sparse file of zeros."""
    header, body = split(directory)
    rows = 2**31 - 1
    header = {name: entry for name, entry in header.items() if "word_embeddings" not in name}
    end = 0
    for entry in sorted(header.values(), key=lambda entry: entry["data_offsets"][0]):
        size = entry["data_offsets"][1] - entry["data_offsets"][0]
        entry["data_offsets"] = [end, end + size]
        end += size
    header["embeddings.word_embeddings.weight"] = {
        "dtype": "F32",
        "shape": [rows, 16],
        "data_offsets": [end, end + rows * 64],
    }
    put(directory, join(header, body[:end]))
    grow(directory / "model.safetensors", len(join(header, b"")) + end + rows * 64)
    change_json(directory / "config.json", lambda fields: fields.update(vocab_size=rows))
    return "memory"  # "does not fit into memory", or "cannot allocate memory" from releases that map files


def claimed_layers(directory: Path) -> str:
    change_json(directory / "config.json", lambda fields: fields.update(num_hidden_layers=10**9))
    return "num_hidden_layers must be at most 1000, not 1000000000"


def sparse_config(directory: Path) -> str:
    grow(directory / "config.json", 100 * GIBIBYTE)
    return f"config.json: has {100 * GIBIBYTE} bytes; the limit for this file is"


def sparse_modules(directory: Path) -> str:
    grow(directory / "modules.json", 100 * GIBIBYTE)
    return f"modules.json: has {100 * GIBIBYTE} bytes; the limit for this file is"


def sparse_tokenizer(directory: Path) -> str:
    grow(directory / "tokenizer.json", 100 * GIBIBYTE)
    return f"tokenizer.json: has {100 * GIBIBYTE} bytes; the limit for this file is"


def many_poolings(directory: Path) -> str:
    change_json(
        directory / "1_Pooling/config.json", lambda fields: fields.update(pooling_mode=["mean"] * 400_000)
    )
    return "a pooling mode is repeated"


def many_modules(directory: Path) -> str:
    types = [("", "Transformer"), ("1_Pooling", "Pooling"), *[("2_Dense", "Dense")] * 100_000]
    modules = [
        {"name": str(i), "path": folder, "type": f"sentence_transformers.models.{kind}"}
        for i, (folder, kind) in enumerate(types)
    ]
    (directory / "modules.json").write_text(json.dumps(modules))
    return "two modules have the same folder"


def grow(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


@pytest.mark.parametrize(
    "spoil",
    [
        claimed_header,
        long_header,
        claimed_rows,
        claimed_layers,
        sparse_rows,
        sparse_config,
        sparse_modules,
        sparse_tokenizer,
        many_poolings,
        many_modules,
    ],
)
def test_no_claim_is_given_memory(
    directory: Path, tmp_path: Path, make_checkpoint: Callable[[str], Path], spoil: Callable[[Path], str]
) -> None:
    good = make_checkpoint("good")
    try:
        reason = spoil(directory)
    except OSError as error:
        pytest.skip(f"this file system has no files of that size: {error}")
    message, grown = in_child(CHILD, directory, good, cwd=tmp_path).splitlines()
    assert reason in message
    assert int(grown) < ALLOWED
