from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.corpus.text_file import (
    LONGEST_CHARACTERS,
    PIECE_CHARACTERS,
    WHOLE_CHARACTERS,
    text_documents,
)

LINE = st.sampled_from(["\n", "\n", " \n", "x" * 90 + "\n", "y" * 700 + "\n", "z" * 3000 + "\r\n", "end"])


@given(st.lists(LINE, max_size=120), st.booleans())
@settings(max_examples=80, deadline=None)
def test_documents_joined_are_the_file_again(lines, alone):
    text = "".join(lines)
    documents = list(text_documents(text, alone))
    assert "".join(documents) == text
    if not alone and len(text) <= WHOLE_CHARACTERS:
        assert documents == [text]
    for document in documents[:-1]:
        assert len(document) >= PIECE_CHARACTERS


def test_a_file_is_cut_after_blank_lines_into_pieces_of_about_4000_characters():
    paragraph = "a line of words\n" * 20 + "\n"
    documents = list(text_documents(paragraph * 300, alone=True))
    assert all(document.endswith("\n\n") and document.startswith("a line") for document in documents)
    assert all(PIECE_CHARACTERS <= len(row) < PIECE_CHARACTERS + len(paragraph) for row in documents[:-1])
    assert list(text_documents(paragraph * 300, alone=False)) == documents
    assert len(list(text_documents(paragraph * 20, alone=False))) == 1


def test_lines_without_blank_ones_between_end_a_piece_too():
    documents = list(text_documents("one sentence per line\n" * 5000, alone=True))
    assert len(documents) > 5
    assert all(len(document) < LONGEST_CHARACTERS * 1.6 for document in documents)
