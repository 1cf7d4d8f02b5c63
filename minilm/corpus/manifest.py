"""What a job records of itself: its options and how far it is, so that it can resume, or refuse to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from minilm._arguments import unknown_name
from minilm._files import errors_named
from minilm.corpus.formats.shard import EMBEDDING
from minilm.corpus.identity import InputRecord, file_difference, row_difference
from minilm.corpus.paths import MANIFEST_SUFFIX
from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError, described
from minilm.hub import sha256_of_files
from minilm.model import MiniLM
from minilm.pooling import Pooling
from minilm.quantization import unit_ranges

OnError = Literal["raise", "skip", "empty"]
ON_ERROR: tuple[OnError, ...] = get_args(OnError)
Dtype = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class JobOptions:
    """The options of a job over a corpus.

    Parameters
    ----------
    on_error : {"raise", "skip", "empty"}
        What happens to a row without text: the job fails, the row is left out, or the row is encoded as the
        empty text. "skip" and "empty" list it in ``OUTPUT.errors.jsonl``.
    dtype : {"float32", "float16", "int8", "uint8", "binary", "ubinary"}
        The type of the vectors in the output; the last four are the precisions of
        :func:`minilm.quantization.quantize_embeddings`. int8 and uint8 are for vectors of length 1. Their
        ranges are those of :func:`minilm.quantization.unit_ranges`, and the manifest records them.
    dedupe : bool
        Encode each distinct text once. Their vectors are kept on disk until the job ends.
    pooling, prompt_name, batch_size
        As for :meth:`minilm.MiniLM.encode`.
    overwrite : bool
        Start over, and replace an existing output once the new one is complete.
    embedding_column : str
        The column of the vectors in .jsonl and .parquet.

    Raises
    ------
    ValueError
        If ``on_error`` or ``dtype`` is unknown.
    """

    on_error: OnError = "raise"
    dtype: Dtype = "float32"
    dedupe: bool = False
    pooling: Pooling | Sequence[Pooling] | None = None
    prompt_name: str | None = None
    batch_size: int = 32
    overwrite: bool = False
    embedding_column: str = EMBEDDING

    def __post_init__(self) -> None:
        for name, kind in (("on_error", OnError), ("dtype", Dtype)):
            if (value := getattr(self, name)) not in get_args(kind):
                raise unknown_name(name, value, get_args(kind))

    def ranges(self, model: MiniLM) -> list[list[float]] | None:
        """Return the ranges of int8 and uint8; raise a CorpusError if the vectors are not normalized."""
        if self.dtype not in ("int8", "uint8"):
            return None
        if not model.normalize:
            reason = f"{self.dtype} needs vectors of length 1, and these are not normalized"
            raise CorpusError(f"{reason}: take --normalize, or --dtype float16")
        return unit_ranges(model.get_embedding_dimension(self.pooling)).tolist()

    def recorded(self, model: MiniLM, corpus: Corpus, output_kind: str) -> dict[str, Any]:
        """Return everything that the output depends on, as the manifest records it."""
        checkpoint = model.checkpoint
        files = sha256_of_files(checkpoint)
        modes = model.config.pooling if self.pooling is None else self.pooling
        return {
            "model": checkpoint.repo_id or str(checkpoint.directory),
            "revision": checkpoint.revision,
            "sha256": files.pop(WEIGHTS, ""),  # empty for weights in parts, which are among the files
            "files": files,  # all others
            "column": corpus.column,
            "keep": corpus.keep if isinstance(corpus.keep, bool) else list(corpus.keep),
            "limit": corpus.limit,
            **asdict(corpus.dialect),
            "embedding_column": self.embedding_column,
            "output": output_kind,
            "on_error": self.on_error,
            "dtype": self.dtype,
            "ranges": self.ranges(model),
            "dedupe": self.dedupe,
            "max_seq_length": model.max_seq_length,
            "truncate_dim": model.truncate_dim,
            "pooling": [modes] if isinstance(modes, str) else list(modes),
            "normalize": model.normalize,
            "prompt": model.resolve_prompt(prompt_name=self.prompt_name),
        }


@dataclass
class Report:
    """What a job did, earlier runs included."""

    rows: int = 0  # rows of the output
    errors: int = 0  # rows without text
    truncated: int = 0  # texts that were cut at max_seq_length
    encoded: int = 0  # texts that were encoded; fewer than rows if some were equal
    tokens: int = 0
    inputs: int = 0  # input rows processed


@dataclass
class JobManifest:
    """How far a job is that processes one shard after the other."""

    options: dict[str, Any]
    inputs: list[InputRecord]
    report: Report = field(default_factory=Report)
    marks: list[int] = field(default_factory=list)  # the writer's mark of each shard
    error_bytes: int = 0  # length of the list of rows without text


def manifest_path(output: Path) -> Path:
    """Return the file that says how a finished output was made."""
    return output.with_name(output.name + MANIFEST_SUFFIX)


def is_manifest(path: Path) -> bool:
    """Whether a file is the manifest of a finished job, and does not only have the name of one."""
    return _has_names(path.read_bytes, {"options", "report"})


def is_list_of_errors(path: Path) -> bool:
    """Whether a file lists the rows without text of a job, and does not only have the name of such a list."""

    def first_line() -> bytes:
        with path.open("rb") as file:
            return file.readline(1 << 20)

    return _has_names(first_line, {"file", "line", "problem"})


def _has_names(read: Callable[[], bytes], names: Set[str]) -> bool:
    """Whether what is read is an object of JSON with these names."""
    try:
        fields = json.loads(read())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and fields.keys() >= names


_EXPLANATIONS = {  # lists of checksums and numbers would help nobody
    "ranges": "the ranges of its numbers are others",
    "files": "the model's tokenizer or configuration is another",
}


def read_manifest(
    path: Path, options: dict[str, Any], inputs: Sequence[InputRecord], output: Path
) -> dict[str, Any]:
    """Return the fields of a manifest; raise a CorpusError if it is damaged or of another job.

    The inputs are compared by their sizes only: :func:`check_rows` compares their rows.
    """
    with damage_named(path):
        fields: dict[str, Any] = json.loads(path.read_bytes())
        recorded = dict(fields["options"])
    if recorded.get("on_error") == "raise":  # no row without text was processed: any other value may follow
        recorded["on_error"] = options["on_error"]
    if different := [name for name, value in options.items() if recorded.get(name) != value]:
        changes = "; ".join(
            _EXPLANATIONS.get(name, f"{name} was {recorded.get(name)!r} and is {options[name]!r}")
            for name in different
        )
        raise another_job(output, f"options: {changes}")
    with damage_named(path):
        fields["inputs"] = [InputRecord(**record) for record in fields["inputs"]]
        difference = file_difference(fields["inputs"], inputs)
    if difference:
        raise another_job(output, f"inputs: {difference}")
    return fields


def check_rows(recorded: Sequence[InputRecord], read: Sequence[InputRecord], output: Path) -> None:
    """Raise a CorpusError unless the rows that were read are the recorded ones."""
    if difference := row_difference(recorded, read):
        raise another_job(output, f"rows from {difference}")


def another_job(output: Path, difference: str) -> CorpusError:
    """Return the error for an output that another job began."""
    return CorpusError(f"{output} was begun with other {difference}. Take another name, or --overwrite")


def damage_named(path: Path) -> AbstractContextManager[None]:
    """Turn what a damaged file makes its reader raise into a CorpusError that names the file."""
    # numpy and pyarrow raise what their parts raise: TokenError, OverflowError, UnicodeDecodeError ...
    # An OSError with an errno is about the disk, not about the file's content.
    return errors_named(
        CorpusError,
        f"{path} is damaged, or not from minilm encode",
        when=lambda error: not (isinstance(error, OSError) and error.errno),
        describe=described,
    )
