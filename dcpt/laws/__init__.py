"""Laws: validation loss as a function of model size, tokens and mixture, one file per law."""

from __future__ import annotations

from dcpt.laws.law import Law, linear, nonlinear
from dcpt.laws.registry import get_law, list_laws

__all__ = ["Law", "get_law", "linear", "list_laws", "nonlinear"]
