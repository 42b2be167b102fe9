from __future__ import annotations

import ast

import pytest

from dcpt.corpus.embedded import code_documents, library_files, prose_documents, strip_docstrings


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ('"""Doc."""\nx = 1\n', "x = 1\n"),
        ('# c\n"""Doc\nmore."""\n\nx = "é"\n', '# c\n\nx = "é"\n'),
        ('def f():\n    """Doc."""\n', "def f():\n    pass\n"),
        ('def f(): "Doc."', "def f(): pass"),
        ('def f(): "Doc."; return 1\n', "def f(): return 1\n"),
        ('class A:\n    """Doc é."""\n    def f(self):\n        "D"\n        return "é"\n',
         'class A:\n    def f(self):\n        return "é"\n'),
        ('def f():\n    """Doc."""  # why\n    return 1\n', "def f():\n      # why\n    return 1\n"),
        ('def f():\n    """One."""\n    """Two."""\n    return 1\n', "def f():\n    return 1\n"),
        ('async def f():\n    ("""Doc\n    .""")\n', "async def f():\n    pass\n"),
        ("x = 1\n\x0cy = '''no\ndocstring'''\n", "x = 1\n\x0cy = '''no\ndocstring'''\n"),
    ],
)  # fmt: skip
def test_docstrings_go_and_the_rest_stays(source, wanted):
    found = strip_docstrings(source)
    assert found == wanted
    ast.parse(found)


def test_code_parses_and_holds_no_docstring():
    documents = list(code_documents())
    assert len(documents) > 300
    assert sum(map(len, documents)) > 4_000_000
    for document in documents[::5]:
        for node in ast.walk(ast.parse(document)):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                assert ast.get_docstring(node) is None


def test_prose_is_there_and_comes_in_the_same_order():
    documents = list(prose_documents())
    assert documents == list(prose_documents())
    assert sum(map(len, documents)) > 1_500_000
    assert any("The standard type hierarchy" in text for text in documents)


def test_test_suites_are_left_out():
    files = library_files()
    assert files == sorted(files)
    assert not any({"test", "tests", "site-packages"} & set(path.parts[-3:-1]) for path in files)
