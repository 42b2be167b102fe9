"""The sections of the results page on batches, packs, workers and what is killed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def runner(results: Mapping[str, Any]) -> list[str]:
    """What the runner does in a second, and what it survives; only what was measured."""
    makers = {"sampler": _sampler, "status": _status, "workers": _workers, "kills": _kills}
    rows = [maker(results[name]) for name, maker in makers.items() if name in results]
    packs = [item for item in results.values() if item["benchmark"] == "packing"]
    if not rows and not packs:
        return []
    return ["## The runner\n", *(f"- {row}" for row in rows), "", *(_packs(packs) if packs else [])]


def _sampler(item: Mapping[str, Any]) -> str:
    return (
        f"**Batches**: {item['tokens_per_second'] / 1e6:.1f} Mtok/s of one core at T = {item['context']}, "
        f"batch {item['batch']} (CPU time). Over {item['steps']:,} steps no corpus is ever "
        f"{item['largest_error_sequences']:.2f} sequences off its share; ranks of "
        f"{', '.join(map(str, item['world_sizes']))} processes read the batches of one."
    )


def _status(item: Mapping[str, Any]) -> str:
    return (
        f"**A sweep of {item['runs']:,} finished runs** ({item['rows']:,} rows): status "
        f"{item['status_seconds']:.2f} s, loss table {item['table_seconds']:.2f} s by the clock "
        f"({item['status_cpu_seconds']:.2f} and {item['table_cpu_seconds']:.2f} s of CPU); the whole command "
        f"`dcpt sweep status`, imports included, {item['command_seconds']:.1f} s."
    )


def _workers(item: Mapping[str, Any]) -> str:
    return (
        f"**{item['workers']} workers** do {100 * item['share_of_sum']:.0f} % of {item['workers']} times "
        f"what one does alone ({item['tokens_per_second']:,} against "
        f"{item['tokens_per_second_of_one']:,} tokens/s; load {item['machine']['load'][0]:.1f})."
    )


def _kills(item: Mapping[str, Any]) -> str:
    kinds = ", ".join(f"{count} of a {name}" for name, count in item["killed"].items())
    return (
        f"**{item['kills']} SIGKILLs** ({kinds}) in {item['sweeps']} sweeps, {item['runs']} runs in all: "
        f"{item['lost_runs']} runs lost, {item['differing_losses']} losses differ from those of a sweep that "
        "nobody disturbed."
    )


def _packs(items: list[Mapping[str, Any]]) -> list[str]:
    rows = [
        "Packs, one process: runs trained together against the same runs one after another, setting up,\n"
        "evaluations and checkpoints included.\n",
        "| shape | device | runs | CPU time | clock | largest difference of a loss | between seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {item['shape']} | {item['device']}, {item['precision']} | {item['runs']} | "
        f"{item['speedup_in_cpu_time']:.2f}x | {item['speedup']:.2f}x | {item['max_loss_difference']:.1g} of "
        f"{item['losses_compared']} losses | {item['seed_noise']:.2g} |"
        for item in items
    ]
    return [*rows, ""]
