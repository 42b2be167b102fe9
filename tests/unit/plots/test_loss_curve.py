"""Figures of curves: what is drawn of a frame, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dcpt.core.errors import DataError
from dcpt.plots.loss_curve import loss_curve, loss_curves, rate_curve, shown_losses


@pytest.fixture
def losses() -> pd.DataFrame:
    steps = np.arange(1, 101)
    mean = 3.0 + 4.0 / steps
    parts = [("measured", mean[::5] + 0.01, steps[::5]), ("mean", mean, steps)]
    parts += [("lo", mean - 0.1, steps), ("hi", mean + 0.1, steps)]
    return pd.concat(
        [pd.DataFrame({"curve": "a", "step": at, "value": value, "kind": kind}) for kind, value, at in parts]
    )


@pytest.fixture
def rates() -> pd.DataFrame:
    return pd.DataFrame({"curve": "a", "step": [1, 80, 100], "rate": [1e-3, 1e-3, 0.0]})


def test_dots_are_the_measured_losses_and_the_line_the_law(losses: pd.DataFrame) -> None:
    ax = loss_curve(losses, side="domain")
    dots = losses[losses["kind"] == "measured"]
    assert np.asarray(ax.collections[1].get_offsets()).tolist() == dots[["step", "value"]].to_numpy().tolist()
    assert ax.lines[0].get_ydata().tolist() == losses.loc[losses["kind"] == "mean", "value"].tolist()
    assert ax.get_ylabel() == "domain loss, nats per token"


def test_the_first_steep_losses_do_not_set_the_scale(losses: pd.DataFrame) -> None:
    low, high = shown_losses(losses)
    assert low < losses.loc[losses["kind"] != "lo", "value"].min()
    assert 3.5 < high < 6.0


def test_curves_stand_side_by_side_over_their_rates_on_one_scale(
    losses: pd.DataFrame, rates: pd.DataFrame
) -> None:
    names = ("a", "b", "c", "d")
    figure = loss_curves(
        pd.concat([losses.assign(curve=name) for name in names]),
        pd.concat([rates.assign(curve=name) for name in names]),
        title="four",
    )
    axes = figure.axes
    assert len(axes) == 8
    above, below = axes[::2], axes[1::2]
    assert [ax.get_title(loc="left") for ax in above] == list(names)
    assert len({ax.get_ylim() for ax in above}) == 1
    assert all(one.get_xlim() == other.get_xlim() for one, other in zip(above, below, strict=True))
    assert below[0].lines[0].get_ydata().tolist() == [1e-3, 1e-3, 0.0]


def test_a_frame_without_its_columns_is_refused(losses: pd.DataFrame, rates: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="loss_curve: column 'kind' is missing"):
        loss_curve(losses.drop(columns="kind"))
    with pytest.raises(DataError, match="rate_curve: column 'rate' is missing"):
        rate_curve(rates.drop(columns="rate"))
    with pytest.raises(DataError, match="loss_curves: column 'curve' is missing"):
        loss_curves(losses.drop(columns="curve"), rates)
