"""Coverage-guided fuzzing of one target: ``python -m fuzz.run TARGET [option of libFuzzer ...]``."""

from __future__ import annotations

import hashlib
import importlib
import logging
import sys
from pathlib import Path

import atheris

TARGETS = ("encode", "checkpoint", "http_body")
INSTRUMENTED = ["minilm", "fastapi"]


def main(arguments: list[str]) -> None:
    """Run until libFuzzer's options end the run, or a promise is broken."""
    if not arguments or arguments[0] not in TARGETS:
        sys.exit(f"usage: python -m fuzz.run {{{','.join(TARGETS)}}} [option of libFuzzer ...]")
    # refused inputs are logged, thousands of times per second
    logging.getLogger("minilm").setLevel(logging.CRITICAL)
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = importlib.import_module(f"fuzz.{arguments[0]}")
    options = arguments[1:]
    if not any(Path(option).is_file() for option in options):  # with a file, only that input is run
        corpus = Path(__file__).with_name("corpus") / arguments[0]
        corpus.mkdir(parents=True, exist_ok=True)
        for seed in target.SEEDS:
            (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        options.append(str(corpus))
    atheris.Setup([arguments[0], *options], target.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
