"""shared.py: processes that are started anew read one copy of the parameters."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minilm import MiniLM
from minilm._arrays import Float32Array

TEXTS = ["A text.", "Another text, which is longer."]
NEW = [method for method in multiprocessing.get_all_start_methods() if method != "fork"]

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no files in memory")


def mapped() -> dict[str, int]:
    """KiB of this process that lie in files in memory of that name: all, and what only this process has."""
    parts = Path("/proc/self/smaps").read_text("utf-8").split("\n")
    found, inside = {"Size": 0, "Private_Clean": 0, "Private_Dirty": 0}, False
    for line in parts:
        if re.match("[0-9a-f]+-[0-9a-f]+ ", line):  # the first line of a mapping
            inside = "memfd:minilm" in line
        elif inside and (field := line.partition(":"))[0] in found:
            found[field[0]] += int(field[2].split()[0])
    return found


def anonymous() -> int:
    """KiB of this process that belong to no file."""
    rollup = Path("/proc/self/smaps_rollup").read_text("utf-8")
    return int(re.findall(r"^Anonymous:\s+(\d+)", rollup, re.M)[0])


def child(model: MiniLM, answers: Connection) -> None:
    answers.send((model.encode(TEXTS), mapped(), anonymous()))
    answers.close()


def ask(model: MiniLM, method: str) -> tuple[Float32Array, dict[str, int], int]:
    context: Any = multiprocessing.get_context(method)  # its type knows no processes
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(model, sender))
    process.start()
    sender.close()
    answer: tuple[Float32Array, dict[str, int], int] = receiver.recv()
    process.join()
    assert process.exitcode == 0
    return answer


@pytest.mark.parametrize("method", NEW)
def test_a_new_process_has_no_copy_of_the_parameters(method: str) -> None:
    model = MiniLM()
    expected = model.encode(TEXTS)
    size = 22_565_376 * 4 // 1024  # KiB: the model card's 22.7 million parameters, without the pooler's 0.15
    ask(model, method)  # from here on the parent reads the file too
    np.testing.assert_array_equal(model.encode(TEXTS), expected)
    vectors, found, own = ask(model, method)
    np.testing.assert_array_equal(vectors, expected)
    assert found["Size"] == pytest.approx(size, abs=64)  # gaps between the arrays, and a page
    # the system maps pages around those that are read: others in one process than in the other
    assert found["Private_Clean"] + found["Private_Dirty"] < 1024
    assert own < size  # Python and numpy take 30 MiB
    assert mapped()["Size"] == found["Size"]


def test_a_pickle_of_any_other_kind_holds_the_parameters() -> None:
    model = MiniLM()
    ask(model, NEW[0])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.encode(TEXTS), model.encode(TEXTS))


def test_without_a_file_in_memory_a_new_process_gets_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> int:
        raise OSError("no files in memory here")

    monkeypatch.setattr(os, "memfd_create", refuse)
    model = MiniLM()
    vectors, found, _ = ask(model, "spawn")
    np.testing.assert_array_equal(vectors, model.encode(TEXTS))
    assert found["Size"] == 0
