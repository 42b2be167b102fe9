"""What the documents of fits share, whatever was fitted: the law, and what a broken one is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dcpt.core.errors import ConfigError, DataError
from dcpt.laws.declared_law import DeclaredLaw


def law_entries(law: DeclaredLaw) -> dict[str, str]:
    """Entries that say which law was fitted; `check_law` reads them."""
    return {"law": law.name, "law_hash": law.hash, "formula": law.formula}


def check_law(law: DeclaredLaw, document: Mapping[str, Any], where: str, again: str) -> None:
    """Refuse a fit of a law that has changed since.

    Parameters
    ----------
    law : DeclaredLaw
        The law of the document's name, as it is now.
    document : mapping
        Holds what `law_entries` gave.
    where, again : str
        The document, and how to make it anew, for the message.

    Raises
    ------
    DataError
        When formula, parameters or bounds have changed since the fit was made.
    """
    if document["law_hash"] != law.hash:
        raise DataError(
            f"{where}: was fitted with {document['formula']!r}; law {law.name} now reads {law.formula!r} "
            "or has other bounds.",
            hint=again,
        )


def check_fields(
    document: Mapping[str, Any],
    *,
    texts: Collection[str] = (),
    numbers: Collection[str] = (),
    mappings: Collection[str] = (),
) -> None:
    """Refuse fields that would only be found broken where they are used.

    Parameters
    ----------
    document : mapping
        A fit.
    texts, numbers, mappings : collection of str
        Fields that hold text, those that hold a number, and those that hold further fields.

    Raises
    ------
    TypeError
        Where one holds something else; `reading` says of which document.
    """
    wanted: tuple[tuple[Collection[str], Any, str], ...] = (
        (texts, str, "text"),
        (numbers, (int, float), "a number"),
        (mappings, Mapping, "named values"),
    )
    for names, kind, word in wanted:
        for name in names:
            if not isinstance(document[name], kind) or isinstance(document[name], bool):
                raise TypeError(f"field {name!r} is {str(document[name])[:60]!r}, wanted {word}")


@contextmanager
def reading(where: str, what: str, again: str) -> Iterator[None]:
    """Turn what goes wrong while a document is read into one sentence about it.

    Parameters
    ----------
    where, what, again : str
        The document, what it should be (``a fit``), and how to make it anew.

    Raises
    ------
    DataError
        When a field is missing or holds something else than a fit's.
    """
    try:
        yield
    except KeyError as error:
        raise DataError(f"{where}: field {error.args[0]!r} of {what} is missing.", hint=again) from None
    except DataError as error:
        if error.message.startswith(where):
            raise
        raise DataError(f"{where}: {error.message}", hint=error.hint or again) from None
    except ConfigError as error:
        raise DataError(f"{where}: {error.message}", hint=error.hint) from None
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise DataError(f"{where}: is not {what}: {error}.", hint=again) from None
