from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dcpt.core.errors import ConfigError, DataError
from dcpt.plots import style
from dcpt.plots.loss_vs_ratio import loss_vs_ratio
from dcpt.plots.loss_vs_tokens import loss_vs_tokens
from dcpt.plots.measured_vs_fitted import measured_vs_fitted
from dcpt.plots.predicted_vs_measured import predicted_vs_measured
from dcpt.plots.ratio_decision import ratio_decision
from dcpt.plots.trade_off import trade_off

R = np.linspace(0.1, 0.9, 9)


def curves() -> pd.DataFrame:
    rows = []
    for N in (1e6, 7e6):
        for D in (1e8, 2e8):
            for r in R:
                value = 3 - r - np.log10(N) / 10 - np.log10(D) / 20
                kinds = {"mean": value, "lo": value - 0.1, "hi": value + 0.1}
                kinds |= {"measured": value + 0.01} if N == 1e6 else {}
                rows += [{"r": r, "N": N, "D": D, "value": v, "kind": k} for k, v in kinds.items()]
    return pd.DataFrame(rows)


DECISION = pd.DataFrame(
    {"r": R, "mean": 3 - R, "lo": 2.9 - R, "hi": 3.1 - R, "obs_lo": 2.8 - R, "obs_hi": 3.2 - R}
)
COMPARED = pd.DataFrame(
    {"label": ["a", "b"], "predicted": 3.0, "mean_lo": 2.9, "mean_hi": 3.1, "obs_lo": 2.8, "obs_hi": 3.2,
     "measured": [3.05, 3.5]}
)  # fmt: skip
PLOTS = {
    "ratio": lambda ax: loss_vs_ratio(curves().query("D == 1e8"), side="domain", title="t", ax=ax),
    "tokens": lambda ax: loss_vs_tokens(curves().query("N == 1e6"), ax=ax),
    "trade": lambda ax: trade_off(
        pd.DataFrame({"r": R, "general": 2 + R, "domain": 3 - R}), r=0.4, ceiling=2.4, general_now=2.3, ax=ax
    ),
    "decision": lambda ax: ratio_decision(
        DECISION, side="general", r=0.4, r_lo=0.3, r_hi=0.5, limit=2.5, ax=ax
    ),
    "scatter": lambda ax: measured_vs_fitted(
        pd.DataFrame({"N": [1e6, 7e6], "measured": [3.0, 2.5], "fitted": [3.1, 2.4]}), ax=ax
    ),
    "compare": lambda ax: predicted_vs_measured(COMPARED, ax=ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_returns_the_axes_it_was_given_or_new_ones(name) -> None:
    given = Figure().add_subplot()
    assert PLOTS[name](given) is given
    assert isinstance(PLOTS[name](None), Axes)


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_leaves_the_settings_of_the_caller_alone(name) -> None:
    before = dict(mpl.rcParams)
    FigureCanvasAgg(PLOTS[name](None).figure).draw()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("theme", style.THEMES)
def test_every_text_lies_inside_the_figure(theme) -> None:
    with style.theme(theme):
        for name, draw in PLOTS.items():
            figure = draw(None).figure
            FigureCanvasAgg(figure).draw()
            frame = figure.bbox
            (ax,) = figure.axes
            for text in [*ax.texts, ax.title, ax.xaxis.label, ax.yaxis.label]:
                if text.get_visible() and text.get_text():
                    box = text.get_window_extent()
                    assert box.x0 >= frame.x0 - 1, (name, text.get_text())
                    assert box.x1 <= frame.x1 + 1, (name, text.get_text())
                    assert box.y1 <= frame.y1 + 1, (name, text.get_text())


@pytest.mark.parametrize("unit", ["nats per token", "bits per byte"])
def test_labels_name_the_unit(unit) -> None:
    drawn = (
        loss_vs_ratio(curves().query("D == 1e8"), side="domain", unit=unit),
        loss_vs_tokens(curves().query("N == 1e6"), unit=unit),
        trade_off(pd.DataFrame({"r": R, "general": 2 + R, "domain": 3 - R}), unit=unit),
        ratio_decision(DECISION, side="general", r=0.4, unit=unit),
        measured_vs_fitted(pd.DataFrame({"N": [1e6], "measured": [3.0], "fitted": [3.1]}), unit=unit),
        predicted_vs_measured(COMPARED, unit=unit),
    )
    for ax in drawn:
        assert unit in ax.get_xlabel() + ax.get_ylabel()


def test_labels_at_the_ends_do_not_touch() -> None:
    heights = style.spread_out([0.0, 1.0, 2.0, 50.0, 51.0], 11.0)
    assert np.diff(heights).min() >= 11.0 - 1e-9
    assert np.mean(heights[:3]) == pytest.approx(1.0)
    assert style.spread_out([0.0, 100.0], 11.0) == [0.0, 100.0]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="'kind' is missing"):
        loss_vs_ratio(curves().drop(columns="kind"))
    with pytest.raises(DataError, match="'median' is unknown"):
        loss_vs_ratio(curves().replace("lo", "median"))
    with pytest.raises(DataError, match="empty"):
        trade_off(pd.DataFrame({"r": [], "general": [], "domain": []}))


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(ConfigError, match="known are light, dark"), style.theme("sepia"):
        pass


def test_shades_are_ordered_by_weight() -> None:
    luminance = [np.mean(mpl.colors.to_rgb(colour)) for colour in style.ramp(5)]
    assert (np.diff(luminance) < 0).all()
