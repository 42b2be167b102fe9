"""Wide files: each evaluation set is a column of losses, one line per run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from dcpt.core.errors import DataError


def melt_sets(
    frame: pd.DataFrame, roles: Mapping[str, str], path: Path, kept: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """One row per line and evaluation set of a wide file.

    Parameters
    ----------
    frame : pandas.DataFrame
        The lines, numbered from 1 by their index.
    roles : mapping
        Evaluation set to its side; these, ``general`` and ``domain`` are looked for.
    path : Path
        The file, for messages and the names of runs.
    kept : sequence of str
        Columns to keep beside them.

    Returns
    -------
    frame : pandas.DataFrame
        With the columns eval_set and value.
    sets : list of str
        The columns that were evaluation sets.

    Raises
    ------
    DataError
        When a set with a role is no column, or none is a set.
    """
    check_roles(roles, frame.columns, path)
    sets = [name for name in dict.fromkeys([*roles, "general", "domain"]) if name in frame]
    if not sets:
        raise DataError(f"{path}: no column is an evaluation set.", hint="name them: --role medical=domain")
    taken = ("eval_set", "value", "role")
    keys = [name for name in frame if name in kept and name not in sets and name not in taken]
    # One training run is one line of a wide file: its number keeps the lines apart.
    if "run_id" not in frame:
        frame = frame.assign(run_id=[f"{path.stem}-{number}" for number in frame.index])
        keys.append("run_id")
    long = frame.melt(id_vars=keys, value_vars=sets, var_name="eval_set", ignore_index=False)
    return long, sets


def check_roles(roles: Mapping[str, str], known: Iterable[str], path: Path) -> None:
    """Refuse a role of a set that is not there.

    Raises
    ------
    DataError
        Naming the set; the hint says which one is meant.
    """
    present = list(map(str, known))
    for name in roles:
        if name not in present:
            near = get_close_matches(name, present, n=1)
            raise DataError(
                f"{path}: evaluation set {name!r}, which a role is given for, is not there; "
                f"found {', '.join(present)}.",
                hint=f"did you mean {near[0]!r}?" if near else None,
            )
