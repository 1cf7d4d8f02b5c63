"""Encode a corpus on the machines of a Ray cluster, so that every row is there once, whatever dies meanwhile.

Ray Data maps ``BlockEncoder`` over the numbers of the corpus's blocks; what it is told of each is the
block's record, while the rows go from file to file on the machine that encodes them. All that is under way
is in ``OUTPUT.incomplete/``, in a folder whose name each beginning draws anew, so that an actor that outlives
its driver cannot write into another job. At the end the folder of the blocks gets the name ``OUTPUT``.

Input and output must be where all machines see them, under the same path.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minilm._files import atomic_write, rename_durably, write_json
from minilm.corpus.formats import Shard, Tables
from minilm.corpus.job import check_name, error_line, refusal, shards, sift, width_of
from minilm.corpus.manifest import (
    OnError,
    Report,
    errors_path,
    finished_before,
    forget,
    make_way,
    manifest_path,
    options_of,
    read_manifest,
    working_on,
)
from minilm.corpus.ray.actor import BlockEncoder, BlockTask, Record
from minilm.corpus.ray.blocks import BLOCK_BYTES, Block, cut
from minilm.corpus.rows import Corpus
from minilm.errors import CorpusError
from minilm.fast.cores import available_cores
from minilm.model import MiniLM
from minilm.pooling import Pooling

_MOST_TASKS = 8192  # of Ray: of a longer list of blocks each has several
_COUNTS = [field.name for field in fields(Report)]


def encode_on_ray(
    model: MiniLM,
    corpus: Corpus,
    output: Path,
    *,
    address: str | None = None,
    actors: int | None = None,
    actor_cpus: int = 1,
    block_bytes: int = BLOCK_BYTES,
    on_error: OnError = "raise",
    dtype: Literal["float32", "float16"] = "float32",
    pooling: Pooling | Sequence[Pooling] | None = None,
    prompt_name: str | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
    loading: Mapping[str, Any] | None = None,
    advance: Callable[[Report], object] = lambda _: None,
    stop: threading.Event | None = None,
) -> Report:
    """Encode all of ``corpus`` into a directory of Parquet files, or go on with what was begun.

    The files, read in the order of their names, hold the rows of :func:`minilm.corpus.job.encode_corpus`.

    Parameters
    ----------
    model : MiniLM
        Loaded here for what it says of itself; every actor loads its own.
    corpus : Corpus
        Files, not standard input.
    output : Path
        The directory.
    address : str, optional
        Of a Ray cluster. None is the one that this process is connected to, or else that of the environment
        (RAY_ADDRESS), or else one that is started on this machine for the time.
    actors : int, optional
        How many there are at most; None is as many as the cluster has cores for as the job begins.
    actor_cpus : int
        Cores of an actor, which are the threads of its model; some machine must have so many.
    block_bytes : int
        Text in a block: what is lost of an actor that dies, and what is in a file of the output.
    on_error, dtype, pooling, prompt_name, batch_size, overwrite
        As for :func:`minilm.corpus.job.encode_corpus`.
    loading : mapping, optional
        Arguments of :class:`MiniLM` for the actors, if other than the name and the revision of ``model``.
    advance : callable
        Told how far the work is, after each block and at its beginning.
    stop : threading.Event, optional
        Set by another thread or a signal handler: no more blocks are begun.

    Returns
    -------
    Report
        With fewer ``inputs`` than there are, if it was stopped.

    Raises
    ------
    CorpusError
        As from :func:`minilm.corpus.job.encode_corpus`; also if the machines do not see the same files, have
        other weights, or Ray itself fails. What was done is kept.
    """
    ray = _ray()
    kind = "a directory of Parquet files"
    options = options_of(model, corpus, kind, on_error, dtype, pooling, prompt_name)
    options["block_bytes"] = block_bytes
    if finished := finished_before(output, corpus, options, overwrite=overwrite):
        advance(finished)
        return finished
    with working_on(output, overwrite=overwrite) as work:
        folder = _folder(work, options, output)
        task = BlockTask(
            folder=folder,
            paths=[str(Path(path).resolve()) for path in corpus.paths],
            formats=corpus.formats,
            schema=_schema(corpus, width_of(model, pooling), dtype, on_error),
            column=corpus.find_column(),  # for all blocks, of which some begin with rows that do not tell it
            keep=corpus.keep,
            blocks=cut(corpus, block_bytes),
            loading=_loading(model, loading or {}),
            sha256={"model.safetensors": options["sha256"], **options["files"]},
            settings={
                "max_seq_length": model.max_seq_length,
                "normalize": model.normalize,
                "truncate_dim": model.truncate_dim,
            },
            on_error=on_error,
            dtype=dtype,
            width=width_of(model, pooling),
            prompt=options["prompt"],
            pooling=pooling,
            batch_size=batch_size,
        )
        report = Report()
        missing = {block.number for block in task.blocks}

        def count(record: Record) -> None:
            missing.remove(record["block"])
            for name in _COUNTS:
                setattr(report, name, getattr(report, name) + record[name])

        for block in task.blocks:
            if record := task.record_of(block.number):
                count(record)
        corpus.position = sum(block.size for block in task.blocks if block.number not in missing)
        advance(report)
        task.stop.unlink(missing_ok=True)
        if missing:
            with _heeding(stop, task), _connected(ray, address, actor_cpus):
                for record in _run(ray, task, sorted(missing), actors, actor_cpus):
                    if "failure" in record:
                        raise CorpusError(_explained(record, task, corpus))
                    if record["block"] in missing and "rows" in record:
                        count(record)
                        corpus.position += task.blocks[record["block"]].size
                        advance(report)
        if not missing:
            _finish(task, corpus, output, options, report)
            forget(output)
    return report


def _loading(model: MiniLM, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by which the actors load the driver's model, or what they are given instead."""
    if "model_name_or_path" in given:
        return dict(given)
    checkpoint = model.checkpoint
    if checkpoint.repo_id:
        return {"model_name_or_path": checkpoint.repo_id, "revision": checkpoint.revision, **given}
    return {"model_name_or_path": str(checkpoint.directory.resolve()), **given}


