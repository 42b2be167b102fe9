"""How fast the launched runs were, from their records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dcpt.core.quantity import format_quantity
from dcpt.core.run_record import RunRecord
from dcpt.run import store


def speed_sentences(root: Path, run_ids: Iterable[str]) -> list[str]:
    """One sentence per run that several processes' trainer finished: tokens per second and utilisation.

    Parameters
    ----------
    root : Path
        Folder of the sweep.
    run_ids : iterable of str
        The runs.
    """
    sentences = []
    for name in run_ids:
        record = RunRecord.load(store.run_folder(root, name))
        host = {} if record is None else record.host
        if "processes" not in host or "tokens_per_second" not in host:
            continue
        processes = "1 process" if host["processes"] == "1" else f"{host['processes']} processes"
        text = f"{name}: {format_quantity(float(host['tokens_per_second']))} tokens/s on {processes}"
        if "mfu" in host:
            share = 100 * float(host["mfu"])
            text += f", {share:.1f} % of what {host['mfu_hardware']} can do at best (model FLOPs)"
        sentences.append(text)
    return sentences
