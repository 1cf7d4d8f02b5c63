"""Other implementations of all-MiniLM-L6-v2, on the same weights, and real faults in one of them.

Each is a function from texts to vectors, made when it is asked for, so that a missing package skips one row.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm.check.targets.command import CommandTarget
from minilm.check.targets.function import FunctionTarget
from minilm.check.targets.http import HttpTarget
from minilm.check.targets.target import Target

Embed = Callable[[list[str]], Any]
Make = Callable[[Path, Path], "Embed | Target"]  # of the checkpoint's folder, and of a folder to write to


@dataclass(frozen=True)
class Implementation:
    """How it is made, and what the check must say of it."""

    make: Make
    packages: tuple[str, ...]  # whose versions the table has
    precision: str
    findings: frozenset[str] = frozenset()
    is_same: bool = True

    def target(self, name: str, checkpoint: Path, folder: Path) -> Target:
        """Return it as a target; skip the test if a package is not installed."""
        for package in self.packages:
            module = {"sentence-transformers": "sentence_transformers"}.get(package, package)
            if module != "transformers.js":
                pytest.importorskip(module, reason=f"{package} is not installed")
        made = self.make(checkpoint, folder)
        return FunctionTarget(name, made) if callable(made) else made

    def versions(self) -> str:
        """Return the packages with their versions."""
        return ", ".join(f"{name} {_version(name)}" for name in self.packages)


def _version(package: str) -> str:
    if package != "transformers.js":
        return version(package)
    file = Path(os.environ["MINILM_NODE"]) / "node_modules" / "@huggingface" / "transformers" / "package.json"
    return str(json.loads(file.read_text())["version"])


def _tokenizing(checkpoint: Path) -> Callable[[list[str]], dict[str, Any]]:
    """A function that gives a network's inputs for a batch, cut at 256 tokens and padded."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def inputs_of(texts: list[str]) -> dict[str, Any]:
        encodings = tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}

    return inputs_of


def _pooled(states: Any, mask: Any) -> np.ndarray[Any, Any]:
    """Mean over the tokens, scaled to length 1: what a user writes below an encoder."""
    mask = np.asarray(mask)[:, :, None]
    mean = (np.asarray(states, np.float64) * mask).sum(axis=1) / mask.sum(axis=1)
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


def sentence_transformers(checkpoint: Path, _: Path) -> Embed:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(checkpoint), device="cpu").encode


