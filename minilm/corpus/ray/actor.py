"""One block of a corpus to one Parquet file: done once or several times, the same file is there once.

Who encodes a block writes it under a name that nobody else has and renames it, so that it is there as a whole
or not at all, and done a second time takes its own place. A block counts once its record, which is written
after it, stands beside it; what has a record is not done again.
"""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from minilm._files import rename_durably, sync, write_json
from minilm.corpus.formats import Shard, Tables
from minilm.corpus.job import encode_texts, shards, sift
from minilm.corpus.manifest import OnError, Report
from minilm.corpus.ray.blocks import Block
from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError, MiniLMError
from minilm.fast.cores import ray_cores
from minilm.hub import different_files, sha256_of_files
from minilm.model import MiniLM
from minilm.pooling import Pooling

Record = dict[str, Any]  # of a block that is done: counts, lines, bytes of its file, rows that are no text


@dataclass(frozen=True)
class BlockTask:
    """All that an actor must know."""

    folder: Path
    paths: list[str]
    formats: list[str]
    blocks: list[Block]
    loading: dict[str, Any]
    sha256: dict[str, str]  # of the checkpoint's files
    settings: dict[str, Any]
    column: str | None
    keep: bool
    schema: Any  # pyarrow.Schema of the output
    on_error: OnError
    dtype: Literal["float32", "float16"]
    width: int
    prompt: str
    pooling: Pooling | Sequence[Pooling] | None
    batch_size: int

    @property
    def parts(self) -> Path:
        """The folder of the blocks' files."""
        return self.folder / "parts"

    @property
    def records(self) -> Path:
        """The folder of their records."""
        return self.folder / "records"

    @property
    def stop(self) -> Path:
        """A file that is there when no more blocks are to be begun."""
        return self.folder / "stop"

    def part(self, number: int) -> Path:
        """The file of a block; in the order of their names they have the order of the rows."""
        return self.parts / f"part-{number:08}.parquet"

    def record(self, number: int) -> Path:
        """Where the record of a block is, or will be."""
        return self.records / f"{number:08}.json"

    def record_of(self, number: int) -> Record | None:
        """The record of a block that is done."""
        try:
            record: Record = json.loads(self.record(number).read_bytes())
            if record["rows"] and self.part(number).stat().st_size != record["bytes"]:
                return None
        except FileNotFoundError:
            return None
        return record

    def temporary(self) -> Path:
        """A name in the same file system that nobody else has, another actor with this block included."""
        return self.folder / "unfinished" / uuid.uuid4().hex


class BlockEncoder:
    """What Ray Data maps over the numbers of blocks; each actor has one, with a model of its own.

    What fails comes back as a record: raised, it would come with the tracebacks of all that lies between.
    """

    def __init__(self, task: BlockTask) -> None:
        self._task = task
        self._failure = ""
        try:
            if not task.parts.is_dir():
                raise CorpusError(f"{task.folder} is not there: every machine must see the output")
            self._model = MiniLM(**task.loading, threads=ray_cores())
            if different := different_files(sha256_of_files(self._model.checkpoint), task.sha256):
                where = self._model.checkpoint.directory
                raise CorpusError(f"{where / different[0]} is another than the driver's")
            self._model.max_seq_length = task.settings["max_seq_length"]
            self._model.normalize = task.settings["normalize"]
            self._model.truncate_dim = task.settings["truncate_dim"]
        except (MiniLMError, OSError, ValueError) as error:
            self._failure = f"{socket.gethostname()}: {error}"

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Records of blocks that are done now, or were before."""
        return {"record": [json.dumps(self._record(int(number))) for number in batch["block"]]}

    def _record(self, number: int) -> Record:
        if self._failure:
            return {"block": number, "failure": self._failure}
        if self._task.stop.exists():
            return {"block": number, "stopped": True}
        block = self._task.blocks[number]
        try:
            record = self._task.record_of(number) or self._encode(block)
        except MiniLMError as error:
            return {"block": number, "failure": f"{socket.gethostname()}: {error}"}
        except (OSError, ValueError) as error:  # which may not say of what
            where = f"{socket.gethostname()}, at {self._task.paths[block.input]}"
            return {"block": number, "failure": f"{where}: {error}"}
        return {name: value for name, value in record.items() if name != "listed"}

    def _encode(self, block: Block) -> Record:
        task = self._task
        path, kind = task.paths[block.input], task.formats[block.input]
        corpus = Corpus([path], format=kind, column=task.column, keep=task.keep, span=block.span)
        report = Report()
        tables = Tables(task.schema.names[0], task.width, task.dtype, task.schema)
        listed: list[tuple[int, str | None]] = []  # rows that are no text: line, problem
        refused = False

        def encoded() -> Iterator[Any]:
            nonlocal refused
            for window in shards(corpus):
                good, bad = sift(window, task.on_error)
                listed.extend((row.line, row.problem) for row in bad)
                if bad and task.on_error == "raise":
                    refused = True
                    return
                texts = [row.text or "" for row in good]
                report.inputs += len(window)
                report.rows += len(good)
                if good:
                    vectors = encode_texts(
                        self._model,
                        texts,
                        report,
                        prompt=task.prompt,
                        pooling=task.pooling,
                        batch_size=task.batch_size,
                    )
                    kept = [row.kept for row in good]
                    yield tables.table(Shard(block.number, texts, kept, vectors.astype(task.dtype)))

        temporary = task.temporary()
        with temporary.open("wb") as file:
            tables.write(file, encoded())
            sync(file)
        report.errors = len(listed)
        size = temporary.stat().st_size if report.rows else 0
        if refused or not report.rows:
            temporary.unlink()
        else:
            rename_durably(temporary, task.part(block.number))
        if refused:
            return {"block": block.number, "failure": "", "line": listed[0][0], "problem": listed[0][1]}
        record = {"block": block.number, **asdict(report), "lines": corpus.lines, "bytes": size}
        record["listed"] = listed
        write_json(task.record(block.number), record, task.temporary())
        return record
