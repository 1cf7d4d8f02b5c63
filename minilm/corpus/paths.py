"""Which files a corpus has: patterns, directories and URLs as paths, with the values of hive partitions.

A path is one of this machine, or a URL that fsspec opens: s3://, gs://, hf://, https://, zip://a.csv::b.zip.
"""

from __future__ import annotations

import errno
import glob
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from minilm._files import errors_named
from minilm.errors import CorpusError, MissingExtraError, described, import_extra

STDIN = "-"
PARQUET_SUFFIXES = (".parquet", ".pq")
MANIFEST_SUFFIX = ".manifest.json"  # of the file that minilm encode writes beside its output
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


class InputPath(NamedTuple):
    """A file of a corpus; ``partitions`` has the values that ``key=value`` directories in its path give."""

    path: str
    partitions: Mapping[str, str | int | None] = {}


class _Match(NamedTuple):
    path: str
    below: str  # the part of the path below the directory, or below the first wildcard, that was asked for


def expand_inputs(inputs: Sequence[str | InputPath], exclude: Sequence[Path] = ()) -> list[InputPath]:
    """Return the files that patterns, directories and URLs stand for; an InputPath stands for itself.

    The files of a directory are its Parquet files at any depth, in natural order: part.2 before part.10.
    Directories such as ``year=2024`` below it, or below a wildcard, give each file values of partitions.
    What is in ``exclude``, such as the output of an earlier run, no directory and no pattern stands for.

    Raises
    ------
    CorpusError
        If a pattern matches nothing, a directory has no Parquet files, or a remote place cannot be read.
    FileNotFoundError
        If there is no such file.
    MissingExtraError
        If the package that opens a URL is not installed.
    """
    found: list[InputPath | _Match] = []
    for item in inputs:
        if isinstance(item, InputPath):
            found.append(item)
        elif item == STDIN:
            found.append(InputPath(STDIN))
        else:
            found += _included(str(item), _matches(str(item)), exclude)
    return _with_hive_values(found)


def _included(pattern: str, matches: list[_Match], exclude: Sequence[Path]) -> list[_Match]:
    places = [path.resolve() for path in exclude]
    included = [match for match in matches if not match.below or not is_within(match.path, places)]
    if not included:
        but = f"{matches[0].path}, which belongs to the output"
        raise CorpusError(f"no file matches {pattern!r} but {but}")
    return included


def is_within(path: str, places: Sequence[Path]) -> bool:
    """Whether a path, links followed, is one of these files or lies in one of these folders, all resolved."""
    if is_url(path):
        return False
    resolved = Path(path).resolve()
    return any(map(resolved.is_relative_to, places))


def is_url(path: str) -> bool:
    """Whether fsspec opens this path, and not the operating system."""
    return ":" in path and bool(re.match(r"[A-Za-z][\w+.-]*(://|::)", path))


def is_remote_folder(path: str) -> bool:
    """Whether fsspec finds a folder at this URL."""
    if not is_url(path) or glob.has_magic(path) or Path(path).exists():
        return False
    with remote_errors(path):
        filesystem, place = _filesystem(path)
        return bool(filesystem.info(place)["type"] == "directory")


def absolute(path: str) -> str:
    """Return a path that means the same file from any folder."""
    # Path.resolve raises a RuntimeError for a link to itself, before Python 3.13
    return path if is_url(path) else os.path.realpath(path)


def file_name(path: str) -> str:
    """Return the name of a file, which ends in its suffix also if the path is a URL."""
    if not is_url(path):
        return Path(path).name
    link = next((link for link in path.split("::") if "://" in link), path.rpartition("::")[2])
    return PurePosixPath(urlsplit(link).path if link.startswith("http") else link).name


def file_size(path: str) -> int | None:
    """Return the bytes of a file; None for a pipe, or if a server does not tell."""
    if is_url(path):
        with remote_errors(path):
            filesystem, place = _filesystem(path)
            return cast("int | None", filesystem.info(place).get("size"))
    return Path(path).stat().st_size if Path(path).is_file() else None


def url_state(url: str, *, is_fresh: bool) -> tuple[int | None, int | None]:
    """Return the size of a file and its time of change in nanoseconds, as far as its server tells them.

    With ``is_fresh`` the server is asked again, also for a file that was found in a list of many.
    """
    with remote_errors(url):
        filesystem, place = _filesystem(url)
        if is_fresh:
            filesystem.invalidate_cache()
        size = filesystem.info(place).get("size")
        try:
            return size, int(filesystem.modified(place).timestamp() * 1e9)
        except (NotImplementedError, AttributeError):
            return size, None


