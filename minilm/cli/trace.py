"""``minilm trace``: every intermediate of texts, and where another implementation first differs from it."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from minilm.cli.errors import Failure, UsageError, argument_errors
from minilm.cli.options import add_model_options, load_model, real_number, say_truncated
from minilm.cli.terminal import printable, put, text_argument
from minilm.model import MiniLM
from minilm.trace.comparison import TOLERANCES, Comparer
from minilm.trace.files import Tensor, read_trace, write_trace
from minilm.trace.inputs import Inputs, inputs_of_file, inputs_of_texts, text_difference
from minilm.trace.oracle import Oracle
from minilm.trace.report import comparison_text


def tolerance(argument: str) -> float:
    """Return a tolerance, given as a number or as the precision that has it."""
    with suppress(KeyError):
        return TOLERANCES[argument]
    try:
        return real_number(argument)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or one of {', '.join(TOLERANCES)}") from error


def add_trace(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``minilm trace``."""
    add = parser.add_argument
    add("texts", nargs="*", type=text_argument, metavar="TEXT", help="a text, or several for one batch")
    add("-o", "--output", metavar="FILE", help="write every intermediate to this safetensors file")
    add("--dtype", choices=("float64", "float32"), help="dtype of the numbers in it (default: float64)")
    compare = "find the first tensor of this safetensors file that differs; without TEXT, on its input_ids"
    add("--compare", metavar="FILE", help=compare)
    largest = "largest difference, in relation to 1 + |x|; or float32, float16, bfloat16 (default: by dtype)"
    add("--tolerance", type=tolerance, metavar="T", help=largest)
    add("--partial", action="store_true", help="tensors may be missing")
    add_model_options(parser)


def run_trace(options: argparse.Namespace) -> None:
    """Run ``minilm trace``."""
    _check_usage(options)
    theirs = read_trace(Path(options.compare)) if options.compare else {}
    model = load_model(options)
    inputs = _token_inputs(options, model, theirs)
    comparer = Comparer(Oracle(model), inputs, options.tolerance)
    if options.output:
        name, dtype = model.checkpoint.repo_id or model.checkpoint.directory.name, options.dtype or "float64"
        output = Path(options.output)
        family = model.config.model_type
        write_trace(output, comparer.ours, checkpoint=name, texts=options.texts, dtype=dtype, family=family)
        rows, tokens = inputs.input_ids.shape
        texts = "1 text" if rows == 1 else f"{rows} texts"
        put(f"{options.output}: {len(comparer.ours)} tensors of {texts} with up to {tokens} tokens")
    if options.compare:
        _compare(options, comparer, theirs)


def _check_usage(options: argparse.Namespace) -> None:
    if not options.output and not options.compare:
        raise UsageError("name a file: -o FILE writes a trace, --compare FILE compares one")
    if not options.texts and not options.compare:
        raise UsageError("TEXT is missing")
    if options.max_seq_length and not options.texts:
        raise UsageError("--max-seq-length is for TEXT; the token ids of a file are taken as they are")
    if options.dtype and not options.output:
        raise UsageError("--dtype is for -o")
    for flag, value in (("--tolerance", options.tolerance), ("--partial", options.partial)):
        if value and not options.compare:
            raise UsageError(f"{flag} is for --compare")
    if (
        options.output
        and options.compare
        and Path(options.output).resolve() == Path(options.compare).resolve()
    ):
        raise UsageError("-o and --compare name the same file")


def _token_inputs(options: argparse.Namespace, model: MiniLM, theirs: dict[str, Tensor]) -> Inputs:
    """Return the token ids of the texts, with the padding that the other file has, if it has theirs."""
    other = inputs_of_file(model, theirs, options.compare) if theirs else None
    if not options.texts:
        if other is None:
            raise Failure(f"{options.compare} has no input_ids: write them, or name its texts as TEXT")
        return other
    with argument_errors(Failure, {f"inputs[{i}]": f"TEXT {i}" for i in range(len(options.texts))}):
        ours, truncated = inputs_of_texts(model, options.texts)
    say_truncated(model, truncated, len(options.texts))
    if other is None:
        return ours
    if difference := text_difference(other, ours, model):
        raise Failure(f"{options.compare} is of other texts, or of another tokenizer: {difference}")
    return other


def _compare(options: argparse.Namespace, comparer: Comparer, theirs: dict[str, Tensor]) -> None:
    comparison = comparer.compare(theirs)
    if not comparison.compared:
        names = ", ".join([*theirs][:3]) or "none"
        example = next(own for name, own in comparer.names.items() if name not in Inputs._fields)
        raise Failure(f"{options.compare} has no tensor with a name like {example}; its names are {names}")
    for line in comparison_text(comparison, options.compare).splitlines():
        put(printable(line))
    if comparison.difference:
        raise Failure(f"{options.compare} differs: {comparison.difference.says}")
    if comparison.missing and not options.partial:
        raise Failure(
            f"{options.compare}: {len(comparison.missing)} tensors are missing; --partial leaves them aside"
        )
