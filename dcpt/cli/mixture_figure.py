"""The picture of a plan of a mixture, written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcpt.plan.mixtures.mixture_plan import MixturePlan


def draw_mixture(plan: MixturePlan, path: Path) -> None:
    """Draw shares and expected losses side by side; the ending says the kind of file.

    Raises
    ------
    DataError
        When the disk refuses the write.
    """
    import io

    from dcpt.core import files
    from dcpt.plan.mixtures.mixture_frames import beside, compared_frame, shares_frame
    from dcpt.plots.mixture_decision import mixture_losses, mixture_shares
    from dcpt.plots.style import figure, theme

    shares = shares_frame(plan)
    with theme("light"):
        canvas = figure(10.0, max(3.2, 0.28 * len(shares) + 1.2))
        left, right = canvas.subplots(1, 2)
        mixture_shares(shares, title=f"Shares (bar: the answer; mark: {beside(plan)})", ax=left)
        goal = str(plan.question.minimise)
        mixture_losses(compared_frame(plan), goal=goal, title="Expected (cross: measured)", ax=right)
        buffer = io.BytesIO()
        kind = path.suffix.lstrip(".")
        canvas.savefig(buffer, format=kind, metadata=None if kind == "png" else {"Creator": "dcpt"})
    files.write_bytes(path, buffer.getvalue())
