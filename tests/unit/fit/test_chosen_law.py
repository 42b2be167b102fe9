"""Which law predicts, and what is said when its interval says nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dcpt.fit.brief import brief_text
from dcpt.fit.chosen_law import why_chosen, why_not_first
from dcpt.fit.doubt import FitWarning
from dcpt.fit.fit_file import FitSet, load_fits
from dcpt.fit.reach import wide_intervals
from dcpt.fit.score import LARGEST_D, LARGEST_N


@pytest.fixture(scope="module")
def fits() -> FitSet:
    """Two laws on each side; the one that errs least on sizes errs most on tokens."""
    found = load_fits(Path(__file__).parents[3] / "fits" / "law_cpu")
    own = [fit for fit in found if fit.eval_set == "general"][:2]
    errors = {own[0].law.name: (0.01, 0.05), own[1].law.name: (0.02, 0.02)}

    def scored(fit):
        kinds = dict(zip((LARGEST_N, LARGEST_D), errors[fit.law.name], strict=True))
        scores = (
            replace(item, mae=kinds[item.kind]) if item.kind in kinds and item.model == fit.law.name else item
            for item in fit.holdouts
        )
        return replace(fit, holdouts=tuple(scores), warnings=())

    return FitSet(tuple(scored(fit) for fit in own))


def test_a_law_that_gives_way_with_distance_is_named(fits: FitSet) -> None:
    near, far = (fit.law.name for fit in fits)
    fitted = fits.fits[0].ranges["D"][1]
    assert (fits.best("general", None, fitted).law.name, fits.best("general", None, 2 * fitted).law.name) == (
        near,
        far,
    )
    assert why_chosen(fits, "general", fitted) == (
        f"{near} is taken for general: it has the least error on what was left out: "
        "0.0100 on the largest size."
    )
    said = why_chosen(fits, "general", 2 * fitted)
    assert said.startswith(f"{far} is taken for general")
    assert "0.0200 on the largest size and 0.0200 on the largest number of tokens" in said
    assert f"up to those it would be {near} (0.0100 on the largest size and 0.0500 on the largest" in said
    assert why_chosen(FitSet(fits.fits[:1]), "general", fitted) == ""


def test_a_law_that_errs_less_and_gives_way_is_named_with_the_reason(fits: FitSet) -> None:
    first, second = fits
    fitted = first.ranges["D"][1]
    assert why_not_first(fits, "general", fitted) == ""
    open_ends = replace(first, warnings=(FitWarning("rank", "", ("b", "g")),))
    found = FitSet((open_ends, second))
    assert found.best("general") is second
    said = why_not_first(found, "general")
    assert said == why_chosen(found, "general", fitted)
    assert said == (
        f"{second.law.name} is taken for general: of the laws that may be taken it has the least error on "
        f"what was left out: 0.0200 on the largest size. Less error has {first.law.name} (0.0100 on the "
        "largest size), but the fitted points do not determine b, g."
    )
    # The one that gives way is not named where it errs more, nor where every law would.
    worse = FitSet((first, replace(second, warnings=open_ends.warnings)))
    assert "Less error" not in why_chosen(worse, "general")
    both = FitSet((open_ends, replace(second, warnings=open_ends.warnings)))
    assert both.best("general") is open_ends
    assert "may be taken" not in why_chosen(both, "general")


def test_a_law_without_the_hold_out_that_counts_gives_way(fits: FitSet) -> None:
    first, second = fits
    far = 2 * first.ranges["D"][1]

    def without(fit, *kinds):
        return replace(fit, holdouts=tuple(item for item in fit.holdouts if item.kind not in kinds))

    found = FitSet((without(first, LARGEST_D), second))
    assert found.best("general", None, far) is second
    gives_way = (
        f"Less error has {first.law.name} (0.0100 on the largest size), but it could not be judged on the"
    )
    assert f"{gives_way} largest number of tokens" in why_chosen(found, "general", far)
    # No law was judged on tokens: then sizes decide, not the error on points that were fitted.
    sizes = FitSet((without(first, LARGEST_D), without(second, LARGEST_D)))
    assert sizes.best("general", None, far) is sizes.fits[0]
    assert sizes.choice("general", far).kinds == (LARGEST_N,)
    none = FitSet(tuple(without(fit, LARGEST_N, LARGEST_D) for fit in fits))
    least = min(none, key=lambda fit: fit.mae)
    assert none.best("general", None, far) is least
    assert f"the least error on the fitted points, {least.mae:.4f} nats" in why_chosen(none, "general", far)


def test_an_interval_without_content_is_said() -> None:
    assert list(wide_intervals([1e6], [1e7], [2.9], [3.1])) == []
    (doubt,) = wide_intervals([1e6, 7e9], [1e7, 2e10], [2.9, 0.047], [3.1, 86.7])
    assert doubt.message.startswith(
        "At N = 7B, D = 20B a run may come out anywhere from 0.047 to 86.7: nothing"
    )
    assert next(wide_intervals(1e6, 1e7, -0.1, 3.0)).kind == "far_target"


def test_many_fits_are_a_line_each(fits: FitSet) -> None:
    text = brief_text(fits)
    head, *lines = text.splitlines()
    assert head.split()[:2] == ["general", "(nats/token)"]
    for fit, line in zip(fits, lines, strict=False):
        cells = line.split()
        assert cells[0] == fit.law.name
        assert cells[1:4] == [str(fit.rows), f"{fit.mae:.4f}", f"{fit.quality['errors']['r2_log']:.4f}"]
        assert cells[4] == f"{fit.holdout(LARGEST_N)[0].mae:.4f}"
        assert float(cells[5]) == pytest.approx(
            min(item.mae for item in fit.holdouts if item.kind == LARGEST_N and item.model != fit.law.name),
            abs=1e-4,
        )
