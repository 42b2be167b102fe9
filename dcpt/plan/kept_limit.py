"""A limit as a plan reports it: where it stands, how surely it is kept, and whether it binds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeptLimit:
    """One limit at the answer.

    Attributes
    ----------
    label : str
        What the plan calls the loss.
    text : str
        The limit as it was asked for.
    ceiling : float
        Highest loss allowed, in the unit of the plan.
    kept : float or None
        Share of the draws in which the planned run keeps it; None without draws.
    r_edge : float or None
        Largest searched ratio that keeps this limit alone, under the point fit; None where none does, or
        where the ratio is not all that was chosen.
    binds : bool
        Whether it is what keeps the objective from falling further.
    """

    label: str
    text: str
    ceiling: float
    kept: float | None
    r_edge: float | None
    binds: bool

    def sentence(self, loss: float, unit: str) -> str:
        """Where the ceiling lies and how far a predicted loss, in `unit`, is from it."""
        keep = self.text.replace("<=", "≤").replace(" -", " −")
        gap = "at it" if self.binds else f"{self.ceiling - loss:.4f} {unit} below it"
        return f"The ceiling is {self.ceiling:.4f} {unit} ({keep}); the prediction is {gap}."
