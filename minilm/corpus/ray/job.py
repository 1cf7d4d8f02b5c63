"""Encode a corpus on a Ray cluster, such that every row is in the output once, whatever dies meanwhile.

Each block of the corpus is a task of Ray, which sends back the record of the block. All machines must see
input and output under the same paths: the rows go from file to file. Work in progress is in
``OUTPUT.incomplete/``, in a folder with a random name per job: an actor that outlives its driver cannot write
into another job. At the end the folder of the blocks is renamed to ``OUTPUT``.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from minilm._files import atomic_write, write_json
from minilm.corpus.formats.input_file import InputFile
from minilm.corpus.formats.row import keep_names
from minilm.corpus.identity import InputRecord, are_untouched
from minilm.corpus.job import NoTextError, Progress, error_line
from minilm.corpus.manifest import WEIGHTS, JobOptions, Report, another_job, check_rows, read_manifest
from minilm.corpus.ray.blocks import Block, BlockEncoder, BlockTask, Record, cut_blocks
from minilm.corpus.ray.cluster import ClusterOptions, connected
from minilm.corpus.ray.tasks import map_blocks
from minilm.corpus.rows import Corpus
from minilm.corpus.schema import known_schema
from minilm.corpus.workspace import JobWorkspace
from minilm.errors import CorpusError, import_extra
from minilm.model import MiniLM


def encode_on_ray(
    model: MiniLM,
    corpus: Corpus,
    output: Path,
    options: JobOptions | None = None,
    cluster: ClusterOptions | None = None,
    *,
    advance: Progress = lambda report, position: None,  # noqa: ARG005
    stop: threading.Event | None = None,
) -> Report:
    """Encode all of ``corpus`` into a directory of Parquet files, or resume an earlier run.

    The files, read in the order of their names, hold the rows of :func:`minilm.corpus.job.encode_corpus`.

    Parameters
    ----------
    model : MiniLM
        Loaded here for its settings; every actor loads its own.
    corpus : Corpus
        Files, not standard input.
    output : Path
        The directory.
    options, advance, stop
        As for :func:`minilm.corpus.job.encode_corpus`, for blocks instead of shards, without ``dedupe``.
    cluster : ClusterOptions, optional

    Returns
    -------
    Report
        With fewer ``inputs`` than the corpus has, if the job was stopped.

    Raises
    ------
    CorpusError
        As from :func:`minilm.corpus.job.encode_corpus`; also if the machines do not see the same files, have
        other weights, or Ray itself fails. Finished blocks are kept.
    MissingExtraError
        If Ray is not installed.
    ValueError
        If the options ask for ``dedupe``: the actors do not know each other's texts.
    """
    options, cluster = options or JobOptions(), cluster or ClusterOptions()
    if options.dedupe:
        raise ValueError("dedupe must be False on Ray: the actors do not know each other's texts")
    import_extra("pyarrow", extra="ray", feature="the engine ray")
    ray = import_extra("ray", extra="ray", feature="the engine ray")
    recorded = options.recorded(model, corpus, "a directory of Parquet files")
    recorded["block_bytes"] = cluster.block_bytes
    workspace = JobWorkspace(output)
    watched = corpus.watched()

    def compare_rows(fields: dict[str, Any]) -> None:
        located = corpus.resolved(corpus.find_column())
        compare_blocks(located, cut_blocks(located, cluster.block_bytes), fields["blocks"], output)

    if report := workspace.finished_report(
        corpus, recorded, overwrite=options.overwrite, compare_rows=compare_rows
    ):
        advance(report, corpus.total_bytes or 0)
        return report
    with workspace.locked(overwrite=options.overwrite):
        inputs = [input_file.record for input_file in watched]
        folder, begun_with = resume_folder(workspace, recorded, inputs)
        task = make_task(model, corpus, inputs, folder, recorded, options, cluster)
        job = _RayJob(task, corpus, advance)
        if not are_untouched(begun_with, inputs):
            compare_blocks(task.corpus, *job.finished(), output)
        task.stop.unlink(missing_ok=True)
        if job.missing and not (stop and stop.is_set()):
            missing = sorted(job.missing)
            with (
                connected(ray, cluster.address, cluster.actor_cpus),
                closing(map_blocks(ray, BlockEncoder, task, missing, cluster, stop)) as records,
            ):
                for record in records:
                    job.take(record)
        if not job.missing:
            for input_file in watched:
                input_file.check_unchanged()
            job.publish(workspace, recorded, inputs)
    return job.report


def make_task(
    model: MiniLM,
    corpus: Corpus,
    inputs: list[InputRecord],
    folder: Path,
    recorded: dict[str, Any],
    options: JobOptions,
    cluster: ClusterOptions,
) -> BlockTask:
    """Return what the actors need to know of a job."""
    column = corpus.find_column()
    corpus.check_kept(keep_names(corpus.keep))
    located = corpus.resolved(column)  # for all blocks: the first rows of some would choose another
    return BlockTask(
        folder=folder,
        corpus=located,
        inputs=inputs,
        output_column=column or "text",
        known=known_schema(located, column or "text"),
        blocks=cut_blocks(located, cluster.block_bytes),
        loading=actor_loading(model, cluster.loading),
        sha256=recorded["files"] | ({WEIGHTS: recorded["sha256"]} if recorded["sha256"] else {}),
        settings={name: getattr(model, name) for name in ("max_seq_length", "normalize", "truncate_dim")},
        options=options,
        width=model.get_embedding_dimension(options.pooling),
        prompt=recorded["prompt"],
    )


class _RayJob:
    """The progress of a job: what its blocks reported so far."""

    def __init__(self, task: BlockTask, corpus: Corpus, advance: Progress) -> None:
        self.report = Report()
        self.missing = {block.number for block in task.blocks}
        self._task = task
        self._corpus = corpus
        self._advance = advance
        self._position = 0
        self._tables = task.tables()
        for block in task.blocks:
            if record := task.read_record(block.number):  # an earlier run finished it
                self._count(record)
        advance(self.report, self._position)

    def take(self, record: Record) -> None:
        """Count a block whose record an actor sent; raise a CorpusError if the block failed."""
        if "failure" in record:
            raise CorpusError(record["failure"])
        if "problem" in record:
            block = self._task.blocks[record["block"]]
            path, line = self._corpus.paths[block.input], record["line"]
            if block.start and self._corpus.is_cuttable(block.input):  # others are numbered in the file
                line += sum(1 for _ in InputFile(path, (0, block.start)).lines())
            raise NoTextError(path, line, record["problem"])
        if record["block"] in self.missing and "rows" in record:
            self._count(record)
            self._advance(self.report, self._position)

    def _count(self, record: Record) -> None:
        self.missing.remove(record["block"])
        if record["rows"] and self._corpus.keep:  # fail now if the columns of two blocks have no common type
            self._tables.take_schema(self._task.part(record["block"]))
        self._position += self._task.blocks[record["block"]].size
        for name, count in asdict(self.report).items():
            setattr(self.report, name, count + record[name])

    def finished(self) -> tuple[list[Block], list[Record]]:
        """Return the blocks that have a record, and their records."""
        task = self._task
        blocks = [block for block in task.blocks if block.number not in self.missing]
        return blocks, [json.loads(task.record(block.number).read_bytes()) for block in blocks]

    def publish(
        self, workspace: JobWorkspace, recorded: dict[str, Any], inputs: Sequence[InputRecord]
    ) -> None:
        """Give the folder of all blocks the name of the output, beside its manifest."""
        self._widen_parts()
        task, blocks, row = self._task, [], 0
        for block, record in self._records():
            part = task.part(block.number).name if record["rows"] else None
            entry = {"file": part, "input": task.corpus.paths[block.input], "span": block.span}
            blocks.append({**entry, "first_row": row, "rows": record["rows"], "sha256": record["sha256"]})
            row += record["rows"]
        if not self.report.rows:  # a file without rows tells the columns
            with atomic_write(task.part(0), task.temporary()) as file:
                task.tables().write(file, [])
        files = [asdict(record) for record in inputs]
        manifest = {"options": recorded, "inputs": files, "report": asdict(self.report), "blocks": blocks}
        errors = (
            error_line(self._corpus.paths[block.input], record["lines_before"] + line, problem)
            for block, record in self._records()
            for line, problem in record["listed"]
        )
        workspace.publish(task.parts, manifest, self.report, errors)

    def _widen_parts(self) -> None:
        """Write files again whose columns are not yet of the types that all files share."""
        if not self._corpus.keep:
            return
        task, tables = self._task, self._task.tables()
        parts = sorted(task.parts.iterdir())  # in the order of the blocks, not in that of their end
        tables.take_schemas(parts)
        for part in parts:
            tables.widen(part, task.temporary())

    def _records(self) -> Iterator[tuple[Block, Record]]:
        """Iterate over all blocks in order, with their records and the lines of the same file before them."""
        lines, file = 0, -1
        for block in self._task.blocks:
            record: Record = json.loads(self._task.record(block.number).read_bytes())
            lines, file = (lines, file) if block.input == file else (0, block.input)
            yield block, {**record, "lines_before": lines}
            lines += record["lines"]


def resume_folder(
    workspace: JobWorkspace, recorded: dict[str, Any], inputs: Sequence[InputRecord]
) -> tuple[Path, list[InputRecord]]:
    """Return the folder of the job's blocks, which an earlier run may have made, and its inputs."""
    manifest = workspace.manifest
    files = [asdict(record) for record in inputs]
    if workspace.is_in_progress:
        content = read_manifest(manifest, recorded, inputs, workspace.output)
        name, begun_with = content["folder"], content["inputs"]
        if content["options"] != recorded:  # an equivalent job resumes it; from now on no other may
            write_json(manifest, {**content, "options": recorded, "inputs": list(map(asdict, begun_with))})
    else:
        name, begun_with = uuid.uuid4().hex, list(inputs)
        for folder in ("parts", "records", "unfinished"):
            (workspace.folder / name / folder).mkdir(parents=True)
        write_json(manifest, {"options": recorded, "inputs": files, "folder": name})
    return (workspace.folder / name).resolve(), begun_with


def compare_blocks(corpus: Corpus, blocks: Sequence[Block], records: Sequence[Record], output: Path) -> None:
    """Read the rows of blocks again; raise a CorpusError unless they are the recorded ones."""
    if len(blocks) != len(records):
        raise another_job(output, "files")
    for block, record in zip(blocks, records, strict=True):
        [now] = corpus.part(block.input, block.span).read().read_all()
        check_rows([replace(now, sha256=record["sha256"])], [now], output)


def actor_loading(model: MiniLM, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by which actors load the driver's model, or the model that they name instead."""
    if "model_name_or_path" in arguments:
        return dict(arguments)
    checkpoint = model.checkpoint
    if checkpoint.repo_id:
        return {"model_name_or_path": checkpoint.repo_id, "revision": checkpoint.revision, **arguments}
    return {"model_name_or_path": str(checkpoint.directory.resolve()), **arguments}
