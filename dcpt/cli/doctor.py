"""``dcpt doctor``: what this machine has, and whether it will do."""

from __future__ import annotations

from typing import Annotated

import typer

from dcpt.cli import show


def doctor(json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Check interpreter, packages, cores, memory and accelerator."""
    import platform
    import shutil
    from importlib import metadata

    import psutil

    from dcpt.run.machine import count_cores, count_gpus

    packages = {}
    for name in ("torch", "transformers", "tokenizers", "datasets", "numpy", "scipy", "pandas", "lmfit"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = "missing"
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(".")
    facts = {
        "python": platform.python_version(),
        "cores": count_cores(),
        "gpus": count_gpus(),
        "memory_available": f"{memory.available / 2**30:.1f} GiB of {memory.total / 2**30:.1f}",
        "disk_free_here": f"{disk.free / 2**30:.1f} GiB",
        **packages,
    }
    wrong = [f"package {name} is missing" for name, version in packages.items() if version == "missing"]
    if memory.available < 2 * 2**30:
        wrong.append("less than 2 GiB of memory is free; the demo needs up to that")
    if json:
        show.document("doctor", {"facts": facts, "problems": wrong})
    else:
        show.result(show.table([{"what": name, "found": str(value)} for name, value in facts.items()]))
        show.result("\n".join(wrong) if wrong else "nothing is missing")
    if wrong:
        raise typer.Exit(3)
