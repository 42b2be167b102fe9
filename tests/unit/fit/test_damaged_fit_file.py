"""Every field of a file of fits, taken out or replaced: a sentence, or a file that still works."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, DataError, DcptError
from dcpt.fit.fit_file import FitSet

GONE = object()
WRONG = [GONE, None, -1, "x", [[1]], {"a": [1]}, True, [], {}, 1e300]
DEPTH = 6


def whole() -> dict[str, Any]:
    document = json.loads((Path(__file__).parents[3] / "fits/law_cpu/fit.json").read_text())
    document["fits"] = document["fits"][:1]
    for fit in document["fits"]:
        fit["draws"], fit["resamples"] = fit["draws"][:4], fit["resamples"][:4]
        fit["warnings"] = fit["warnings"][:1]
        fit["quality"].pop("residuals_by", None)
    return document  # type: ignore[no-any-return]


def places(value: Any, depth: int, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key of a document, and the first item of every list."""
    found = value.items() if isinstance(value, dict) else list(enumerate(value))[:1]
    for key, inner in found:
        yield (*before, key)
        if depth > 1 and isinstance(inner, (dict, list)):
            yield from places(inner, depth - 1, (*before, key))


def use(fits: FitSet) -> None:
    """What people do with a fit's file."""
    fits.summary()
    fits.holdout_frame()
    for fit in fits:
        with np.errstate(all="ignore"):
            fit.predict(1e6, 1e7, 0.3)
        fit.summary_frame()
    fits.best(fits.eval_sets[0], D=1e12)


def test_no_damaged_field_ends_in_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    document = whole()
    path.write_text(json.dumps(document))
    use(FitSet.load(path))
    refused = tried = 0
    for place in places(document, DEPTH):
        for wrong in WRONG:
            broken = copy.deepcopy(document)
            parent: Any = broken
            for key in place[:-1]:
                parent = parent[key]
            if wrong is GONE:
                del parent[place[-1]]
            else:
                parent[place[-1]] = wrong
            path.write_text(json.dumps(broken))
            tried += 1
            try:
                fits = FitSet.load(path)
            except DataError as error:
                assert str(path) in error.message  # noqa: PT017
                refused += 1
                continue
            try:
                use(fits)
            except DcptError:
                continue
            except Exception as error:
                pytest.fail(f"{'.'.join(map(str, place))} = {wrong!r}: {type(error).__name__}: {error}")
    assert tried > 500
    assert refused > tried / 2


@pytest.mark.parametrize("field", ["refused", "provenance"])
@pytest.mark.parametrize("wrong", [None, 1, ["a"], "x"])
def test_the_file_s_own_fields_are_named(tmp_path: Path, field: str, wrong: Any) -> None:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps({**whole(), field: wrong}))
    with pytest.raises(DataError, match=f"is not a file of fits: field '{field}' is"):
        FitSet.load(path)


def test_a_file_of_no_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(json.dumps({**whole(), "fits": []}))
    with pytest.raises(DataError, match="holds no fits"):
        FitSet.load(path)
    with pytest.raises(ConfigError, match="there is none"):
        FitSet(())
