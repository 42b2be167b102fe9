"""What can go wrong, by whose doing: the one family of errors every room raises."""

from __future__ import annotations


class DcptError(Exception):
    """Base of every error dcpt raises on purpose.

    Parameters
    ----------
    message : str
        One sentence: what, where, got, wanted.
    hint : str, optional
        What to do about it, when the mistake can be guessed.

    Attributes
    ----------
    exit_code : int
        Exit status the command line gives for this class of error.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  hint: {self.hint}"


class ConfigError(DcptError, ValueError):
    """The caller's mistake: an argument, a flag, a YAML file."""

    exit_code = 2


class DataError(DcptError, ValueError):
    """Unusable data; the message names the file, row or run."""

    exit_code = 3


class FitError(DcptError):
    """No fit exists for these data and this law."""

    exit_code = 4


class PlanError(DcptError):
    """No plan satisfies the objective."""

    exit_code = 4


class BudgetError(DcptError):
    """The work costs more than the stated limit and was not confirmed."""

    exit_code = 6


class RunError(DcptError):
    """Some runs failed or were abandoned."""

    exit_code = 7


EXIT_DOUBTFUL = 5
"""Exit status of a doubtful answer under ``--strict``."""


class DoubtWarning(UserWarning):
    """An answer exists, and there is a reason not to lean on it."""
