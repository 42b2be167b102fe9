"""What ``dcpt launch`` says beside its result: losses that leave their bands, commands for a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.cli import show

if TYPE_CHECKING:
    from dcpt.launch.full_settings import FullSettings


class Talk:
    """Passes events on and puts those that a person should hear of into words.

    Parameters
    ----------
    progress : callable
        Takes every other event.
    """

    def __init__(self, progress: Callable[[dict[str, Any]], None]) -> None:
        self.progress = progress

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event of a trainer."""
        if event["event"] != "band":
            self.progress(event)
            return
        from dcpt.launch.band import left_band

        show.say(left_band(event))


def show_commands(settings: FullSettings, folders: Sequence[Path], launch: dict[str, Any] | None) -> None:
    """Print what to type on a cluster, run by run, the base first.

    Parameters
    ----------
    settings : FullSettings
        Machines and processes.
    folders : sequence of Path
        Folders of the runs that have not finished.
    launch : dict, optional
        The launch; given, one JSON document is printed.
    """
    commands = [{"run_id": folder.name, "commands": settings.lines(folder)} for folder in folders]
    if launch is not None:
        show.document("launch", {"dry_run": False, "launch": launch, "commands": commands})
        return
    lines = ["# one run after another; each goes on from its last checkpoint when it is started again"]
    for folder in folders:
        hand, slurm = settings.lines(folder)
        lines += ["", f"# {folder.name}: on every machine, or inside a Slurm job", hand, slurm]
    lines += ["", "# then the same dcpt launch command again: it trains nothing and gathers the losses"]
    show.result("\n".join(lines))
