"""One runner per folder: a lock that the operating system releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dcpt.core.errors import ConfigError


@contextmanager
def only_runner(root: Path | str) -> Iterator[None]:
    """Hold the folder for one runner.

    Raises
    ------
    ConfigError
        When another process holds it; the message names the process.
    """
    path = Path(root) / "sweep.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ConfigError(
                f"{root}: another dcpt process (pid {holder}) is running this sweep.",
                hint="wait for it, or stop it; two runners on one folder would do the work twice",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
