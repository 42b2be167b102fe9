"""Command line of the trainer: run, serve, full, count."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dcpt.train.full.options import add_options, read_options
from dcpt.train.full.parent_death import die_with_parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and do what it says.

    Returns
    -------
    int
        Exit status: 0; 7 when the run did not finish; 75 when stopped, to be resumed; 2 or 3 for
        unusable input of ``count``.
    """
    parent = os.getppid()  # before the slow imports, during which it may die
    parser = argparse.ArgumentParser(prog="python -m dcpt.train", description="Train runs of a sweep.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="train the run of one folder")
    one.add_argument("run_dir", type=Path, help="ROOT/runs/<run_id>, with a spec.json")
    worker = commands.add_parser("serve", help="take runs from standard input, one after another")
    full = commands.add_parser("full", help="be one process of a run over several (see torchrun)")
    add_options(full)
    for command in (one, worker, full):
        command.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
        command.add_argument("--precision", default="fp32", help="fp32 or bf16 (default: fp32)")
        command.add_argument("--threads", type=int, default=None, help="CPU threads (default: 1)")
    worker.add_argument(
        "--pack",
        type=_pack_size,
        default="off",
        help="runs of a line together: auto, off or how many at most",
    )
    worker.add_argument(
        "--compile", choices=("auto", "on", "off"), default="auto", help="torch.compile for packs"
    )
    count = commands.add_parser("count", help="print the parameters of models by component, one line each")
    count.add_argument("models", metavar="model", type=Path, nargs="+", help="JSON file of a ModelSpec")
    options = parser.parse_args(arguments)
    # One thread unless asked: several processes with more than one each stall one another. This must
    # stand before torch is imported.
    threads = str(getattr(options, "threads", None) or 1)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = threads
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if options.command == "full":  # before the imports, during which torchrun may die
        die_with_parent()
    with _events() as emit:
        from dcpt.core.errors import DcptError

        try:
            if options.command == "count":
                return _count(options.models, emit)
            if options.command == "full":
                return _full(options, emit)
            return _train(options, parent, emit)
        except DcptError as error:
            # One line: who starts `count` shows the last one.
            hint = f" ({error.hint})" if error.hint is not None else ""
            print(f"{error.message}{hint}", file=sys.stderr)
            return error.exit_code


def _pack_size(text: str) -> Any:
    if text in ("auto", "off"):
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, off or a number of runs")
    return int(text)


@contextlib.contextmanager
def _events() -> Any:
    """Keep standard output for JSON lines: what a library prints goes to standard error."""
    sys.stdout.flush()
    handle = os.dup(1)
    os.dup2(2, 1)

    def emit(event: dict[str, Any]) -> None:
        # A reader that has died is noticed by its process id, not by the pipe.
        with contextlib.suppress(BrokenPipeError):
            os.write(handle, (json.dumps(event) + "\n").encode("utf-8"))

    try:
        yield emit
    finally:
        sys.stdout.flush()
        os.dup2(handle, 1)
        os.close(handle)


def _train(options: argparse.Namespace, parent: int, emit: Callable[[dict[str, Any]], None]) -> int:
    from dcpt.core.errors import RunError
    from dcpt.train.failure import Stopped
    from dcpt.train.guard import guard
    from dcpt.train.model import quiet_transformers
    from dcpt.train.pack.worklist import Packing
    from dcpt.train.processor import prepare_processor
    from dcpt.train.serve import EXIT_STOPPED, Watch, serve, train_one

    quiet_transformers()

    def work(parent: int, above: int | None) -> int:
        watch = Watch(parent, above)
        processor = prepare_processor(options.device, options.precision, options.threads)
        return serve(processor, emit, watch, Packing(options.pack, options.compile))

    if options.command == "serve":
        return guard(parent, emit, work)
    processor = prepare_processor(options.device, options.precision, options.threads)
    try:
        finished = train_one(options.run_dir.resolve(), processor, emit, Watch(None))
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return EXIT_STOPPED
    return 0 if finished else RunError.exit_code


def _full(options: argparse.Namespace, emit: Callable[[dict[str, Any]], None]) -> int:
    from dcpt.train.full.command import train_full
    from dcpt.train.model import quiet_transformers

    quiet_transformers()
    return train_full(options.run_dir, read_options(options), options.threads, emit)


def _count(paths: Sequence[Path], emit: Callable[[dict[str, Any]], None]) -> int:
    from dcpt.core.errors import DataError
    from dcpt.core.run_spec import ModelSpec, from_dict
    from dcpt.train.model import check_described, count_on_meta, quiet_transformers

    quiet_transformers()
    for path in paths:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read as JSON ({error}).") from None
        model = from_dict(ModelSpec, document, str(path))
        counts = count_on_meta(model)
        check_described(model)
        emit(counts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
