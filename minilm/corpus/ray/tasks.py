"""Blocks as tasks of Ray.

A task that dies with its machine or its worker is started again from here, and not by Ray: it would give a
block that kills its worker to one worker after the other, without end.
"""

from __future__ import annotations

import threading
import warnings
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress

from minilm.corpus.ray.blocks import BlockEncoder, BlockTask, Record, encode_block
from minilm.corpus.ray.cluster import RESUMES, ClusterOptions, Ray
from minilm.corpus.ray.machines import Machines
from minilm.errors import CorpusError

_POLL_S = 0.2  # how long a stop goes unnoticed
_MAX_INLINE = 80_000  # bytes; an argument of 100 KiB would be put into the object store with every task
_MAX_CRASHES = 3  # of workers with the same block, which then is to blame


def map_blocks(
    ray: Ray,
    encoder: type[BlockEncoder],
    task: BlockTask,
    numbers: Sequence[int],
    options: ClusterOptions,
    stop: threading.Event | None = None,
) -> Generator[Record, None, None]:
    """Let workers encode these blocks, and iterate over the records as they come.

    Once ``stop`` is set, the blocks in hand are finished, and no other is begun.
    """
    try:
        yield from _Tasks(ray, encoder, task, numbers, options).records(stop or threading.Event())
    except ray.exceptions.RayError as error:
        lines = str(error).split("\n")  # a traceback, if it comes from a worker
        reason = next((line.strip() for line in reversed(lines) if line.strip()), type(error).__name__)
        if isinstance(error, ImportError) or "No module named" in reason:
            remedy = "every machine needs minilm and its packages"
            raise CorpusError(f"a worker of Ray cannot run minilm: {reason} ({remedy})") from None
        raise CorpusError(f"Ray gave up ({reason}); {RESUMES}") from None


class _Tasks:
    """The blocks that wait, and those that Ray has."""

    def __init__(
        self,
        ray: Ray,
        encoder: type[BlockEncoder],
        task: BlockTask,
        numbers: Sequence[int],
        options: ClusterOptions,
    ) -> None:
        self._ray = ray
        self._task = task
        self._actors = options.actors
        self._machines = Machines(ray, options)
        self._remote = ray.remote(num_cpus=options.actor_cpus, max_retries=0)(encode_block)
        content = ray.cloudpickle.dumps((encoder, task))
        # Ray ends a process that has something in its object store when it is stopped, without a message.
        self._content = content if len(content) <= _MAX_INLINE else ray.put(content)
        self._waiting = deque(numbers)
        self._running: dict[object, int] = {}
        self._crashes: Counter[int] = Counter()

    def records(self, stop: threading.Event) -> Iterator[Record]:
        """Iterate over the records of the blocks that are finished."""
        try:
            while self._waiting or self._running:
                if stop.is_set():
                    self._stop()
                    if not (self._running and self._machines.room):
                        return
                self._submit()
                ready, _ = self._ray.wait(list(self._running), timeout=_POLL_S)
                for reference in ready:
                    if record := self._record(reference):
                        yield record
                self._machines.look()
        finally:
            self._cancel(list(self._running))  # of a job that failed

    def _stop(self) -> None:
        """Let workers begin no other block, and forget those that none has begun."""
        self._waiting.clear()
        try:
            self._task.stop.touch()
        except OSError:  # such as a full disk: then Ray's queue is worked off
            return
        self._cancel([ref for ref, number in self._running.items() if not self._task.is_begun(number)])

    def _cancel(self, references: Sequence[object]) -> None:
        for reference in references:
            del self._running[reference]
            with suppress(Exception):
                self._ray.cancel(reference)

    def _submit(self) -> None:
        # More than there is room for show a cluster that grows on demand how much is demanded.
        most = self._actors or 2 * self._machines.room + 8
        while self._waiting and len(self._running) < most:
            number = self._waiting.popleft()
            self._running[self._remote.remote(self._content, number)] = number

    def _record(self, reference: object) -> Record | None:
        """Return the record of a task; None if its machine or worker died, and its block waits again."""
        number, errors = self._running.pop(reference), self._ray.exceptions
        try:
            record: Record = self._ray.get(reference)
            return record
        except errors.NodeDiedError as error:
            self._machines.warn_of_death(error)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            self._count_crash(number, error)
        self._waiting.appendleft(number)
        return None

    def _count_crash(self, number: int, error: Exception) -> None:
        self._crashes[number] += 1
        path, kind = self._task.corpus.paths[self._task.blocks[number].input], type(error).__name__
        if self._crashes[number] == _MAX_CRASHES:
            remedy = "is there enough memory for each of the --actors? Ray's logs say more"
            problem = f"block {number} ended {_MAX_CRASHES} workers ({kind}): {remedy}"
            raise CorpusError(f"{path}: {problem}; {RESUMES}")
        warnings.warn(f"{path}: a worker died ({kind}), another encodes block {number}", stacklevel=2)
