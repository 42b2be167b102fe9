"""Rows of bases, which have seen no mixture: an empty ratio at D = 0."""

from __future__ import annotations

import pandas as pd

from dcpt.core.cells import as_numbers


def fill_bases(frame: pd.DataFrame, empty: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """Write the domain share 0 into rows of bases that leave it empty, as the tables of a sweep have it.

    Parameters
    ----------
    frame : pandas.DataFrame
        With the columns D and r.
    empty : Series of bool
        Rows whose r is empty.

    Returns
    -------
    frame : pandas.DataFrame
    empty : Series of bool
        Rows whose r is empty still: those were trained, on what is not known.
    """
    base = empty & (as_numbers(frame["D"])[0] == 0)
    if not base.any():
        return frame, empty
    shares = frame["r"]
    if pd.api.types.is_numeric_dtype(shares.dtype):
        return frame.assign(r=shares.astype(float).mask(base, 0.0)), empty & ~base
    # Where every other share carries a per cent sign, all of the column is read as such.
    percent = shares[~empty].astype(str).str.strip().str.endswith("%").all()
    return frame.assign(r=shares.mask(base, "0%" if percent else "0")), empty & ~base


def hint_of_ratio(own: str, bases: bool) -> str:
    """What to do about rows that were trained and do not say on what share.

    Parameters
    ----------
    own : str
        The file's name of the column.
    bases : bool
        Whether rows of bases are empty, too: a condition leaves them out with the others.
    """
    cost = " (the bases, D = 0, too, unless r is 0 in their rows)" if bases else ""
    return (
        "fill in the domain share of their tokens, D = 0 where they are bases; or, if such rows are to be "
        f"left out, say so: --where '{own}!='{cost}"
    )
