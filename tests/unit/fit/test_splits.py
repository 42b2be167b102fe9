"""Every hold-out by name: what it leaves out, and what it does when the data do not allow it."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.fit.dataset import prepare
from dcpt.fit.splits import COMPUTE_SHARE, MOST_PAIRS, SPLITS, make_splits

NINE = (0.0, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1.0)


def of(table, *kinds, corners=False):
    data, _ = prepare(table, "domain", corners=corners)
    return data, make_splits(data, kinds)


def test_every_split_leaves_rows_on_both_sides_and_keeps_whole_levels(make):
    data, splits = of(make(), *SPLITS)
    columns = {"size": data.N, "largest N": data.N, "ratio": data.r, "ratio pair": data.r}
    columns |= {"largest D": data.D, "D segment": data.D, "top compute": data.N * data.D}
    for split in splits:
        assert 0 < split.out.sum() < len(data)
        inside, outside = columns[split.kind][split.out], columns[split.kind][~split.out]
        assert not set(inside) & set(outside), split.label  # no level is torn apart


def test_sizes_and_segments_cover_every_row_once(make):
    for kind, count in (("size", 4), ("D segment", 3)):
        data, splits = of(make(), kind)
        assert len(splits) == count
        np.testing.assert_array_equal(sum(split.out.astype(int) for split in splits), np.ones(len(data)))


def test_nine_ratios_give_the_36_pairs_of_the_paper(make):
    # Que et al. 2024 (arXiv:2406.01375): fit on 7 of 9 ratios, all C(9, 2) = 36 splits.
    data, splits = of(make(ratios=NINE), "ratio pair", corners=True)
    assert len(splits) == comb(9, 2) == 36
    assert len({split.out.tobytes() for split in splits}) == 36
    assert all(len(np.unique(data.r[split.out])) == 2 for split in splits)


def test_many_ratios_do_not_give_endless_pairs(make):
    table = make(ratios=tuple(np.linspace(0.02, 0.98, 30)), sizes=(1e6,), tokens=(1e6, 2e6))
    assert len(of(table, "ratio pair")[1]) == MOST_PAIRS


def test_reach_is_the_log_distance_beyond_the_rest(make):
    _, (split,) = of(make(), "largest N")
    assert split.reach == pytest.approx(np.log(3))
    _, segments = of(make(), "D segment")
    assert [split.reach > 0 for split in segments] == [False, False, True]
    assert segments[-1].label == "D 6M to 6M"


def test_top_compute_leaves_out_at_most_a_fifth(make):
    data, (split,) = of(make(), "top compute")
    assert 0 < split.out.mean() <= COMPUTE_SHARE
    compute = data.N * data.D
    assert compute[split.out].min() > compute[~split.out].max()


def test_pairs_of_domains_need_stacked_domains(make):
    data, splits = of(make(), "domain pair")
    assert splits == ()
    codes = (np.arange(len(data)) % 6).astype(float)
    stacked = replace(data, extra={**data.extra, "domain": codes})
    assert len(make_splits(stacked, ["domain pair"])) == 15  # all pairs of six, as in the cross-domain paper


def test_data_that_allow_no_hold_out_give_none(make):
    _, splits = of(make(sizes=(1e6,), tokens=(1e6,), ratios=(0.3, 0.6)), *SPLITS)
    assert splits == ()


def test_unknown_names_are_said(make):
    data, _ = of(make(), "ratio")
    with pytest.raises(ConfigError, match="'largets N' is unknown") as caught:
        make_splits(data, ["largets N"])
    assert caught.value.hint == "did you mean 'largest N'?"
    with pytest.raises(ConfigError, match="wanted a sequence"):
        make_splits(data, "ratio")
