"""One check of a target, as the command makes it."""

from __future__ import annotations

from pathlib import Path

from minilm.check.answers import ask
from minilm.check.findings import Check, Judge
from minilm.check.targets.target import Target
from minilm.check.texts import chosen_texts
from minilm.check.variants import Variants
from tests.check.implementations import Implementation


def check_target(target: Target, variants: Variants, *, quick: bool) -> Check:
    """Ask a target, and say what differs."""
    tokenizer = variants.model.pipeline.tokenizer
    answers = ask(target, chosen_texts(quick=quick), lambda text: len(tokenizer.texts([text]).input_ids[0]))
    return Judge(variants, answers).run()


def check_implementation(
    name: str, one: Implementation, variants: Variants, folder: Path, *, quick: bool = True
) -> Check:
    """Check an implementation; the test is skipped if its package is not installed."""
    target = one.target(name, variants.model.checkpoint.directory, folder)
    return check_target(target, variants, quick=quick)


def differences(check: Check) -> set[str]:
    """Return the names of the findings, but for the one that explains the precision."""
    return {finding.name for finding in check.findings} - {"precision"}
