"""One text file to documents: small files stay whole, long ones are cut at blank lines."""

from __future__ import annotations

from collections.abc import Iterator

# A file up to this many characters is one document when it is one of several: an article, a chapter, a
# source file. What is longer is a book or a dump, and a split by document would move it as one lump.
WHOLE_CHARACTERS = 64_000

# Length a piece reaches before the next blank line ends it: some 1000 tokens, so that a text of 100 kB still
# has documents enough to hold out one in twenty.
PIECE_CHARACTERS = 4_000

# A piece without a blank line ends at a line end from here on (lists, logs, one sentence per line).
LONGEST_CHARACTERS = 16_000


def text_documents(text: str, alone: bool) -> Iterator[str]:
    r"""Documents of a text file; joined, they are the file again.

    A file is cut when it is the only one of its source, or longer than `WHOLE_CHARACTERS`. Pieces end after
    a blank line, once they have `PIECE_CHARACTERS`, or after any line, once they have `LONGEST_CHARACTERS`;
    a rest shorter than half a piece stays with the piece before it.

    Parameters
    ----------
    text : str
        The file's text.
    alone : bool
        Whether the source has no other file.
    """
    if not alone and len(text) <= WHOLE_CHARACTERS:
        yield text
        return
    held = ""
    for piece in _pieces(text):
        if held and len(piece) < PIECE_CHARACTERS // 2:
            yield held + piece
            held = ""
            continue
        if held:
            yield held
        held = piece
    if held or not text:
        yield held


def _pieces(text: str) -> Iterator[str]:
    piece: list[str] = []
    size = 0
    after_blank = False
    for line in text.splitlines(keepends=True):
        blank = line.isspace()
        # Blank lines go with what is before them, however many there are.
        if not blank and (size >= LONGEST_CHARACTERS or (after_blank and size >= PIECE_CHARACTERS)):
            yield "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
        after_blank = blank
    if piece:
        yield "".join(piece)
