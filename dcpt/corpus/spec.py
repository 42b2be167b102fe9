"""What the user says about a corpus: where its text lies, which side it is on, how it is parted."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSpec(_Frozen):
    """Where documents come from.

    Parameters
    ----------
    kind : {"embedded", "text", "jsonl", "parquet", "dataset"}
        ``embedded``: the Python installation itself, prose or code, nothing to download; ``text``: one
        document per file, but a file that is the only one, or longer than 64 000 characters, is cut into
        documents of about 4000 characters at blank lines; ``jsonl`` (plain or .gz) and ``parquet``: one
        document per row; ``dataset``: a dataset of the `datasets` library, saved on disk or by its hub name.
    path : str, optional
        File, folder, glob or dataset name; a relative one starts at the root folder of the build. Needed for
        every kind but ``embedded``.
    part : {"prose", "code"}, optional
        Needed for ``embedded``, refused elsewhere.
    column : str
        Field that holds the text (``jsonl``, ``parquet``, ``dataset``).
    split : str
        Split of the dataset (``dataset`` only).
    config : str, optional
        Configuration of the dataset (``dataset`` only).
    data_files : tuple of str, optional
        Files of the dataset to load (``dataset`` only).
    """

    kind: Literal["embedded", "text", "jsonl", "parquet", "dataset"]
    path: str | None = None
    part: Literal["prose", "code"] | None = None
    column: str = Field("text", min_length=1)
    split: str = Field("train", min_length=1)
    config: str | None = None
    data_files: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind == "embedded":
            if self.part is None:
                raise ValueError("an embedded source needs part: prose or part: code")
            if self.path is not None:
                raise ValueError(f"an embedded source has no path; got {self.path!r}")
        else:
            if not self.path:
                raise ValueError(f"a {self.kind} source needs a path")
            if self.part is not None:
                raise ValueError(f"part is for embedded sources; got {self.part!r} with kind {self.kind}")
        if self.kind in ("embedded", "text") and "column" in self.model_fields_set:
            raise ValueError(f"a {self.kind} source has no columns; got column {self.column!r}")
        extra = {"split", "config", "data_files"} & self.model_fields_set
        if self.kind != "dataset" and extra:
            raise ValueError(f"{sorted(extra)[0]} is for dataset sources; got kind {self.kind}")
        return self


class CorpusSpec(_Frozen):
    """One corpus of one side.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, ``_`` and ``-``; also the name of its folder.
    role : {"general", "domain"}
        What the model should keep, or what it should learn.
    source : SourceSpec
        Its documents.
    heldout : SourceSpec, optional
        Documents to hold out; without it, documents of `source` are held out by the hash of their text.
    heldout_share : float
        Share of the documents held out by hash, in (0, 1); unused when `heldout` is given.
    weight : float, optional
        Share inside its side, relative to the other weights; None means by training tokens.
    max_documents : int, optional
        Training documents used at most, those with the lowest text hash.
    max_bytes : int, optional
        UTF-8 bytes of training text used at most, documents taken in the same order.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)
    role: Literal["general", "domain"]
    source: SourceSpec
    heldout: SourceSpec | None = None
    heldout_share: float = Field(0.05, gt=0, lt=1)
    weight: float | None = Field(None, gt=0, allow_inf_nan=False)
    max_documents: int | None = Field(None, ge=1)
    max_bytes: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _name_is_free(self) -> Self:
        if self.name in ("tokenizer", "general", "domain") and self.name != self.role:
            raise ValueError(f"the name {self.name!r} is taken; choose another one")
        return self


class TokenizerSpec(_Frozen):
    """How text becomes tokens.

    Parameters
    ----------
    kind : {"bpe", "hf"}
        ``bpe``: a byte-level BPE trained on the corpora, as much text of each side; ``hf``: an existing
        tokenizer of the `transformers` library.
    vocab_size : int
        Size of the trained vocabulary, the 256 bytes and the end-of-sequence token included (``bpe`` only).
    path : str, optional
        Folder or hub name of the tokenizer (``hf`` only, needed there).
    """

    kind: Literal["bpe", "hf"] = "bpe"
    vocab_size: int = Field(1024, ge=257, le=1 << 20)
    path: str | None = None

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind == "hf":
            if not self.path:
                raise ValueError("an hf tokenizer needs a path")
            if "vocab_size" in self.model_fields_set:
                raise ValueError("an hf tokenizer brings its own vocab_size")
        elif self.path is not None:
            raise ValueError(f"path is for hf tokenizers; got {self.path!r} with kind bpe")
        return self
