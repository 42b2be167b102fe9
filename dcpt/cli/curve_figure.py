"""Pictures of fitted and predicted curves: what goes into them, and the file they are written to."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from dcpt.core.curve import Curve, RateHistory
    from dcpt.fit.loss_curves.fit_sets import SetFits

POINTS = 400
"""Steps a line is drawn through."""

KINDS = (".svg", ".png", ".pdf")


def check_figure(path: Path | None, force: bool) -> None:
    """Refuse a name that no picture can be written to, before any work is done.

    Raises
    ------
    ConfigError
        When the ending is none of `KINDS`, or the file is there and `force` is false.
    """
    from dcpt.cli.options import fresh

    if path is None:
        return
    if path.suffix not in KINDS:
        raise ConfigError(f"--figure {path}: wanted a file ending in {', '.join(KINDS)}.")
    fresh(path, force)


def draw_fits(parts: Sequence[tuple[SetFits, list[Curve], list[Curve]]], path: Path) -> None:
    """Draw measured and predicted curves; of many, those that were not fitted first."""
    from dcpt.plots.loss_curve import MOST_CURVES, loss_curves
    from dcpt.plots.style import theme

    pages = []
    with theme("light"):
        for item, train, test in parts:
            shown = [*test, *train][:MOST_CURVES]
            predictor = item.predictor()
            losses, rates = [], []
            for curve in shown:
                losses.append(_measured(curve))
                losses.append(_predicted(predictor, curve.name, curve.history, curve, None, 0.9))
                rates.append(_rates(curve.name, curve.history, int(curve.steps[-1])))
            left_out = len(train) + len(test) - len(shown)
            title = f"{predictor.name} on {item.eval_set}" + (
                f" ({left_out} more curves)" if left_out else ""
            )
            pages.append(loss_curves(_joined(losses), _joined(rates), side=item.side, title=title))
        _write(pages, path)


def draw_prediction(
    parts: Sequence[tuple[Any, str, Mapping[str, float]]], history: RateHistory, level: float, path: Path
) -> None:
    """Draw what fits predict along one history: a predictor, its evaluation set and constants each."""
    from dcpt.plots.loss_curve import loss_curves
    from dcpt.plots.style import theme

    pages = []
    with theme("light"):
        for predictor, eval_set, given in parts:
            losses = _predicted(predictor, eval_set, history, history, given, level)
            title = f"{predictor.name} on {eval_set}"
            pages.append(loss_curves(losses, _rates(eval_set, history), title=title))
        _write(pages, path)


def _measured(curve: Curve) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "curve": curve.name,
            "step": curve.steps - _start(curve.history, int(curve.steps[-1])),
            "value": curve.loss,
            "kind": "measured",
        }
    )


def _predicted(
    predictor: Any, name: str, history: RateHistory, where: Any, given: Any, level: float
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    last = int(where.steps[-1]) if hasattr(where, "steps") else len(history)
    start = _start(history, last)
    first = start + 1 if start else max(history.front, 1)
    steps = np.unique(np.linspace(first, last, POINTS).round().astype(np.int64))
    frame = predictor.predict(where, steps, given, level)
    parts = [("mean", "mean"), ("lo", "obs_lo"), ("hi", "obs_hi")]
    return pd.concat(
        [
            pd.DataFrame({"curve": name, "step": steps - start, "value": frame[column], "kind": kind})
            for kind, column in parts
        ]
    )


def _start(history: RateHistory, last: int) -> int:
    """The step that a picture counts from: the end of pre-training, unless the curve is that itself."""
    return history.switch if last > history.switch else 0


def _rates(name: str, history: RateHistory, last: int | None = None) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    end = len(history) if last is None else last
    start = _start(history, end)
    steps = np.arange(start + 1, end + 1)
    # Every rate that is not on the line between its neighbours, so that steps of the rate stay upright.
    rates = history.rates[steps - 1]
    bent = np.ones(len(steps), dtype=bool)
    bent[1:-1] = np.abs(np.diff(rates, 2)) > 1e-12 * history.peak
    if bent.sum() > 4 * POINTS:
        bent = np.zeros(len(steps), dtype=bool)
        bent[np.unique(np.linspace(0, len(steps) - 1, 4 * POINTS).round().astype(int))] = True
    return pd.DataFrame({"curve": name, "step": steps[bent] - start, "rate": rates[bent]})


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)


def _write(figures: Sequence[Any], path: Path) -> None:
    """One file per figure; further ones get a number."""
    from dcpt.core.files import write_bytes

    for number, figure in enumerate(figures, start=1):
        file = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        buffer = io.BytesIO()
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(buffer, format=path.suffix[1:], metadata=metadata, bbox_inches="tight")
        write_bytes(file, buffer.getvalue())
