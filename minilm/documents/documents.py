"""Documents: a table of pieces of documents that follows them, from Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from minilm._arguments import positive_int, unknown_name
from minilm.hub import DEFAULT_MODEL
from minilm.model import MiniLM
from minilm.text.inputs import check_text
from minilm.text.pieces import piece_room

if TYPE_CHECKING:
    from typing_extensions import Self

    from minilm.cross_encoder import CrossEncoder
    from minilm.documents.search import DocumentHit
    from minilm.documents.update import OnSkip, UpdateReport


class Documents:
    r"""Documents in pieces, with a vector each, in a table of LanceDB.

    Parameters
    ----------
    db : str or PathLike
        The folder of the table, such as "notes.lance", or a URL that LanceDB opens (s3://, gs://).
    model : MiniLM or str
        The model, or the name of one; it is loaded when it is needed. The table refuses any model but the one
        that it was made with.
    tokens : int
        The most tokens of a piece: see :func:`minilm.split`.
    overlap : int
        The most tokens that a piece repeats from the previous one.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from minilm import Documents
    >>> with tempfile.TemporaryDirectory() as folder, Documents(Path(folder, "notes.lance")) as documents:
    ...     note = Path(folder, "note.md")
    ...     _ = note.write_text("# Desk\n\nPasswords are reset at the front desk.")
    ...     report = documents.update([note])
    ...     hits = documents.search("I forgot my password", k=1)
    >>> report.added, hits[0].pieces[0].line, hits[0].pieces[0].heading
    (1, 1, 'Desk')
    """

    def __init__(
        self,
        db: str | os.PathLike[str],
        model: MiniLM | str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        tokens: int = 128,
        overlap: int = 0,
    ) -> None:
        self.db = os.path.expanduser(os.fspath(db))  # noqa: PTH111 - Path would change a URL
        self._given = model
        self._loaded: MiniLM | None = None
        self.tokens = positive_int("tokens", tokens)
        self.overlap = overlap

    def __repr__(self) -> str:
        return f"Documents({self.db!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the model, if it was loaded here. No call leaves the table open."""
        self._loaded = None

    @property
    def model(self) -> MiniLM:
        """The model, loaded at the first use."""
        if isinstance(self._given, MiniLM):
            return self._given
        self._loaded = self._loaded or MiniLM(self._given)
        return self._loaded

    def update(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        column: str | None = None,
        id_column: str | None = None,
        keep: Sequence[str] | None = None,
        on_error: OnSkip = "skip",
        advance: Callable[[int], object] | None = None,
    ) -> UpdateReport:
        """Make the table hold the documents of some paths as they are now, in one transaction.

        Only new and changed documents are encoded, by the sha256 of their content. A document that these
        paths gave earlier and do not give now is removed. Documents of other paths stay.

        Parameters
        ----------
        paths : path or sequence of paths
            Folders, patterns, files and URLs. A folder stands for its files of text, Markdown,
            reStructuredText, HTML, PDF and source code, at any depth. A table (.csv, .tsv, .jsonl, .parquet)
            stands for its rows.
        column, id_column : str, optional
            The columns of a table with a document's text and id. Without, the id is the row's number.
        keep : sequence of str, optional
            The columns of a table that are kept as metadata. None keeps all the others. They are columns of
            the table of pieces, with their types: ``where`` can use them, and hits have them.
        on_error : {"skip", "raise"}
            What happens with a file that cannot be read or is no text.
        advance : callable, optional
            Called with numbers of pieces that were encoded, such as ``tqdm().update``.

        Returns
        -------
        UpdateReport
            How many documents were ``added``, ``changed``, ``removed`` and ``unchanged``, how many ``pieces``
            were encoded, and what was ``skipped``, with the reason.

        Raises
        ------
        ValueError
            If a path is empty.
        CorpusError
            If the table was made with another model or other pieces, or by another program; or if a metadata
            column is called like one of ours, has values of another type than it had, or holds what cannot
            be kept. The table is then as it was.
        FileNotFoundError
            If there is no such path.
        """
        from minilm.documents.find import TableColumns
        from minilm.documents.table import TableRecipe
        from minilm.documents.update import update_table

        if on_error not in ("skip", "raise"):
            raise unknown_name("on_error", on_error, ("skip", "raise"))
        several = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        names = [check_text("paths", os.fspath(path)) for path in several]
        if not all(names):
            raise ValueError("paths must not be empty: . is the current folder")
        for name, value in (("column", column), ("id_column", id_column)):
            if value is not None:
                check_text(name, value)
        if isinstance(keep, str):
            raise TypeError(f"keep must be a sequence of names, not the str {keep!r}")
        columns = TableColumns(column, id_column, None if keep is None else tuple(keep))
        piece_room(self.model.tokenizer, self.tokens, self.overlap)  # raises for sizes that cannot be
        recipe = TableRecipe.of(self.model, self.tokens, self.overlap)
        return update_table(
            self.db, names, self.model, recipe, columns=columns, on_error=on_error, advance=advance
        )

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        where: str | None = None,
        hybrid: bool = False,
        reranker: CrossEncoder | None = None,
    ) -> list[DocumentHit]:
        """Find the pieces that are nearest to a query, grouped by document.

        Parameters
        ----------
        query : str
            What to search for.
        k : int
            How many pieces.
        where : str, optional
            A condition in SQL on the columns of a piece, metadata among them, such as
            ``"path LIKE 'docs/%'"`` or ``"lang = 'en'"``.
        hybrid : bool
            Look for the words of the query too, by full-text search, and join both by reciprocal rank.
        reranker : CrossEncoder, optional
            Sort five times as many pieces by its scores, and keep the best.

        Returns
        -------
        list of DocumentHit
            The document with the best piece first. Each has its pieces, the best first. Values of its
            ``metadata`` are numbers, texts, lists and dicts, bytes and timedeltas; dates, times and decimal
            numbers are texts with all digits.

        Raises
        ------
        ValueError
            If the query is blank, ``where`` is not understood or cannot be computed, or the reranker has
            several labels.
        CorpusError
            If the table was made with another model or by another program, or has a value without a text.
        """
        from minilm.documents.search import search_table

        if not check_text("query", query).strip():
            raise ValueError("query must not be blank")
        if where is not None:
            check_text("where", where)
        if not isinstance(hybrid, bool):
            raise TypeError(f"hybrid must be True or False, not {hybrid!r}")

        return search_table(
            self.db,
            query,
            self.model,
            positive_int("k", k),
            where=where,
            hybrid=hybrid,
            reranker=reranker,
        )
