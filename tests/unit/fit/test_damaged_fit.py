"""A fit whose file was damaged is refused in a sentence, whatever stands in its fields."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from dcpt.core.errors import DataError
from dcpt.fit.law_fit_json import law_fit_from_dict

FIT = json.loads((Path(__file__).parents[3] / "fits/law_cpu/fit.json").read_text())["fits"][0]
FIT["draws"], FIT["resamples"] = FIT["draws"][:2], FIT["resamples"][:2]


@pytest.mark.parametrize("wrong", [-1, "x", [[1]], None])
@pytest.mark.parametrize("field", ["bases", "ranges", "profiles", "units", "values", "draws", "quality"])
def test_a_damaged_field_is_a_data_error(field, wrong):
    with pytest.raises(DataError, match="fit 1: is not a fit"):
        law_fit_from_dict({**FIT, field: wrong}, "fit 1")


def test_ranges_that_lack_an_end_or_an_input_are_refused():
    assert law_fit_from_dict(FIT, "fit 1").eval_set == FIT["eval_set"]
    short, bare = copy.deepcopy(FIT), copy.deepcopy(FIT)
    short["ranges"]["r"] = [0.1]
    with pytest.raises(DataError, match="is not a fit"):
        law_fit_from_dict(short, "fit 1")
    del bare["ranges"]["D"]
    with pytest.raises(DataError, match="field 'D' of a fit is missing"):
        law_fit_from_dict(bare, "fit 1")
