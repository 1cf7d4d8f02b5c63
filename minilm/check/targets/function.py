"""A Python callable as a target: ``module:function`` or ``module:object.encode``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

from minilm._arrays import AnyArray
from minilm.check.targets.target import RefusedError, TargetError, checked_vectors
from minilm.errors import described


class FunctionTarget:
    """A function from a list of texts to as many vectors: lists, arrays, or torch's tensors."""

    takes_batches = True

    def __init__(self, name: str, function: Callable[[list[str]], Any]) -> None:
        self.name, self.function = name, function

    def embed(self, texts: Sequence[str]) -> AnyArray:
        """Call the function. What it raises counts as a refusal of these texts."""
        try:
            with redirect_stdout(sys.stderr):  # stdout is for the report
                answer = self.function([*texts])
        except (Exception, SystemExit) as error:  # the function is not ours: it may raise anything
            raise RefusedError(f"{self.name} raised {described(error)}") from error
        return checked_vectors(answer, len(texts), self.name)


def open_function(name: str) -> FunctionTarget:
    """Import ``module:attribute``, also from the current directory."""
    module, _, attribute = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):
            function = reduce(getattr, attribute.split("."), import_module(module))
    except (Exception, SystemExit) as error:  # a module runs code of its own when it is imported
        raise TargetError(f"{name} cannot be imported: {described(error)}") from error
    if not callable(function):
        raise TargetError(
            f"{name} is a {type(function).__name__}, which cannot be called with a list of texts"
        )
    return FunctionTarget(name, function)