def bert(
    dtype: str = "float32",
    *,
    length: int = 256,
    pool: Callable[[Any, Any], Any] | None = None,
    config: dict[str, Any] | None = None,
    tokenizer_options: dict[str, Any] | None = None,
    special: bool = True,
    has_mask: bool = True,
    pad: str = "batch",
    offset: int = 0,
    normalize: bool = True,
) -> Make:
    """BertModel of transformers, as the model card has it, and with an option for each fault."""

    def make(checkpoint: Path, _: Path) -> Embed:
        import torch
        from tokenizers import Tokenizer
        from transformers import BertModel

        loaded = BertModel.from_pretrained(
            str(checkpoint), dtype=getattr(torch, dtype), attn_implementation="eager", **(config or {})
        ).eval()
        fields = json.loads((checkpoint / "tokenizer.json").read_text("utf-8"))
        fields["normalizer"] |= tokenizer_options or {}
        tokenizer = Tokenizer.from_str(json.dumps(fields))
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=None if pad == "batch" else length)

        def embed(texts: list[str]) -> Any:
            encodings = tokenizer.encode_batch(texts, add_special_tokens=special)
            ids = torch.tensor([encoding.ids for encoding in encodings])
            mask = torch.tensor([encoding.attention_mask for encoding in encodings])
            seen = mask if has_mask else torch.ones_like(mask)
            positions = torch.arange(offset, ids.shape[1] + offset)[None]
            with torch.inference_mode():
                output = loaded(ids, attention_mask=seen, position_ids=positions)
            if pool:
                vectors = pool(output, seen)
            else:
                weights = seen[:, :, None].to(output.last_hidden_state.dtype)
                vectors = (output.last_hidden_state * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(vectors, dim=1) if normalize else vectors

        return embed

    return make


def _onnx_folder(checkpoint: Path, folder: Path) -> Path:
    """Write the exported network, and onnxruntime's own int8 of it, where transformers.js looks."""
    for package in ("onnx", "torch", "transformers"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from benchmarks.peers import ONNX_FILE, export_onnx

    export_onnx(checkpoint)
    model = folder / "model"
    if not model.is_dir():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        (model / "onnx").mkdir(parents=True)
        shutil.copy(ONNX_FILE, model / "onnx" / "model.onnx")
        shutil.copy(ONNX_FILE, model / "model.onnx")
        quantize_dynamic(ONNX_FILE, model / "onnx" / "model_quantized.onnx", weight_type=QuantType.QInt8)
        for name in ("config.json", "tokenizer.json"):
            shutil.copy(checkpoint / name, model / name)
        names = ("unk", "sep", "pad", "cls", "mask")
        special = {f"{name}_token": f"[{name.upper()}]" for name in names}
        options = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "model_max_length": 512,
            **special,
        }
        (model / "tokenizer_config.json").write_text(json.dumps(options))
        (model / "special_tokens_map.json").write_text(json.dumps(special))
    return model


def onnxruntime(file: str) -> Make:
    def make(checkpoint: Path, folder: Path) -> Embed:
        import onnxruntime as ort

        path = _onnx_folder(checkpoint, folder) / "onnx" / file
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        inputs_of = _tokenizing(checkpoint)

        def embed(texts: list[str]) -> Any:
            inputs = inputs_of(texts)
            return _pooled(session.run(None, inputs)[0], inputs["attention_mask"])

        return embed

    return make


def fastembed(checkpoint: Path, folder: Path) -> Embed:
    from fastembed import TextEmbedding

    model = _onnx_folder(checkpoint, folder)
    name = "sentence-transformers/all-MiniLM-L6-v2"
    embedding = TextEmbedding(name, specific_model_path=str(model))
    return lambda texts: [*embedding.embed(texts)]


def chroma(checkpoint: Path, folder: Path) -> Embed:
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    model = _onnx_folder(checkpoint, folder)

    class Local(ONNXMiniLM_L6_V2):  # type: ignore[misc, unused-ignore] # where Chroma is not installed
        """Chroma's default function, with the files where it looks for them."""

        DOWNLOAD_PATH = model.parent
        EXTRACTED_FOLDER_NAME = model.name

        def _download_model_if_not_exists(self) -> None:
            """Find the files, which are there."""

    function = Local()
    return function.__call__


def ctranslate2(compute_type: str) -> Make:
    def make(checkpoint: Path, folder: Path) -> Embed:
        import ctranslate2 as ct2
        from tokenizers import Tokenizer

        _onnx_folder(checkpoint, folder)
        source, converted = folder / "model_with_weights", folder / f"ctranslate2-{compute_type}"
        if not source.is_dir():
            shutil.copytree(folder / "model", source, ignore=shutil.ignore_patterns("onnx", "*.onnx"))
            shutil.copy(checkpoint / "model.safetensors", source)
            tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
            vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
            (source / "vocab.txt").write_text("\n".join(word for word, _ in vocabulary), "utf-8")
        converter = ct2.converters.TransformersConverter(str(source))
        converter.convert(str(converted), quantization=compute_type, force=True)
        encoder = ct2.Encoder(str(converted), device="cpu", compute_type=compute_type)
        tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        tokenizer.enable_truncation(256)
        tokenizer.no_padding()

        def embed(texts: list[str]) -> Any:
            rows = []
            for encoding in tokenizer.encode_batch(texts):
                states = np.array(encoder.forward_batch([encoding.ids]).last_hidden_state)
                rows.append(_pooled(states, np.ones(states.shape[:2]))[0])
            return rows

        return embed

    return make


def openvino(checkpoint: Path, folder: Path) -> Embed:
    import openvino as ov

    core = ov.Core()
    path = _onnx_folder(checkpoint, folder) / "model.onnx"
    compiled = core.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    inputs_of = _tokenizing(checkpoint)

    def embed(texts: list[str]) -> Any:
        inputs = inputs_of(texts)
        return _pooled(compiled(inputs)[0], inputs["attention_mask"])

    return embed


def transformers_js(dtype: str) -> Make:
    def make(checkpoint: Path, folder: Path) -> Target:
        node = os.environ.get("MINILM_NODE")
        if not node or not shutil.which("node"):
            pytest.skip("transformers.js is not installed; MINILM_NODE names the folder of its node_modules")
        model = _onnx_folder(checkpoint, folder)
        script = Path(__file__).with_name("embed.cjs")
        words = ["node", str(script), node, str(model.parent), model.name, dtype]
        return CommandTarget(shlex.join(words), timeout=600)

    return make


def own_server(checkpoint: Path, _: Path) -> Target:
    from tests.serving import Server

    server = Server("--model", str(checkpoint))
    target = HttpTarget(server.url)
    weakref.finalize(target, server.stop)
    return target


TORCH = ("transformers", "torch")
JS = frozenset({"length 512 without SEP"})

IMPLEMENTATIONS = {
    "sentence-transformers": Implementation(
        sentence_transformers, ("sentence-transformers", "torch"), "float32"
    ),
    "transformers, float32": Implementation(bert(), TORCH, "float32"),
    "transformers, float16": Implementation(bert("float16"), TORCH, "float16"),
    "transformers, bfloat16": Implementation(bert("bfloat16"), TORCH, "bfloat16"),
    "ONNX Runtime": Implementation(onnxruntime("model.onnx"), ("onnxruntime",), "float32"),
    "ONNX Runtime, int8": Implementation(onnxruntime("model_quantized.onnx"), ("onnxruntime",), "int8"),
    "fastembed": Implementation(fastembed, ("fastembed",), "float32", frozenset({"length 512"})),
    "Chroma's default": Implementation(chroma, ("chromadb",), "float32"),
    "CTranslate2": Implementation(ctranslate2("float32"), ("ctranslate2", "transformers"), "float32"),
    "CTranslate2, int8": Implementation(ctranslate2("int8"), ("ctranslate2", "transformers"), "int8"),
    "OpenVINO": Implementation(openvino, ("openvino",), "float32"),
    "minilm serve": Implementation(own_server, ("minilm", "uvicorn"), "float32"),
    "transformers.js, fp32": Implementation(transformers_js("fp32"), ("transformers.js",), "float32", JS),
    "transformers.js, q8": Implementation(transformers_js("q8"), ("transformers.js",), "int8", JS),
}


def _fault(*findings: str, **options: Any) -> Implementation:
    return Implementation(bert(**options), TORCH, options.get("dtype", "float32"), frozenset(findings))


REAL_FAULTS = {
    "[CLS] pooling": _fault("cls", pool=lambda output, _: output.last_hidden_state[:, 0]),
    # the largest value over padding too, which the model leaves in
    "max pooling": _fault(
        "max", "padding counted", pool=lambda output, _: output.last_hidden_state.max(1).values
    ),
    "pooler output": _fault("pooler", pool=lambda output, _: output.pooler_output),
    "512 tokens": _fault("length 512", length=512),
    "128 tokens": _fault("length 128", length=128),
    "tanh GELU": _fault("gelu tanh", config={"hidden_act": "gelu_new"}),
    "layer norm eps": _fault("eps 1e-5", config={"layer_norm_eps": 1e-5}),
    "one layer less": _fault("layer less", config={"num_hidden_layers": 5}),
    "positions from 2": _fault("position 2", offset=2),
    "case kept": _fault("case kept", tokenizer_options={"lowercase": False}),
    "accents kept": _fault("accents kept", tokenizer_options={"strip_accents": False}),
    "no special tokens": _fault("no CLS and SEP", "refused: empty", special=False),
    "mask dropped": _fault("padding both", has_mask=False),
    "padding counted": _fault("padding counted", pool=lambda output, _: output.last_hidden_state.mean(1)),
    "padded to 128, no mask": _fault(
        "padded to 128, both", "length 128", has_mask=False, pad="length", length=128
    ),
    "not normalized": _fault("not normalized", normalize=False),
    "512 tokens, not normalized": _fault("length 512", "not normalized", length=512, normalize=False),
    "[CLS], bfloat16": _fault("cls", pool=lambda output, _: output.last_hidden_state[:, 0], dtype="bfloat16"),
    "case kept, 128 tokens": _fault(
        "case kept", "length 128", tokenizer_options={"lowercase": False}, length=128
    ),
}
