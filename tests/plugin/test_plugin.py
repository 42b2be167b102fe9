"""A law in an outside package is found, conforms and is fitted like one of our own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "package"


@pytest.fixture
def installed(tmp_path):
    """The metadata an installer would write for the package, in a folder of its own."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    info = tmp_path / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n")
    lines = [f"{key} = {value}" for key, value in project["entry-points"]["dcpt.laws"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[dcpt.laws]", *lines, ""]))
    return tmp_path


def run(arguments, *paths):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


def test_the_package_passes_its_own_checks(installed):
    root = Path(__file__).parents[2]
    options = ["-vvv", "-p", "no:cacheprovider", "-p", "no:xdist", f"--rootdir={PACKAGE}"]
    done = run(["-m", "pytest", *options, str(PACKAGE / "check_law.py")], installed, PACKAGE, root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" PASSED ") == 11


def test_a_package_that_cannot_be_loaded_leaves_the_other_laws_usable(installed):
    entry = next(installed.glob("*.dist-info")) / "entry_points.txt"
    entry.write_text("[dcpt.laws]\nbroken = size_aware_mixture.absent\nodd = json:dumps\n")
    code = "from dcpt.laws import get_law; print(get_law('d-cpt').name)"
    done = run(["-c", code], installed, PACKAGE, Path(__file__).parents[2])
    assert done.stdout.strip() == "d-cpt"
    assert "law 'broken' of size_aware_mixture.absent cannot be loaded" in done.stderr
    assert "neither a law, nor a family of laws, nor a module" in done.stderr