@contextmanager
def open_url(url: str, *, seekable: bool) -> Iterator[io.RawIOBase]:
    """Open a file by fsspec; whatever goes wrong while it is read is an error that names the URL."""
    with remote_errors(url):
        filesystem, place = _filesystem(url)
        # Not every server of HTTP knows ranges: what is read from its beginning is read as one stream.
        options = {"block_size": 0} if _is_http(filesystem) and not seekable else {}
        with filesystem.open(place, "rb", **options) as file:
            yield file


@contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Turn what fsspec and the libraries below it raise into one error that names the URL."""
    try:
        with errors_named(CorpusError, url, when=_is_of_the_library, describe=_described):
            yield
    except FileNotFoundError as error:
        if error.errno is not None:  # of a file on this machine
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from error
    except ImportError as error:
        if isinstance(error, MissingExtraError):
            raise
        package = getattr(error.__cause__ or error, "name", None) or "fsspec"
        raise MissingExtraError(
            f"{url} needs {package}, which is not installed: pip install {package}"
        ) from error


def _is_of_the_library(error: BaseException) -> bool:
    if isinstance(error, FileNotFoundError):  # fsspec's for whatever goes wrong in HTTP
        cause = error.__cause__
        return type(cause).__module__.startswith("aiohttp") and getattr(cause, "status", 0) != 404
    return not isinstance(error, ImportError)


def _described(error: BaseException) -> str:
    if "support range requests" in str(error):
        return (
            "its server cannot read from the middle of a file; simplecache:: before http downloads it first"
        )
    return described(error.__cause__ or error if isinstance(error, FileNotFoundError) else error)


def _filesystem(url: str) -> tuple[Any, str]:
    from fsspec.config import conf
    from fsspec.core import url_to_fs

    options: dict[str, Any] = {}
    for protocol in re.findall(r"\b(https?)://", url):
        import_extra("aiohttp", feature=url, package="aiohttp")
        from aiohttp import ClientTimeout

        # aiohttp gives up after five minutes by default, and to encode a file takes longer than to read it
        settings = {"timeout": ClientTimeout(total=None, sock_connect=30, sock_read=300)}
        settings.update(conf.get(protocol, {}).get("client_kwargs", {}))
        options[protocol] = {"client_kwargs": settings}
    filesystem, place = url_to_fs(url, **options)
    return filesystem, place


def _is_http(filesystem: Any) -> bool:  # noqa: ANN401 - fsspec is not typed
    return "http" in filesystem.protocol


def _matches(pattern: str) -> list[_Match]:
    if is_url(pattern) and Path(pattern).exists():  # a name such as a::b.txt
        return _local_matches(str(Path.cwd() / pattern))
    if is_url(pattern):
        if pattern.startswith(("file://", "local://")) and "::" not in pattern:
            return _local_matches(_filesystem(pattern)[1])
        with remote_errors(pattern):
            return _remote_matches(pattern)
    return _local_matches(os.path.expanduser(pattern))  # noqa: PTH111 - Path would change the name


def _local_matches(pattern: str) -> list[_Match]:
    is_there = pattern != "" and Path(pattern).exists()  # Path("") is the current folder
    if is_there and Path(pattern).is_dir():
        return _dataset(pattern, files_below(pattern))
    if is_there:
        return [_Match(pattern, "")]
    if not glob.has_magic(pattern):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), pattern)
    paths = glob.glob(pattern, recursive=True)  # noqa: PTH207 - patterns may be absolute
    directories = [path for path in paths if Path(path).is_dir()]
    files, folders = set(paths).difference(directories), set()
    if not pattern.endswith("**"):  # which has the files of each directory already
        folders = {file for path in directories for file in data_files(path, files_below(path))}
    return _chosen(pattern, files, folders)


def files_below(directory: str) -> list[str]:
    """Return all files at any depth."""
    paths = glob.glob(os.path.join(glob.escape(directory), "**"), recursive=True)  # noqa: PTH118, PTH207
    return [path for path in paths if not Path(path).is_dir()]


def _remote_matches(url: str) -> list[_Match]:
    filesystem, place = _filesystem(url)
    before, _, _ = place.partition("?") if _is_http(filesystem) else (place, "", "")
    if glob.has_magic(before):
        found = filesystem.glob(place, detail=True)
        files = {name for name, info in found.items() if info["type"] != "directory"}
        folders = set()
        if not place.endswith("**"):
            for name in set(found).difference(files):
                folders.update(data_files(name, filesystem.find(name)))
        return _chosen(url, *({_as_url(url, name) for name in names} for names in (files, folders)))
    if filesystem.info(place)["type"] == "directory":
        return _dataset(url, [_as_url(url, name) for name in filesystem.find(place)])
    return [_Match(url, "")]


def _as_url(url: str, name: str) -> str:
    """Return the URL of a file that the file system of ``url`` has found."""
    links = url.split("::")
    place = next((i for i, link in enumerate(links) if "://" in link), len(links) - 1)
    if "://" not in name:
        name = f"{links[place].partition('://')[0]}://{name}"
    return "::".join([*links[:place], name, *links[place + 1 :]])


def _dataset(directory: str, files: Sequence[str]) -> list[_Match]:
    """Return the Parquet files of a directory, as Spark, Dask, Ray and minilm write one."""
    root = directory.rstrip("/" + os.sep)
    if found := data_files(root, files):
        return [_Match(path, path[len(root) :]) for path in sorted(found, key=natural_order)]
    visible = [
        path for path in files if not _is_hidden(path[len(root) :]) and not path.endswith(MANIFEST_SUFFIX)
    ]
    suffixes = Counter(PurePosixPath(file_name(path)).suffix for path in visible)
    if not suffixes:
        raise CorpusError(f"{directory} is a directory without files")
    suffix, count = suffixes.most_common(1)[0]
    is_flat = any("/" not in path[len(root) + 1 :].replace(os.sep, "/") for path in visible)
    pattern = f"{root}/*{suffix}" if is_flat else f"{root}/**/*{suffix}"
    raise CorpusError(
        f"{directory} is a directory without Parquet files. Of {len(visible)} in it {count} "
        f"{'is' if count == 1 else 'are'} {suffix or 'without a suffix'}: give {pattern!r}"
    )


def data_files(directory: str, files: Sequence[str]) -> list[str]:
    """Return the Parquet files of a directory, without what a writer leaves beside them."""
    parquet = [path for path in files if file_name(path).lower().endswith(PARQUET_SUFFIXES)]
    return [path for path in parquet if not _is_hidden(path[len(directory) :])]


def _chosen(pattern: str, files: set[str], folders: set[str]) -> list[_Match]:
    """Return what a pattern matches, without what a writer of Parquet leaves beside its files.

    ``folders`` has the Parquet files of the directories that it matches.
    """
    start = re.search(r"[*?[]", pattern)
    root = pattern[: start.start()] if start else pattern
    root = root[: max(root.rfind("/"), root.rfind(os.sep)) + 1]
    paths = sorted(files | folders, key=natural_order)
    matches = [_Match(path, path[len(root) :] if path.startswith(root) else path) for path in paths]
    if folders or "**" in pattern:  # _SUCCESS, _metadata, _temporary/..., .part-0.parquet.crc
        matches = [match for match in matches if not _is_hidden(match.below)]
    if not matches:
        raise CorpusError(f"no file matches {pattern!r}")
    return matches


def _is_hidden(below: str) -> bool:
    """Whether Spark leaves a file out: its name, or that of a folder in its path, begins with _ or a dot."""
    return any(part.startswith(("_", ".")) and "=" not in part for part in re.split(r"[/\\]", below))


_RUNS = re.compile(r"(\d*)(\D*)").findall


def natural_order(path: str) -> tuple[list[list[tuple[int, str]]], str]:
    """Return a key that sorts by folder, then by name, with the numbers in both by value."""
    parts = re.split(r"[/\\]", path)
    return [[(int(n or 0), text) for n, text in _RUNS(part)] for part in parts], path


def _with_hive_values(found: Sequence[InputPath | _Match]) -> list[InputPath]:
    """Give each file its partitions. A key has whole numbers if all files of the corpus have them."""
    texts = [_partitions(item.below) if isinstance(item, _Match) else {} for item in found]
    keys = {key for values in texts for key in values}
    numeric = {key for key in keys if all(_is_number(values.get(key)) for values in texts)}
    typed = [
        {k: int(v) if k in numeric and v is not None else v for k, v in values.items()} for values in texts
    ]
    return [
        item if isinstance(item, InputPath) else InputPath(item.path, values)
        for item, values in zip(found, typed, strict=True)
    ]


def _partitions(below: str) -> dict[str, str | None]:
    pairs = [part.split("=", 1) for part in re.split(r"[/\\]", below)[:-1] if "=" in part]
    return {unquote(key): None if value == _NULL_PARTITION else unquote(value) for key, value in pairs}


def _is_number(value: str | None) -> bool:
    """Whether a value is null, or a whole number of 64 bits as Spark writes it: 1, but not 01."""
    if value is None:
        return True
    return bool(re.fullmatch(r"0|-?[1-9]\d{0,18}", value, re.ASCII)) and -(2**63) <= int(value) < 2**63
