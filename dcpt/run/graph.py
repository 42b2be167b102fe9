"""The graph of runs: which one starts from which."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.run_spec import RunSpec


def parents_first(specs: Mapping[str, RunSpec]) -> list[str]:
    """Run ids, each after the run it starts from."""
    order: list[str] = []
    placed: set[str] = set()

    def place(name: str) -> None:
        if name in placed:
            return
        placed.add(name)
        start = specs[name].start
        if start is not None and start.run_id in specs:
            place(start.run_id)
        order.append(name)

    for name in specs:
        place(name)
    return order
