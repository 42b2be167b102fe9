"""Seconds, memory and the machine they were measured on."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from dcpt.core.errors import DataError

Result = TypeVar("Result")


@dataclass(frozen=True)
class Seconds:
    """How long something took.

    Attributes
    ----------
    wall : float
        By the clock.
    cpu : float
        Of this process's own work; other programs on the machine hardly change it, so ratios are taken
        of these.
    """

    wall: float
    cpu: float


def timed(work: Callable[[], Result]) -> tuple[Seconds, Result]:
    """Seconds of one call, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu), result


def best_of(work: Callable[[], Result], repeats: int) -> tuple[Seconds, Result]:
    """Least seconds of several calls: other programs on the machine only ever add to them."""
    best, result = timed(work)
    for _ in range(repeats - 1):
        again, _ = timed(work)
        best = Seconds(min(best.wall, again.wall), min(best.cpu, again.cpu))
    return best, result


def peak_memory() -> float:
    """Largest resident memory of this process so far, MB of 1e6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def machine() -> dict[str, Any]:
    """Cores, their load, and the versions that matter."""
    import numpy
    import scipy

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def parser(text: str) -> argparse.ArgumentParser:
    """Options every benchmark has."""
    made = argparse.ArgumentParser(description=text)
    made.add_argument("--data", type=Path, help="CSV file of points; a synthetic set by default")
    made.add_argument("--seed", type=int, default=0, help="seed of the synthetic set")
    made.add_argument("--json", action="store_true", help="print nothing but the JSON line")
    made.add_argument("--quick", action="store_true", help="sample the slow comparisons, and say so")
    return made


def report(document: dict[str, Any], quiet: bool, lines: list[str]) -> dict[str, Any]:
    """Print a benchmark's words and, last, its JSON line."""
    document = {**document, "peak_memory_mb": round(peak_memory(), 1), "machine": machine()}
    if not quiet:
        print("\n".join(lines))
    print(json.dumps(document))
    return document


def run(main: Callable[[], object]) -> NoReturn:
    """Run a benchmark as a program: what is wrong with a file is one line and exit status 3."""
    try:
        main()
    except DataError as error:
        print(f"DataError: {error}", file=sys.stderr)
        sys.exit(3)
    sys.exit(0)
