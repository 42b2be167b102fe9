"""Which of a sweep's variants each of its runs is of; a run's spec has the options and not their name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dcpt.core.run_spec import RunSpec
from dcpt.sweep.cells import cells_of
from dcpt.sweep.spec import CptSettings

VARIANT = "variant"
"""Column of ``losses.csv`` and ``mixtures.csv`` where a sweep has several variants."""

_TRUNK = "-trunk"


def variant_names(cpt: CptSettings, runs: Sequence[RunSpec]) -> dict[str, str]:
    """Run id to the name of the variant.

    Parameters
    ----------
    cpt : CptSettings
        The grid.
    runs : sequence of RunSpec
        Its runs.

    Returns
    -------
    dict of str to str
        Without the bases; a trunk that several variants share is of the first of them. Empty for a sweep
        of one variant or none.
    """
    if len(cpt.variants) < 2:
        return {}
    cells = cells_of(cpt)
    whole = {cell.label: cell.variant for cell in cells}
    trunk = {cell.peak_label: cell.variant for cell in cells}
    found = {}
    for run in runs:
        if run.kind == "base":
            continue
        label = run.slug.removeprefix(run.size).partition(f"-s{run.seed}")[2]
        if label.endswith(_TRUNK):
            found[run.run_id] = trunk[label.removesuffix(_TRUNK)]
        else:
            found[run.run_id] = whole[label.rpartition("-d")[0]]
    return found


def with_variants(frame: pd.DataFrame, variants: Mapping[str, str]) -> pd.DataFrame:
    """A frame with a column of run ids, and one of variants where there are several; empty for bases."""
    if not variants:
        return frame
    return frame.assign(**{VARIANT: [variants.get(str(name), "") for name in frame["run_id"]]})
