"""The graph of runs: which one starts from which, and how much work lies behind each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dcpt.core.run_spec import RunSpec


class RunGraph:
    """Runs, those that start from them, and the longest path of work from each to its last descendant.

    Parameters
    ----------
    specs : iterable of RunSpec
        All runs, parents included.
    work : mapping
        Run id to its share of the work (any unit); a run that is absent counts nothing.

    Attributes
    ----------
    specs : dict
        Run id to spec.
    order : list of str
        Run ids, parents first.
    children : dict
        Run id to the runs that start from it.
    path : dict
        Run id to the work of the longest path that begins with it.
    """

    def __init__(self, specs: Iterable[RunSpec], work: Mapping[str, float]) -> None:
        self.specs = {spec.run_id: spec for spec in specs}
        self.order = parents_first(self.specs)
        self.children: dict[str, list[str]] = {name: [] for name in self.specs}
        for name in self.specs:
            parent = self.parent(name)
            if parent is not None:
                self.children[parent].append(name)
        self.path: dict[str, float] = {}
        for name in reversed(self.order):
            below = max((self.path[child] for child in self.children[name]), default=0.0)
            self.path[name] = work.get(name, 0.0) + below

    def parent(self, name: str) -> str | None:
        """The run that `name` starts from, if it is one of the graph's."""
        start = self.specs[name].start
        return start.run_id if start is not None and start.run_id in self.specs else None

    def longest_first(self, names: Iterable[str]) -> list[str]:
        """Run ids by the work behind them, the most first."""
        return sorted(names, key=lambda name: (-self.path[name], name))


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
