"""A corpus cut into blocks, and the workers that encode one block to one Parquet file.

Any machine can find and read a block by itself. Each worker writes to a unique temporary file, then renames
it over the name of the block. The block counts once its record is written after that; a block with a record
is not encoded again.
"""

from __future__ import annotations

import json
import pickle
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from minilm._files import rename_durably, sync, write_json
from minilm.corpus.formats.columns import Arrow
from minilm.corpus.formats.parquet import parquet_size
from minilm.corpus.formats.parquet_writer import ArrowTables
from minilm.corpus.identity import InputRecord, file_difference
from minilm.corpus.job import NoTextError, cast, encode_texts, shards, split_valid, texts_and_others
from minilm.corpus.manifest import JobOptions, Report
from minilm.corpus.paths import file_size
from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError, MiniLMError
from minilm.fast.cores import ray_cores
from minilm.hub import different_files, sha256_of_files
from minilm.model import MiniLM

Record = dict[str, Any]  # of a finished block: counts, lines, bytes of its file, rows without text
BLOCK_BYTES = 1 << 20  # text that keeps one core busy for about a minute
MAX_BLOCK_ROWS = 65_536  # limits blocks of a Parquet file, in which equal texts take no bytes


class Block(NamedTuple):
    """Some of the rows of one file."""

    number: int
    input: int  # the file's place among the files of the corpus
    start: int
    stop: int | None  # start and stop are bytes or, of a Parquet file, rows; None: the whole file
    size: int  # the block's share of the file's bytes

    @property
    def span(self) -> tuple[int, int] | None:
        """The span of :class:`minilm.corpus.rows.Corpus`."""
        return None if self.stop is None else (self.start, self.stop)


