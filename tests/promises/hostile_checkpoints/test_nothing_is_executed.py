"""Nothing in a checkpoint is unpickled, compiled, imported or run. Python's audit hooks would report it.

The directory is full of traps. It has pickles under the names that torch and others look for, and modules
under the names that ``auto_map`` and Python's own start would import. Its configuration asks for them.

References
----------
.. [1] PEP 578, "Python Runtime Audit Hooks", https://peps.python.org/pep-0578/
"""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from tests.promises.hostile_checkpoints.refusing import change_json, in_child

PICKLES = (
    "pytorch_model.bin",
    "model.ckpt",
    "model.pkl",
    "training_args.bin",
    "optimizer.pt",
    "1_Pooling/pytorch_model.bin",
    "vocab.pkl",
    "model.safetensors.index.json",
)
MODULES = (
    "modeling_custom.py",
    "configuration_custom.py",
    "tokenization_custom.py",
    "custom_st.py",
    "__init__.py",
    "__main__.py",
    "conftest.py",
    "sitecustomize.py",
    "usercustomize.py",
    "numpy.py",
    "tokenizers.py",
    "1_Pooling/__init__.py",
)

# The child records the events of [1] that run code, and all opened files. It starts after the use of a
# harmless checkpoint, so that imports at the first use do not count.
CHILD = """
import json, os, sys
RUNS = ("pickle.find_class", "marshal.loads", "marshal.load", "exec", "compile", "import", "code.__new__",
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "ctypes.dlopen",
        "socket.connect", "socket.getaddrinfo", "os.remove", "os.rename", "shutil.rmtree")
events, watching = [], False
def hook(event, arguments):
    if watching and (event in RUNS or event == "open"):
        events.append((event, [str(argument)[:300] for argument in arguments]))
sys.addaudithook(hook)
from minilm import CrossEncoder, MiniLM
import minilm.cli.main
kind = {"MiniLM": MiniLM, "CrossEncoder": CrossEncoder}[sys.argv[2]]
use = (lambda m: m.encode(["a b", "c"])) if kind is MiniLM else (lambda m: m.predict([("a", "b")]))
use(kind(sys.argv[3]))
watching = True
use(kind(sys.argv[1]))
watching = False
print(json.dumps(events))
"""


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._marker,)


def booby_trap(directory: Path, marker: Path) -> None:
    """Add pickles and modules that create ``marker`` if anything runs them."""
    for name in PICKLES:
        (directory / name).write_bytes(pickle.dumps(Bomb(marker)))
    for name in MODULES:
        (directory / name).write_text(f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n")
    (directory / "evil.pth").write_text(f"import pathlib; pathlib.Path({str(marker)!r}).touch()\n")
    change_json(
        directory / "config.json",
        lambda fields: fields.update(
            auto_map={"AutoModel": "modeling_custom.Custom", "AutoConfig": "configuration_custom.Config"},
            architectures=["Custom"],
            custom_pipelines={"evil": {"impl": "modeling_custom.Custom"}},
            trust_remote_code=True,
            torch_dtype="__import__('os').system('true')",
        ),
    )
    (directory / "tokenizer_config.json").write_text(
        json.dumps(
            {"auto_map": {"AutoTokenizer": ["tokenization_custom.Custom", None]}, "tokenizer_file": "x"}
        )
    )


@pytest.mark.parametrize(("kind", "good"), [("MiniLM", "directory"), ("CrossEncoder", "classifier")])
def test_loading_runs_nothing_and_opens_only_what_it_reads(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, good: str
) -> None:
    harmless: Path = request.getfixturevalue(good)
    spoilt = tmp_path / "trap"
    shutil.copytree(harmless, spoilt)
    marker = tmp_path / "marker"
    booby_trap(spoilt, marker)
    events = json.loads(in_child(CHILD, spoilt, kind, harmless, cwd=tmp_path))
    assert not marker.exists()
    # older releases of threadpoolctl open loaded libraries again, to ask for their threads
    libraries = [arguments for event, arguments in events if event == "ctypes.dlopen"]
    assert not [arguments for arguments in libraries if str(tmp_path) in str(arguments)]
    assert [event for event, _ in events if event not in ("open", "ctypes.dlopen")] == []
    opened = {arguments[0] for event, arguments in events if event == "open"}
    # the libraries tokenizers and safetensors open files in Rust, without an audit event
    allowed = {"config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"}
    allowed |= {
        "tokenizer_config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "tokenizer.json",
    }
    outside = opened - {str(spoilt / name) for name in allowed}
    assert all(
        name.startswith(("/proc/", "/sys/")) for name in outside
    )  # information about cores and kernels
    assert str(spoilt / "config.json") in opened  # the hook works


def test_the_hook_of_these_tests_sees_what_runs(tmp_path: Path) -> None:
    unpickle = "__import__('pickle').load(open(sys.argv[1], 'rb'))"
    child = CHILD.replace("use(kind(sys.argv[1]))", unpickle).replace("use(kind(sys.argv[3]))", "pass")
    (tmp_path / "bomb").write_bytes(pickle.dumps(Bomb(tmp_path / "marker")))
    events = json.loads(in_child(child, tmp_path / "bomb", "MiniLM", "x", cwd=tmp_path))
    assert "pickle.find_class" in [event for event, _ in events]
    assert (tmp_path / "marker").exists()
