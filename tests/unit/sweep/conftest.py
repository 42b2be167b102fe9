"""A sweep of four corpora, built once for all tests of mixtures."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from four_corpora import four_document, write_four

from dcpt.sweep.prepare import prepare


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_four(tmp_path_factory.mktemp("four") / "sweep")
    (folder / "sweep.yaml").write_text(yaml.safe_dump(four_document(["uniform"])))
    prepare(folder)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "sweep"))