def _folder(work: Path, options: dict[str, Any], output: Path) -> Path:
    """Where this job's blocks are, begun now or before."""
    manifest = work / "manifest.json"
    if manifest.exists():
        fields = read_manifest(manifest, options, output)
        name = fields["folder"]
        if fields["options"] != options:  # it goes on with what is as good: from now on with nothing else
            write_json(manifest, {**fields, "options": options})
    else:
        name = uuid.uuid4().hex
        for folder in ("parts", "records", "unfinished"):
            (work / name / folder).mkdir(parents=True)
        write_json(manifest, {"options": options, "folder": name})
    return (work / name).resolve()


def _schema(corpus: Corpus, width: int, dtype: str, on_error: OnError) -> Any:  # noqa: ANN401
    """The schema that the first rows with a text give, as on one machine; all blocks are held to it."""
    tables = None
    for window in shards(corpus):
        good, bad = sift(window, on_error)
        if bad and on_error == "raise":
            raise CorpusError(refusal(bad[0].source, bad[0].line, bad[0].problem))
        if tables is None:  # what the column is called is settled by the first shard
            check_name(corpus.column)
            tables = Tables(corpus.column or "text", width, dtype, kept_types=dict(corpus.kept_types))
        if good:
            texts, kept = [row.text or "" for row in good], [row.kept for row in good]
            tables.table(Shard(0, texts, kept, np.zeros((len(good), width), dtype)))
            return tables.schema
    return (tables or Tables(corpus.column or "text", width, dtype)).without_rows()


