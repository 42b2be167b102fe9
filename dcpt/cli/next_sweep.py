"""Sweep files of advised runs: the user's own, with other sizes, ratios, budgets and seeds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.cli import show
from dcpt.core.errors import ConfigError
from dcpt.core.quantity import format_quantity

if TYPE_CHECKING:
    from dcpt.core.loss_table import LossTable
    from dcpt.plan.next_runs.advice import Advice
    from dcpt.plan.next_runs.candidate import Cell
    from dcpt.sweep.prepare import Sweep

Grid = tuple[tuple[float, ...], int, float | None]
"""Budgets, seed and share of the decay: what the runs of one sweep file share."""


def write_sweeps(
    advice: Advice, table: LossTable, sweep: Path | None, data_root: Path | None, folder: Path
) -> list[Path]:
    """Write sweep files of the batch, each a whole one that ``dcpt sweep run`` takes.

    A sweep is a grid, so runs of other budgets or seeds go to files of their own. Bases of the sweep that
    are finished are copied beside them and not trained again.

    Parameters
    ----------
    advice : Advice
        Whose batch.
    table : LossTable
        The runs there are: a run of a size and ratio that is there gets another seed.
    sweep : Path, optional
        The sweep file to vary.
    data_root : Path, optional
        Its corpus root.
    folder : Path
        Where the files go; it may not be there yet.

    Returns
    -------
    list of Path
        The files; none when there is nothing to buy.

    Raises
    ------
    ConfigError
        When there is no sweep file, the folder is there, or no advised size is one of the sweep's.
    """
    from dcpt.core.files import write_text
    from dcpt.core.strict_yaml import read_yaml
    from dcpt.sweep.prepare import find_sweep, prepare
    from dcpt.sweep.spec import read_sweep

    if sweep is None:
        raise ConfigError("--write varies a sweep file; give it with --sweep.")
    if folder.exists():
        raise ConfigError(f"--write: {folder} is there already; wanted a new folder.")
    made = prepare(sweep, data_root)
    if not made.spec.cpt.ratios:
        raise ConfigError(f"{sweep}: a sweep of mixtures has no ratios to vary; --write needs some.")
    if advice.stop or not advice.batch:
        return []
    path = find_sweep(sweep)
    grids = list(_grids(advice, table, made))
    if not grids:
        raise ConfigError(
            f"--write: none of the advised sizes is one of {path}.",
            hint="add a size of about that many parameters to model.sizes, and ask again",
        )
    written = []
    for number, (grid, sizes, ratios) in enumerate(grids, 1):
        place = folder if len(grids) == 1 else folder / str(number)
        document = _varied(read_yaml(path), f"next{number}", grid, sizes, ratios)
        if data_root is None:
            document = _moved(document, path.parent, place)
        import yaml

        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        written.append(write_text(place / "sweep.yaml", text))
        read_sweep(written[-1])
        _copy_bases(made, sizes, place)
    return written


def _grids(
    advice: Advice, table: LossTable, made: Sweep
) -> Iterator[tuple[Grid, tuple[str, ...], tuple[float, ...]]]:
    """The batch as grids: what their runs share, names of sizes, ratios."""
    from dcpt.plan.next_runs.prices import same_size

    names = {rung.N: name for name, rung in made.design.rungs.items() if name in _proxies(made)}
    rows = table.frame[["N", "r", "seed"]].drop_duplicates() if "seed" in table.frame else None
    used: dict[tuple[str, float], set[int]] = {}
    found: dict[Grid, dict[str, set[float]]] = {}
    unknown = set()
    for cell in (cell for offer in advice.batch for cell in offer.candidate.cells):
        name = next((name for N, name in names.items() if same_size(N, cell.N)), None)
        if name is None:
            unknown.add(cell.N)
            continue
        key = (name, cell.r)
        if key not in used:
            mine = (
                []
                if rows is None
                else [
                    int(seed)
                    for N, r, seed in rows.itertuples(index=False)
                    if same_size(N, cell.N) and abs(r - cell.r) < 1e-9
                ]
            )
            used[key] = set(mine)
        seed = next(seed for seed in range(len(used[key]) + 1) if seed not in used[key])
        used[key].add(seed)
        found.setdefault(_grid(cell, seed), {}).setdefault(name, set()).add(cell.r)
    for N in sorted(unknown):
        show.say(f"N={format_quantity(N)} is no size of the sweep file: its runs are not written.")
    merged: dict[tuple[Grid, tuple[float, ...]], list[str]] = {}
    for grid, sizes in found.items():
        for name, ratios in sizes.items():
            merged.setdefault((grid, tuple(sorted(ratios))), []).append(name)
    for (grid, shares), sizes_of in merged.items():
        yield grid, tuple(sizes_of), shares


def _proxies(made: Sweep) -> set[str]:
    return {size.name for size in made.spec.model.sizes}


def _grid(cell: Cell, seed: int) -> Grid:
    return cell.budgets, seed, cell.decay_share


def _varied(
    document: dict[str, Any], ending: str, grid: Grid, sizes: tuple[str, ...], ratios: tuple[float, ...]
) -> dict[str, Any]:
    budgets, seed, decay = grid
    model, cpt = dict(document["model"]), dict(document["cpt"])
    kept = [size for size in model["sizes"] if size.get("name") in sizes]
    model["sizes"] = [{key: value for key, value in size.items() if key != "seeds"} for size in kept]
    cpt |= {"ratios": list(ratios), "seeds": [seed], "budgets": [_whole(D) for D in budgets]}
    if decay is not None and "schedule" in cpt:
        cpt["schedule"] = {**cpt["schedule"], "decay_share": decay}
    return {**document, "name": f"{document['name']}-{ending}", "model": model, "cpt": cpt}


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _moved(document: dict[str, Any], old: Path, new: Path) -> dict[str, Any]:
    """The same with relative paths that start from the new folder."""

    def path_of(value: Any) -> Any:
        there = isinstance(value, str) and not os.path.isabs(value) and (old / value).exists()
        return os.path.relpath(old / value, new) if there else value

    def moved(part: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: path_of(value) if key in ("path", "checkpoint") else value for key, value in part.items()
        }

    corpora = [
        {key: moved(value) if isinstance(value, dict) else value for key, value in corpus.items()}
        for corpus in document["corpora"]
    ]
    model = {**document["model"], "sizes": [moved(size) for size in document["model"]["sizes"]]}
    found = {**document, "corpora": corpora, "model": model}
    return {**found, "tokenizer": moved(document["tokenizer"])} if "tokenizer" in document else found


def _copy_bases(made: Sweep, sizes: tuple[str, ...], place: Path) -> None:
    """Finished bases of the sweep, so that they are not trained again."""
    from dcpt.core.run_record import RunRecord
    from dcpt.run.store import run_folder

    for name in (*sizes, *([made.spec.target.size.name] if made.spec.target else [])):
        folder = run_folder(made.root, made.design.bases[name])
        record = RunRecord.load(folder) if folder.exists() else None
        if record is not None and record.status == "finished":
            shutil.copytree(folder, run_folder(place, made.design.bases[name]), dirs_exist_ok=True)
