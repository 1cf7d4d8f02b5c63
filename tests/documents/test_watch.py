"""What is noticed of changes, and what is not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from minilm.documents.watch import changes
from minilm.errors import CorpusError

pytest.importorskip("watchfiles", reason="watchfiles is not installed")


@pytest.mark.parametrize("given", [".", "*.md", "a.md"])
def test_a_change_is_noticed_after_the_first_moment(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.md").touch()
    (tmp_path / "n.lance").mkdir()
    stop = threading.Event()
    noticed = changes([given], "n.lance", stop)
    next(noticed)  # the watch is on
    (tmp_path / "n.lance" / "data").write_text("a version of the table")
    (tmp_path / "a.md").write_text("a change")
    next(noticed)
    stop.set()
    assert [*noticed] == []


def test_the_table_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import watchfiles

    seen: dict[str, object] = {}

    def watch(*folders: Path, watch_filter: object, **_: object) -> list[object]:
        seen.update(folders=folders, filter=watch_filter)
        return [set(), {1}, set()]

    monkeypatch.setattr(watchfiles, "watch", watch)
    (tmp_path / "docs").mkdir()
    assert [*changes([str(tmp_path / "docs" / "*.md")], str(tmp_path / "n.lance"), threading.Event())] == [
        None
    ] * 2
    assert seen["folders"] == (tmp_path / "docs",)
    is_relevant = seen["filter"]
    assert callable(is_relevant)
    assert is_relevant(None, str(tmp_path / "docs" / "a.md"))
    assert not is_relevant(None, str(tmp_path / "n.lance" / "pieces.lance" / "data"))


def test_a_url_cannot_be_watched() -> None:
    with pytest.raises(CorpusError, match="s3://b/docs cannot be watched"):
        next(changes(["s3://b/docs"], "n.lance", threading.Event()))