@contextmanager
def _heeding(stop: threading.Event | None, task: BlockTask) -> Iterator[None]:
    """Tell the actors of ``stop`` as soon as it is set; a record may come only after a task's last block."""
    is_over = threading.Event()

    def watch() -> None:
        while stop and not is_over.wait(0.1):
            if stop.is_set():
                with suppress(OSError):  # of a full disk, say: tried again
                    task.stop.touch()
                    return

    watcher = threading.Thread(target=watch, name="minilm_stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _run(
    ray: Any,  # noqa: ANN401 - the module
    task: BlockTask,
    numbers: list[int],
    actors: int | None,
    actor_cpus: int,
) -> Iterator[Record]:
    """Records of these blocks, as they are done."""
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    largest = max(cores, default=0)
    if not largest:  # a cluster that grows on demand, and has not grown yet
        warnings.warn("no machine of the cluster has cores yet: waiting for one", stacklevel=2)
    elif actor_cpus > largest:  # Ray would wait for such a machine for ever, and say nothing
        gives = f"the largest machine of the cluster gives {largest}"
        raise CorpusError(f"an actor is to have {actor_cpus} cores, and {gives} (--actor-cpus)")
    most = min(actors or max(sum(here // actor_cpus for here in cores), 1), len(numbers))
    # The pool may shrink to one: an actor whose machine died waits for a place elsewhere, with its blocks,
    # and gets that of another that has nothing left to do.
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=most)
    items = [{"block": number} for number in numbers]
    try:
        records = ray.data.from_items(items, override_num_blocks=min(len(items), _MOST_TASKS)).map_batches(
            BlockEncoder, fn_constructor_args=(task,), batch_size=1, num_cpus=actor_cpus, compute=pool
        )
        for batch in records.iter_batches(batch_size=None, prefetch_batches=0):
            yield from map(json.loads, batch["record"])
    except Exception as error:  # Ray Data raises more than RayError
        lines = str(error).split("\n")  # a traceback, if it comes from an actor
        reason = next((line.strip() for line in reversed(lines) if line.strip()), type(error).__name__)
        raise CorpusError(f"Ray gave up ({reason}); without --overwrite the same command goes on") from None


def _explained(record: Record, task: BlockTask, corpus: Corpus) -> str:
    """What the job dies of."""
    if record["failure"]:
        return str(record["failure"])
    block = task.blocks[record["block"]]
    return refusal(corpus.paths[block.input], _lines_before(block, task) + record["line"], record["problem"])


def _lines_before(block: Block, task: BlockTask) -> int:
    """Lines of its file that begin before a block."""
    if block.stop is None or block.start == 0 or task.formats[block.input] == "parquet":
        return 0
    lines, left = 1, block.start - 1
    with Path(task.paths[block.input]).open("rb") as file:
        while left and (chunk := file.read(min(left, 1 << 20))):
            lines += chunk.count(b"\n")
            left -= len(chunk)
    return lines


def _finish(task: BlockTask, corpus: Corpus, output: Path, options: dict[str, Any], report: Report) -> None:
    """Say what was done and name the output; a crash at any place leaves what the next run finishes."""
    make_way(output, errors=bool(report.errors))
    if report.errors:
        with atomic_write(errors_path(output)) as file:
            for block, record in _records(task):
                lines = record["lines_before"]
                for line, problem in record["listed"]:
                    file.write(error_line(corpus.paths[block.input], lines + line, problem))
    blocks, row = [], 0
    for block, record in _records(task):
        part = task.part(block.number).name if record["rows"] else None
        entry = {"file": part, "input": task.paths[block.input], "span": block.span}
        blocks.append({**entry, "first_row": row, "rows": record["rows"]})
        row += record["rows"]
    write_json(manifest_path(output), {"options": options, "report": asdict(report), "blocks": blocks})
    if not report.rows:  # so that the columns are told
        with atomic_write(task.part(0), task.temporary()) as file:
            Tables(task.schema.names[0], task.width, task.dtype, task.schema).write(file, [])
    rename_durably(task.parts, output)


def _records(task: BlockTask) -> Iterator[tuple[Block, Record]]:
    """All blocks in their order, with their records and the lines of the same file before them."""
    lines, file = 0, -1
    for block in task.blocks:
        record: Record = json.loads(task.record(block.number).read_bytes())
        lines, file = (lines, file) if block.input == file else (0, block.input)
        yield block, {**record, "lines_before": lines}
        lines += record["lines"]


@contextmanager
def _connected(ray: Any, address: str | None, actor_cpus: int) -> Iterator[None]:  # noqa: ANN401
    """A cluster: the one at hand, the one at that address, or one started here for the time."""
    context = ray.data.DataContext.get_current()
    bars, logger = context.enable_progress_bars, logging.getLogger("ray.data")
    level = logger.level
    is_ours = not ray.is_initialized()
    if not is_ours and address:
        raise ValueError(f"address must be None, not {address!r}: this process has a Ray cluster already")
    if is_ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # to tell others of it is the user's to decide
        where = address or os.environ.get("RAY_ADDRESS") or "local"
        cores = {"num_cpus": max(available_cores(), actor_cpus)} if where == "local" else {}
        try:
            if where != "local":
                _check_listening(where)
            ray.init(where, log_to_driver=False, logging_level=logging.ERROR, **cores)
        except Exception as error:  # of many kinds: nobody there, other versions of Ray or Python, no address
            ray.shutdown()
            what = "Ray does not start here" if where == "local" else f"no connection to Ray at {where}"
            raise CorpusError(f"{what}: {' '.join(str(error).split()) or type(error).__name__}") from None
    context.enable_progress_bars = False
    logger.setLevel(logging.ERROR)  # it warns of the missing bars
    try:
        yield
    finally:
        context.enable_progress_bars = bars
        logger.setLevel(level)
        if is_ours:
            ray.shutdown()


def _check_listening(address: str) -> None:
    """Raise an OSError if nobody is at HOST:PORT; Ray would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "://" not in address:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _ray() -> Any:  # noqa: ANN401
    try:
        import ray
        import ray.data
    except ModuleNotFoundError:
        needed = 'pip install "minilm[ray]", or ".[ray]" in a checkout'
        raise CorpusError(f"the engine ray needs Ray Data, which is not installed: {needed}") from None
    return ray
