"""``--mirror`` and ``dcpt sweep mirror``: runs shown in an experiment tracker."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcpt.cli import show

if TYPE_CHECKING:
    from dcpt.run.sinks.sink import Tracker

MirrorTo = Annotated[
    str | None,
    typer.Option(
        "--mirror",
        metavar="TRACKERS",
        help="Show the runs in tensorboard, wandb or trackio, too: some of them with commas, or none "
        "(default: mirror.to in the sweep file). No run waits for it or depends on it.",
    ),
]


def mirrored(sweep: Any, asked: str | None) -> contextlib.AbstractContextManager[None]:
    """Mirror a prepared sweep's runs while the block lasts, as was asked or as its file says.

    Raises
    ------
    ConfigError
        When a tracker is unknown.
    """
    from dcpt.run.sinks.mirroring import mirroring
    from dcpt.run.sinks.sink import read_names

    settings = sweep.spec.mirror
    names = settings.to if asked is None else read_names(asked)
    return mirroring(sweep.root, names, settings.project or sweep.spec.name, show.say)


def mirror(
    path: Annotated[Path, typer.Argument(help="The sweep file, or the folder of a sweep or a launch.")],
    to: Annotated[str, typer.Option("--to", help="tensorboard, wandb or trackio; several with commas.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show runs in an experiment tracker: what their journals have and it has not."""
    from dcpt.core.errors import ConfigError, DataError
    from dcpt.run.sinks.sink import FOLDER, TRACKERS, read_names

    names = read_names(to)
    if not names:
        raise ConfigError(f"--to {to!r} names no tracker; wanted some of {', '.join(TRACKERS)}.")
    root, project = _place(path)
    if not any((root / "runs").glob("*/metrics.jsonl")):
        raise DataError(f"{root}: no run has begun; there is nothing to mirror.")
    for name in names:
        if not TRACKERS[name].installed:
            raise ConfigError(f"{name} is not installed.", hint=f"pip install 'dcpt[{name}]'")
    done = {name: _mirror_once(root, TRACKERS[name], project) for name in names}
    if json:
        places = {name: str(root / FOLDER / name) for name in names}
        show.document("sweep-mirror", {"steps": done, "folders": places})
        return
    for name, steps in done.items():
        show.result(f"{root / FOLDER / name}: {steps} steps more")


def _mirror_once(root: Path, tracker: Tracker, project: str) -> int:
    from dcpt.core.errors import DataError, DcptError
    from dcpt.run.sinks.mirror import Mirror

    # Trackers talk on standard output, which is for results.
    with contextlib.redirect_stdout(sys.stderr):
        mirrored = Mirror(root, tracker, project)
        try:
            count = mirrored.catch_up()
            mirrored.close()
        except DcptError:
            raise
        except Exception as error:  # a tracker may raise anything
            mirrored.drop()
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise DataError(
                f"{tracker.name} failed: {lines[0]}",
                hint="the runs are as they were; the same command goes on where it stopped",
            ) from error
    return count


def _place(path: Path) -> tuple[Path, str]:
    """Folder of the runs, and what they are called together."""
    if path.is_dir() and not (path / "sweep.yaml").exists():
        return path, path.resolve().name
    from dcpt.sweep.prepare import find_sweep
    from dcpt.sweep.spec import read_sweep

    found = find_sweep(path)
    spec = read_sweep(found)
    return found.parent, spec.mirror.project or spec.name
