"""What finished runs measured, in one file that goes from machine to machine."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

FILE_NAME = "runs.tar.gz"
KEPT = ("spec.json", "metrics.jsonl", "record.json")
"""Of each run; the record last, for it says that the others are whole."""


def pack(runs: Path, archive: Path) -> int:
    """Write the finished runs of a folder into an archive, and say how many there are."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    temporary = archive.with_name(f".{archive.name}")
    count = 0
    with tarfile.open(temporary, "w:gz") as file:
        for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
            if is_over(folder):
                count += 1
                for name in KEPT:
                    file.add(folder / name, f"{folder.name}/{name}")
    temporary.replace(archive)
    return count


def unpack(archive: Path, runs: Path) -> int:
    """Lay out the runs of an archive; those that are over here stay as they are.

    Only plain files of the expected names are taken from it, into folders of `runs`.
    """
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(archive, "r:gz") as file:
        for member in file:
            run, _, name = member.name.partition("/")
            content = file.extractfile(member) if member.isfile() and name in KEPT else None
            if content is not None and run not in ("", ".", ".."):
                found.setdefault(run, {})[name] = content.read()
    count = 0
    for run, contents in found.items():
        folder = runs / run
        if set(contents) == set(KEPT) and not is_over(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name in KEPT:
                (folder / name).write_bytes(contents[name])
            count += 1
    return count


def is_over(folder: Path) -> bool:
    """Whether a run of a folder has finished, or diverged, which it would do again."""
    try:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    diverged = str(record.get("reason", "")).startswith("diverged")
    over = record.get("status") == "finished" or (record.get("status") == "abandoned" and diverged)
    return over and (folder / "metrics.jsonl").is_file()
