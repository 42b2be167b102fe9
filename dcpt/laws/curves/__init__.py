"""Laws of loss curves: the loss at any step, from the learning rates of all steps before it."""

from dcpt.laws.curves.curve_law import CurveLaw, Features
from dcpt.laws.curves.registry import get_curve_law, list_curve_laws

__all__ = ["CurveLaw", "Features", "get_curve_law", "list_curve_laws"]
