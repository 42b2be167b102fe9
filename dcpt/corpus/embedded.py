"""Two corpora every Python carries: its documentation as prose, its sources as code."""

from __future__ import annotations

import ast
import io
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

# Test suites repeat themselves; pydoc_data is the prose side's own text; encodings holds generated tables
# (1.4 of 9 MB of code on CPython 3.11); the others are not the standard library.
_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "lib2to3", "pydoc_data", "encodings", "site-packages", "dist-packages"}
    | {"ensurepip", "__pycache__"}
)

_Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def prose_documents() -> Iterator[str]:
    """Documents in English: the topics of ``help()`` and the docstrings of the standard library.

    One document per topic and one per module: all docstrings of a module in order, so that a split by
    document keeps them together. The order is by name. Nothing is imported but `pydoc_data`.
    """
    from pydoc_data import topics  # 0.7 MB of text, wanted here only

    for name in sorted(topics.topics):
        yield topics.topics[name]
    yield from (prose for prose, _ in _modules(tuple(library_files())) if prose)


def code_documents() -> Iterator[str]:
    """Documents in Python: the standard library's modules, one each, without their docstrings.

    The order is by path. The rest of each file stays as it is; where a docstring was all of a body, ``pass``
    stands in its place, so that every document parses.
    """
    yield from (code for _, code in _modules(tuple(library_files())))


@lru_cache(maxsize=1)
def _modules(files: tuple[Path, ...]) -> tuple[tuple[str, str], ...]:
    """Docstrings and code of each module; parsed once per process, since a sweep reads them several times."""
    found = []
    for source in _sources(files):
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        texts = [text for node in _documented(tree) if (text := ast.get_docstring(node))]
        found.append(("\n\n".join(texts) + "\n" if texts else "", _stripped(source, tree)))
    return tuple(found)


def strip_docstrings(source: str) -> str:
    r"""Python source without the docstrings of its modules, classes and functions.

    Parameters
    ----------
    source : str
        Source text with ``\n`` line ends.

    Returns
    -------
    str
        The same text, byte for byte outside the docstrings. A line that held nothing but a docstring is gone
        with its line end; a docstring that was the whole body becomes ``pass``.

    Raises
    ------
    SyntaxError
        When the source does not parse.
    """
    return _stripped(source, ast.parse(source))


def _stripped(source: str, tree: ast.Module) -> str:
    data = source.encode("utf-8")
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    pieces = []
    done = 0
    statements = sorted(_docstrings(tree), key=lambda item: (item[0].lineno, item[0].col_offset))
    for statement, is_body in statements:
        assert statement.end_lineno is not None
        assert statement.end_col_offset is not None
        begin = starts[statement.lineno - 1] + statement.col_offset
        end = starts[statement.end_lineno - 1] + statement.end_col_offset
        if is_body:
            pieces += [data[done:begin], b"pass"]
        else:
            before, after = data.rfind(b"\n", 0, begin) + 1, data.find(b"\n", end)
            after = len(data) if after < 0 else after + 1
            if not data[before:begin].strip() and not data[end:after].strip():
                begin, end = max(before, done), after
            else:
                end = _past_semicolon(data, end)
            pieces.append(data[done:begin])
        done = end
    pieces.append(data[done:])
    return b"".join(pieces).decode("utf-8")


def _past_semicolon(data: bytes, end: int) -> int:
    """Position after the semicolon and the blanks that follow a docstring on its line, or `end`."""
    rest = end
    while data[rest : rest + 1] in (b" ", b"\t"):
        rest += 1
    if data[rest : rest + 1] != b";":
        return end
    rest += 1
    while data[rest : rest + 1] in (b" ", b"\t"):
        rest += 1
    return rest


def _documented(
    tree: ast.Module,
) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Nodes that may carry a docstring, in the order of the source."""
    found = [node for node in ast.walk(tree) if isinstance(node, _Documented)]
    yield from sorted(found, key=lambda node: getattr(node, "lineno", 0))


def _docstrings(tree: ast.Module) -> Iterator[tuple[ast.Expr, bool]]:
    """Docstring statements, and whether each has to leave a `pass` behind for its body to stand."""
    for node in _documented(tree):
        # Without the first string the next one would become the docstring: take all that lead.
        strings = list(takewhile(_is_string, node.body))
        whole = len(strings) == len(node.body) and not isinstance(node, ast.Module)
        for number, statement in enumerate(strings):
            assert isinstance(statement, ast.Expr)
            yield statement, whole and number == 0


def _is_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def library_files() -> list[Path]:
    """Source files of the running Python's standard library, in order of path.

    Test packages, generated tables, third-party packages and bundled wheels are left out.
    """
    root = Path(sysconfig.get_path("stdlib"))
    files = [path for path in root.rglob("*.py") if not _is_skipped(path.relative_to(root))]
    return sorted(files, key=lambda path: path.relative_to(root).as_posix())


def _is_skipped(path: Path) -> bool:
    # _sysconfigdata and config-* describe the machine Python was compiled on.
    machine = path.name.startswith("_sysconfigdata") or path.parts[0].startswith("config-")
    return machine or not _SKIPPED_FOLDERS.isdisjoint(path.parts[:-1])


def _sources(files: Iterable[Path]) -> Iterator[str]:
    """Text of each file that decodes by its own declared encoding."""
    for path in files:
        data = path.read_bytes()
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
        except (SyntaxError, UnicodeDecodeError, LookupError):
            continue
        yield text.replace("\r\n", "\n").replace("\r", "\n")
