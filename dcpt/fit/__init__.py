"""Fitting: a loss table and a law in, values with honest intervals and reasons for doubt out."""

from __future__ import annotations

from dcpt.fit.fit import fit_law, fit_table
from dcpt.fit.fit_file import FitSet, load_fits
from dcpt.fit.law_fit import LawFit

__all__ = ["FitSet", "LawFit", "fit_law", "fit_table", "load_fits"]
