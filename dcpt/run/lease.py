"""Leases: at most one process tree writes a run, also where its files lie on a disk that machines share.

A run's lease is the file with the highest number in ``runs/<id>/lease``. Taking over makes the next number
with O_EXCL, so of any number of takers one succeeds, and a holder that was thought dead sees from the
higher number that it has lost the run. A number is never given twice: whoever makes a file that is not
the highest takes it back.

A holder touches its file every `BEAT_SECONDS`. Whether it is dead is judged without this machine's clock,
which may jump or differ from the file server's: either nothing was touched for `STALE_SECONDS` of
watching (`time.monotonic`), or the file was that much older than one touched beside it when the watching
began, and was not touched for `VERIFY_SECONDS` of it. A file server's clock that is set while somebody
watches changes neither. On the same machine the kernel knows at once: the holder and its
workers keep a lock on a file that the lease names.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from dcpt.core import files
from dcpt.core.errors import DataError

FOLDER = "lease"
BEAT_SECONDS = 10.0
VERIFY_SECONDS = 3 * BEAT_SECONDS
STALE_SECONDS = 180.0
"""As long as a worker may go on after its supervisor's death: an evaluation and a checkpoint at most."""

SCHEMA_VERSION = 1


@dataclass
class Lease:
    """A run held by this process.

    Attributes
    ----------
    run_dir : Path
        Folder of the run.
    number : int
        Number of the lease's file.
    beaten : float
        Monotonic time of the last touch.
    """

    run_dir: Path
    number: int
    beaten: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> Path:
        """The lease's file."""
        return _path(self.run_dir, self.number)

    def beat(self) -> bool:
        """Touch the file when it is time; False when somebody else has taken the run over."""
        now = time.monotonic()
        if now - self.beaten < BEAT_SECONDS:
            return True
        self.beaten = now
        if _highest(self.run_dir) != self.number:
            return False
        with contextlib.suppress(OSError):  # a file server that is away for a moment; others wait longer
            os.utime(self.path)  # no times given: the file server's clock
        return True

    def release(self, over: bool = False) -> None:
        """Let the run go; `over` says that it has finished and needs no lease any more."""
        if _highest(self.run_dir) != self.number:
            return
        if over:
            shutil.rmtree(self.path.parent, ignore_errors=True)
            return
        with contextlib.suppress(DataError):  # a full disk: the lease goes stale instead
            files.write_json(self.path, {"schema_version": SCHEMA_VERSION, "released": True})


class LeaseOffice:
    """Takes leases, and remembers how long it has watched those of others.

    Parameters
    ----------
    root : path
        Folder of the sweep. ``root/runs/holds`` gets a file that is locked until this process and every
        worker that has inherited `fileno` have ended.
    """

    def __init__(self, root: Path) -> None:
        folder = root.resolve() / "runs" / "holds"
        boot = boot_id()
        self.hold = folder / f"{boot[:8]}-{os.getpid()}-{uuid4().hex[:8]}.lock"
        # When a lease had been touched, when that was seen first, and how old it was then.
        self._seen: dict[Path, tuple[int, float, int]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self.hold, "wb")  # noqa: SIM115 (open as long as the office)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _refused(self.hold, error) from error
        if boot:
            for left in folder.glob(f"{boot[:8]}-*.lock"):
                if _is_locked(str(left)) is False:
                    left.unlink(missing_ok=True)

    def fileno(self) -> int:
        """The locked file, for workers to inherit."""
        return self._file.fileno()

    def close(self) -> None:
        """Say that no lease of this process is held any more."""
        self.hold.unlink(missing_ok=True)
        self._file.close()

    def take(self, run_dir: Path) -> Lease | None:
        """The lease of a run, None while somebody else holds it.

        Raises
        ------
        DataError
            When the disk refuses the write.
        """
        run_dir = run_dir.resolve()
        highest = _highest(run_dir)
        if highest and not self._free(_path(run_dir, highest)):
            return None
        mine = _path(run_dir, highest + 1)
        note = {
            "schema_version": SCHEMA_VERSION,
            "boot": boot_id(),
            "hold": str(self.hold),
            "host": platform.node(),
            "pid": os.getpid(),
        }
        try:
            mine.parent.mkdir(exist_ok=True)
            handle = os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return None
        except OSError as error:
            raise _refused(mine, error) from error
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps(note).encode("utf-8"))
        except OSError as error:
            mine.unlink(missing_ok=True)
            raise _refused(mine, error) from error
        if _highest(run_dir) != highest + 1:
            mine.unlink(missing_ok=True)
            return None
        for number in range(max(1, highest - 1), highest + 1):
            _path(run_dir, number).unlink(missing_ok=True)
        return Lease(run_dir, highest + 1)

    def holder(self, run_dir: Path) -> str:
        """Who holds a run, in words; empty when its lease can be taken."""
        run_dir = run_dir.resolve()
        highest = _highest(run_dir)
        path = _path(run_dir, highest)
        if not highest or self._free(path):
            return ""
        note = _read(path)
        return f"process {note.get('pid', '?')} on {note.get('host', 'another machine')}"

    def _free(self, path: Path) -> bool:
        note = _read(path)
        if note.get("released"):
            return True
        boot = boot_id()
        if boot and note.get("boot") == boot and (held := _is_locked(str(note.get("hold")))) is not None:
            return not held
        return self._stale(path)

    def _stale(self, path: Path) -> bool:
        now = time.monotonic()
        try:
            touched = path.stat().st_mtime_ns
        except FileNotFoundError:
            return False  # somebody took it over in this moment
        known, since, age = self._seen.get(path, (None, now, 0))
        if known != touched:
            self._seen[path] = touched, now, _file_server_time(path.parent) - touched
            return False
        watched = now - since
        if watched < VERIFY_SECONDS:
            return False
        return watched >= STALE_SECONDS or age >= STALE_SECONDS * 1e9


def boot_id() -> str:
    """Name of this machine since its last start, one for all its containers; empty where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _path(run_dir: Path, number: int) -> Path:
    return run_dir / FOLDER / f"{number:06d}"


def _highest(run_dir: Path) -> int:
    try:
        names = os.listdir(run_dir / FOLDER)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise _refused(run_dir / FOLDER, error) from error
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _read(path: Path) -> dict[str, object]:
    """What a lease says; nothing while it is being written, or when its writer was killed over it."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_locked(path: str) -> bool | None:
    """Whether a process of this machine keeps the file locked; None when that cannot be told."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError:
        return None
    return False


def _file_server_time(folder: Path) -> int:
    """Nanoseconds by the clock that stamps the files of a folder."""
    probe = folder / f"now-{os.getpid()}"
    try:
        with open(probe, "wb") as file:
            file.write(b"0")
        return probe.stat().st_mtime_ns
    except OSError:
        return 0  # nothing is stale by a clock that cannot be read
    finally:
        probe.unlink(missing_ok=True)


def _refused(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: the lease could not be written: {error.strerror or error}.")
