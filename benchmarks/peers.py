"""The systems that minilm is compared with: same weights, same 256 tokens, float32, CPU, same threads.

Heavy packages are imported only when used, because a cold start is measured with these classes too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

# read when the Hugging Face libraries are imported
os.environ["HF_HUB_OFFLINE"] = "1"

Array = npt.NDArray[np.float32]

MAX_SEQ_LENGTH = 256
ONNX_FILE = Path(__file__).resolve().parent / "results" / ".cache" / "all-MiniLM-L6-v2-opset17.onnx"

# The largest difference from minilm in any component that rounding explains. A system beyond it computes
# something else, and its time would mean nothing.
TOLERANCE = 2e-6


class Peer(Protocol):
    """One way to compute the embeddings."""

    def encode(self, texts: Sequence[str], batch_size: int) -> Array:
        """Embeddings (n, 384), in the order given."""


class SentenceTransformers:
    """The original with its defaults, but for the batch size."""

    def __init__(self, directory: Path, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self._model = SentenceTransformer(str(directory), device="cpu")

    def encode(self, texts: Sequence[str], batch_size: int) -> Array:
        """Embeddings (n, 384)."""
        return np.asarray(
            self._model.encode(list(texts), batch_size=batch_size, show_progress_bar=False), np.float32
        )


class OnnxRuntime:
    """The same network in ONNX Runtime, as one would write it for speed: texts sorted by length."""

    def __init__(self, directory: Path, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        export_onnx(directory)
        session_options = onnxruntime.SessionOptions()
        session_options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session_options.intra_op_num_threads = threads
        session_options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(ONNX_FILE), session_options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_length=MAX_SEQ_LENGTH)
        self._tokenizer.no_padding()  # the file pads to 128 tokens; batches are padded below

    def encode(self, texts: Sequence[str], batch_size: int) -> Array:
        """Embeddings (n, 384)."""
        encodings = self._tokenizer.encode_batch_fast(list(texts))
        order = np.argsort([-len(encoding) for encoding in encodings], kind="stable")
        embeddings = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(texts), batch_size):
            rows = order[start : start + batch_size]
            embeddings[rows] = self._run([encodings[row] for row in rows])
        return embeddings

    def _run(self, encodings: list[Any]) -> Array:
        longest = max(len(encoding) for encoding in encodings)
        for encoding in encodings:
            encoding.pad(longest)
        ids = np.array([encoding.ids for encoding in encodings], np.int64)  # (B, L)
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)  # (B, L)
        (hidden_states,) = self._session.run(
            None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        )  # (B, L, E)
        weights = mask[:, :, None].astype(np.float32)  # (B, L, 1)
        embeddings = (hidden_states * weights).sum(axis=1) / weights.sum(axis=1)  # (B, E)
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


class FastembedPipeline(OnnxRuntime):
    """The same session in the way fastembed runs its own: batches in the order given, padded.

    fastembed itself fetches its model from a place of its own and cannot be given these weights without a
    network, so that it is its pipeline that is measured, not its package.
    """

    def encode(self, texts: Sequence[str], batch_size: int = 256) -> Array:
        """Embeddings (n, 384)."""
        batches = [list(texts[start : start + batch_size]) for start in range(0, len(texts), batch_size)]
        return np.concatenate([self._run(self._tokenizer.encode_batch(batch)) for batch in batches])


def export_onnx(directory: Path) -> None:
    """Export the encoder to ``ONNX_FILE``, once.

    A file of other weights is noticed: every peer's results are checked before it is timed.
    """
    if ONNX_FILE.is_file():
        return
    import torch
    from transformers import BertModel

    bert = BertModel.from_pretrained(str(directory), attn_implementation="eager", add_pooling_layer=False)

    class LastHiddenState(torch.nn.Module):  # type: ignore[misc] # no types in torch
        """BertModel with the three arguments that the exporter may pass by position."""

        def __init__(self) -> None:
            super().__init__()
            self.bert = bert.eval()

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:  # noqa: ANN401
            return self.bert(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.ones((2, 7), dtype=torch.int64)
    ONNX_FILE.parent.mkdir(parents=True, exist_ok=True)
    unfinished = ONNX_FILE.with_suffix(".unfinished")
    torch.onnx.export(
        LastHiddenState().eval(),
        (ids, torch.ones_like(ids), torch.zeros_like(ids)),
        str(unfinished),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in [*names, "last_hidden_state"]},
        opset_version=17,
        dynamo=False,
    )
    unfinished.rename(ONNX_FILE)


def check(name: str, embeddings: Array, expected: Array) -> None:
    """Exit if a peer does not compute what minilm computes."""
    difference = float(np.abs(embeddings - expected).max())
    if not difference < TOLERANCE:  # also for NaN
        raise SystemExit(f"{name} differs from minilm by {difference:.1e}: not the same computation")


def best_batch_size(seconds: Callable[[int], float], batch_sizes: Sequence[int]) -> int:
    """Return the batch size with the shortest time, the better of two measurements each."""
    return min(batch_sizes, key=lambda batch_size: min(seconds(batch_size), seconds(batch_size)))
