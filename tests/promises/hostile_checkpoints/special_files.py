"""Pipes, sockets, devices and links in place of a checkpoint's files."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def long_loop(path: Path) -> None:
    other = path.with_name(f"{path.name}.other")
    path.symlink_to(other.name)
    other.symlink_to(path.name)


def link_to_pipe(path: Path) -> None:
    pipe(path.with_name("pipe"))
    path.symlink_to("pipe")


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a directory": (Path.mkdir, "is a directory, not a regular file"),
    "a pipe": (pipe, "is a pipe, not a regular file"),
    "a socket": (unix_socket, "is a socket, not a regular file"),
    "a device without end": (link_to("/dev/zero"), "is a device, not a regular file"),
    "a device without content": (link_to("/dev/null"), "is a device, not a regular file"),
    "a link to a pipe": (link_to_pipe, "is a pipe, not a regular file"),
    "a link to itself": (loop, "cannot be read: Too many levels of symbolic links"),
    "two links to each other": (long_loop, "cannot be read: Too many levels of symbolic links"),
    "a link to nothing": (link_to("nothing"), "cannot be read: No such file or directory"),
}
