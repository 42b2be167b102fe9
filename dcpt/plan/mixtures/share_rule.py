"""A rule on the shares of corpora, as people write it: a bound, a group, a pin."""

from __future__ import annotations

import math
import re

from pydantic import model_validator

from dcpt.core.errors import ConfigError
from dcpt.plan.asked import Asked

EXAMPLES = (
    "write 'wiki >= 0.1', '0.1 <= wiki <= 0.3', 'books = 5%', or for a group 'web = cc + c4 <= 0.6'; "
    "shares are of tokens"
)

_NAME = r"[^\W\d][\w./-]*"
_SUM = rf"{_NAME}(?:\s*\+\s*{_NAME})*"
_NUMBER = r"(?:\d+\.?\d*|\.\d+)\s*%?"
_ONE = re.compile(
    rf"\s*(?:(?P<name>{_NAME})\s*[=:]\s*)?(?P<sum>{_SUM})\s*(?P<sign><=|≤|>=|≥|==?)\s*(?P<end>{_NUMBER})\s*"
)
_TWO = re.compile(
    rf"\s*(?:(?P<name>{_NAME})\s*[=:]\s*)?(?P<low>{_NUMBER})\s*(?:<=|≤)\s*(?P<sum>{_SUM})\s*(?:<=|≤)\s*(?P<high>{_NUMBER})\s*"
)


class ShareRule(Asked):
    """Least and greatest share of tokens of one corpus, or of several together.

    Attributes
    ----------
    name : str
        What the plan calls it: the corpus, or the group.
    corpora : tuple of str
        The corpora whose shares are added up.
    low, high : float
        Ends; equal for a pin.
    """

    name: str
    corpora: tuple[str, ...]
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _possible(self) -> ShareRule:
        if not self.corpora or len(set(self.corpora)) < len(self.corpora):
            raise ValueError(
                f"corpora of {self.name} are {list(self.corpora)}; wanted each once, and at least one"
            )
        for end in (self.low, self.high):
            if not (math.isfinite(end) and 0 <= end <= 1):
                raise ValueError(f"the share of {self.name} is {end:g}; wanted a number from 0 to 1")
        if self.low > self.high:
            raise ValueError(
                f"the share of {self.name} is to be {self.low:g} at least and {self.high:g} at most; "
                "wanted the first below the second"
            )
        return self

    @classmethod
    def parse(cls, text: str) -> ShareRule:
        """Read a rule as people write it.

        Raises
        ------
        ConfigError
            When the text is none of the forms, or the rule contradicts itself.

        Examples
        --------
        >>> ShareRule.parse("web = cc + c4 <= 60%")
        ShareRule(name='web', corpora=('cc', 'c4'), low=0.0, high=0.6)
        """
        one, two = _ONE.fullmatch(text), _TWO.fullmatch(text)
        match = two or one
        if match is None:
            raise ConfigError(f"shares: got {text!r}; wanted a rule on the shares of corpora.", hint=EXAMPLES)
        corpora = tuple(part.strip() for part in match["sum"].split("+"))
        low, high = 0.0, 1.0
        if two is not None:
            low, high = _share(two["low"]), _share(two["high"])
        elif one is not None:
            end = _share(one["end"])
            low, high = {"<": (0.0, end), "≤": (0.0, end), ">": (end, 1.0), "≥": (end, 1.0)}.get(
                one["sign"][0], (end, end)
            )
        try:
            return cls(name=match["name"] or " + ".join(corpora), corpora=corpora, low=low, high=high)
        except ConfigError as error:
            reason = error.message.removeprefix("ShareRule: ")
            raise ConfigError(f"shares: got {text!r}; {reason}", hint=EXAMPLES) from None

    def __str__(self) -> str:
        whole = " + ".join(self.corpora)
        named = whole if self.name == whole else f"{self.name} = {whole}"
        if self.low == self.high:
            return f"{whole} = {self.low:g}" if named == whole else f"{self.name}: {whole} = {self.low:g}"
        if self.low > 0 and self.high < 1:
            prefix = "" if named == whole else f"{self.name}: "
            return f"{prefix}{self.low:g} <= {whole} <= {self.high:g}"
        return f"{named} >= {self.low:g}" if self.low > 0 else f"{named} <= {self.high:g}"


def _share(text: str) -> float:
    text = text.strip()
    return round(float(text[:-1]) / 100, 12) if text.endswith("%") else float(text)