def cut_blocks(corpus: Corpus, block_bytes: int = BLOCK_BYTES) -> list[Block]:
    """Return blocks of about ``block_bytes``, in the order of the rows; the same files give the same blocks.

    Files of lines are cut by bytes, Parquet files by rows. A CSV file or a compressed file can be read from
    its beginning only, and is one block.
    """
    blocks: list[Block] = []
    for number, (path, kind) in enumerate(zip(corpus.paths, corpus.formats, strict=True)):
        size = file_size(path) or 0
        if kind == "parquet":
            end, text_bytes = parquet_size(path, corpus.column)
            step = min(max(end * block_bytes // max(text_bytes, 1), 1), MAX_BLOCK_ROWS)
        elif corpus.is_cuttable(number):
            step, end = block_bytes, size
        else:
            blocks.append(Block(len(blocks), number, 0, None, size))
            continue
        for start in range(0, max(end, 1), step):
            stop = min(start + step, end)
            blocks.append(Block(len(blocks), number, start, stop, size * (stop - start) // max(end, 1)))
    return blocks


@dataclass(frozen=True)
class BlockTask:
    """Everything that an actor needs to know."""

    folder: Path
    corpus: Corpus
    inputs: list[InputRecord]  # as the driver saw them
    blocks: list[Block]
    loading: dict[str, Any]  # arguments of MiniLM
    sha256: dict[str, str]  # of the checkpoint's files
    settings: dict[str, Any]  # attributes of the model
    output_column: str  # of the texts
    known: Arrow  # types of kept columns that hold for all blocks
    options: JobOptions
    width: int
    prompt: str

    @property
    def parts(self) -> Path:
        """The folder of the blocks' files."""
        return self.folder / "parts"

    @property
    def stop(self) -> Path:
        """A file that exists once no more blocks are to be started."""
        return self.folder / "stop"

    def part(self, number: int) -> Path:
        """Return the file of a block. The order of the names is the order of the rows."""
        return self.parts / f"part-{number:08}.parquet"

    def record(self, number: int) -> Path:
        """Return the path of the record of a block."""
        return self.folder / "records" / f"{number:08}.json"

    def read_record(self, number: int) -> Record | None:
        """Return the record of a block, or None if the block is not finished."""
        try:
            record: Record = json.loads(self.record(number).read_bytes())
            if record["rows"] and self.part(number).stat().st_size != record["bytes"]:
                return None
        except FileNotFoundError:
            return None
        return record

    def temporary(self, name: str = "") -> Path:
        """Return a unique name in the same file system, also for a second actor with the same block."""
        return self.folder / "unfinished" / (name + uuid.uuid4().hex)

    def temporary_part(self, number: int) -> Path:
        """Return a unique name for the file of a block, which tells that the block is begun."""
        return self.temporary(f"{number:08}-")

    def is_begun(self, number: int) -> bool:
        """Return whether a worker has begun this block; it may also have finished it."""
        unfinished = (self.folder / "unfinished").glob(f"{number:08}-*")
        return any(unfinished) or self.part(number).exists() or self.record(number).exists()

    def tables(self) -> ArrowTables:
        """Return a maker of tables with what is known of the output's types."""
        options = self.options
        return ArrowTables(
            self.output_column, options.embedding_column, self.width, options.dtype, self.known
        )


def encode_block(content: bytes, number: int) -> Record:
    """Encode one block, as a task of Ray. ``content`` is a class and its argument, pickled."""
    return _encoder(content)(number)


@lru_cache(maxsize=1)  # a worker keeps its model from one block to the next
def _encoder(content: bytes) -> BlockEncoder:
    make, task = pickle.loads(content)  # noqa: S301 - it comes from the driver
    encoder: BlockEncoder = make(task)
    return encoder


class BlockEncoder:
    """Encodes blocks with one model.

    A failure comes back as a record. An exception would come with the tracebacks of everything in between.
    """

    def __init__(self, task: BlockTask) -> None:
        self._task = task
        self._failure = ""
        try:
            if not task.parts.is_dir():
                raise CorpusError(f"{task.folder} does not exist: every machine must see the output")
            self._model = MiniLM(**task.loading, threads=ray_cores())
            if different := different_files(sha256_of_files(self._model.checkpoint), task.sha256):
                where = self._model.checkpoint.directory
                raise CorpusError(f"{where / different[0]} differs from the driver's")
            for name, value in task.settings.items():
                setattr(self._model, name, value)
        except (MiniLMError, OSError, ValueError) as error:
            self._failure = f"{socket.gethostname()}: {error}"

    def __call__(self, number: int) -> Record:
        """Return the record of this block, which is encoded now unless it was before."""
        if self._failure:
            return {"block": number, "failure": self._failure}
        block, temporary = self._task.blocks[number], self._task.temporary_part(number)
        try:
            temporary.touch()  # before the look for a stop: the driver stops, and then looks what is begun
            if self._task.stop.exists():
                return {"block": number, "stopped": True}
            record = self._task.read_record(number) or self._encode(block, temporary)
        except MiniLMError as error:  # about rows, which are the same on every machine
            return {"block": number, "failure": str(error)}
        except (OSError, ValueError) as error:  # the message of another library may not name the file
            at = self._task.corpus.paths[block.input]
            return {"block": number, "failure": f"{socket.gethostname()}, at {at}: {error}"}
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        return {name: value for name, value in record.items() if name != "listed"}

    def _encode(self, block: Block, temporary: Path) -> Record:
        """Write the file of a block and then its record."""
        task, report = self._task, Report()
        corpus = task.corpus.part(block.input, block.span)
        path, kind, reader = corpus.paths[0], corpus.formats[0], corpus.read()
        if difference := file_difference([task.inputs[block.input]], reader.inputs):
            raise CorpusError(f"{socket.gethostname()}: {difference} when the job began")
        listed: list[tuple[int, str | None]] = []  # line and problem of each row without text
        tables = task.tables()
        encode = partial(encode_texts, self._model, report=report, options=task.options, prompt=task.prompt)

        def encoded_tables() -> Iterator[Arrow]:
            for window in shards(reader):
                valid, invalid = split_valid(window, task.options.on_error)
                listed.extend((row.line, row.problem) for row in invalid)
                report.inputs += len(window)
                report.rows += len(valid)
                if valid:
                    texts, others = texts_and_others(valid)
                    table = tables.rows(texts, others, path)
                    yield tables.with_vectors(table, cast(encode(texts), task.options.dtype))

        try:
            if corpus.keep and kind != "parquet":  # the types must be known before the file is begun
                for window in shards(corpus.read()):
                    tables.rows(*texts_and_others(split_valid(window, task.options.on_error)[0]), path)
            with temporary.open("wb") as file:
                tables.write(file, encoded_tables())
                sync(file)
        except NoTextError as error:
            return {"block": block.number, "line": error.line, "problem": error.problem}
        report.errors = len(listed)
        size = temporary.stat().st_size if report.rows else 0
        if report.rows:
            rename_durably(temporary, task.part(block.number))
        counts = {"block": block.number, **asdict(report), "lines": reader.lines, "bytes": size}
        record = {**counts, "sha256": reader.inputs[0].sha256, "listed": listed}
        write_json(task.record(block.number), record, task.temporary())
        return record
