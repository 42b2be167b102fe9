"""Shares as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError
from dcpt.core.quantity import parse_named, parse_quantity, parse_share


@given(st.integers(0, 10_000))
def test_a_percentage_is_the_share_that_is_typed_in_decimals(hundredths: int) -> None:
    share = float(f"{hundredths / 1e4:.4f}")
    assert parse_share(f"{hundredths / 100}%") == parse_share(f" {hundredths / 100} % ") == share
    assert parse_share(str(share)) == parse_share(share) == share


def test_only_shares_are_written_in_per_cent() -> None:
    assert parse_named("r", "20%", "--at r") == 0.2
    for read in (lambda: parse_quantity("20%", "--at N"), lambda: parse_named("N", "20%", "--at N")):
        with pytest.raises(ConfigError) as caught:
            read()
        assert caught.value.hint.startswith("only a share is written in per cent")
    with pytest.raises(ConfigError, match=r"--now: got 'lots%'; wanted a share such as 0.2 or 20%\."):
        parse_share("lots%", "--now")
