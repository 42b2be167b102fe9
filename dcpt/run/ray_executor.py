"""The Ray executor: one actor per slot, placed by Ray, each with a worker that stays."""

from __future__ import annotations

import importlib
import math
import os
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from dcpt.core.errors import ConfigError
from dcpt.run.event_log import EventReader
from dcpt.run.executor import ENDS, Event, Place
from dcpt.run.node import Node

KNOWN = ("address", "num_cpus", "num_gpus", "resources", "object_store_memory")

KNOCK_SECONDS = 10.0

OBJECT_STORE = 80 * 1024 * 1024
"""Bytes of the object store of a cluster that is started here: nothing passes through it but run ids. Ray
takes no less than 75 MiB."""


@dataclass
class _Slot:
    """An actor and what it is at; events come by way of a file on the shared disk.

    It has `served` when a call has come back, and `spoke` when it said anything of its present runs.
    """

    actor: Any
    reader: EventReader
    runs: list[str]
    call: Any = None
    served: bool = False
    spoke: bool = False


class RayExecutor:
    """Sends runs to a Ray cluster whose nodes share the sweep's disk and have dcpt installed.

    Ray decides where an actor goes and gives it its GPU or the share of one (``num_gpus=0.25``: four
    actors on a GPU). An actor that dies is replaced by another one wherever there is room; its runs are
    tried again like those of any worker that dies.

    Parameters
    ----------
    place : Place
        ``slots`` is the number of actors; by default as many as the cluster has GPUs or CPUs for.
    options : mapping
        ``address`` (of a cluster; by default RAY_ADDRESS, else one is started here), ``num_cpus`` and
        ``num_gpus`` of an actor (default one per process, and as many GPUs where the device is not cpu
        and the cluster has some), ``resources`` (one of its custom resources by name),
        ``object_store_memory`` (bytes, of a cluster that is started here).

    Raises
    ------
    ConfigError
        When Ray is not installed, its cluster does not answer, or an option is unknown.
    """

    def __init__(self, place: Place, options: Mapping[str, str] | None = None) -> None:
        self.place = place
        given = _read(options or {})
        if place.nodes > 1:
            raise ConfigError(
                f"executor ray: a run over {place.nodes} machines; an actor is on one of them.",
                hint="--executor slurm, or --nodes 1 with more --procs",
            )
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise ConfigError(
                "executor ray: Ray is not installed.",
                hint="pip install 'dcpt[ray]', or take --executor local",
            ) from None
        self._ray = ray
        self._joined = not ray.is_initialized()
        if self._joined:
            _join(ray, given, place.slots, place.procs)
        self._needs = _needs(given, place, ray.cluster_resources())
        self._folder = place.root.resolve() / "runs" / "logs" / "ray"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._slots: list[_Slot] = []
        self._class = ray.remote(_Actor)

    @property
    def room(self) -> int:
        """Actors that are idle or not yet there."""
        slots = self.place.slots or self._fitting()
        return slots - sum(bool(slot.runs) for slot in self._slots)

    def under_way(self) -> Collection[str]:
        """Nothing: actors end with the runner that made them."""
        return ()

    def submit(self, runs: Sequence[str]) -> bool:
        """Give a group to an idle actor, a new one if there is none."""
        slot = next((slot for slot in self._slots if not slot.runs), None) or self._start()
        slot.runs, slot.spoke = list(runs), False
        slot.call = slot.actor.train.remote(list(runs))
        return True

    def poll(self, seconds: float) -> list[Event]:
        """Events of all actors; the runs of one that has died are lost."""
        until = time.monotonic() + seconds
        while True:
            events = [event for slot in list(self._slots) for event in self._hear(slot)]
            if events or time.monotonic() >= until:
                return events
            time.sleep(min(0.1, seconds))

    def cancel(self, grace: float) -> None:
        """Ask every actor to let its worker save and stop, then end them."""
        until = time.monotonic() + grace
        busy = [slot for slot in self._slots if slot.runs]
        for slot in busy:
            slot.actor.stop.remote()
        calls = [slot.call for slot in busy]
        if calls:
            self._ray.wait(calls, num_returns=len(calls), timeout=max(0.1, until - time.monotonic()))
        self.close()

    def close(self) -> None:
        """End the actors, and leave the cluster if this executor joined it."""
        for slot in self._slots:
            self._ray.kill(slot.actor)
        self._slots.clear()
        if self._joined:
            self._ray.shutdown()

    def _start(self) -> _Slot:
        events = self._folder / f"{uuid4().hex}.jsonl"
        # Two threads: one is at a run, the other can hear that it should stop.
        actor = self._class.options(max_concurrency=2, **self._needs).remote(self.place, events)
        slot = _Slot(actor, EventReader(events), [])
        self._slots.append(slot)
        return slot

    def _hear(self, slot: _Slot) -> list[Event]:
        ray = self._ray
        over = slot.call is not None and bool(ray.wait([slot.call], timeout=0)[0])
        heard = []
        # The call is looked at before the file is read: what a dying actor wrote still counts.
        for event in slot.reader.read():
            name = event.get("run_id")
            if event["event"] in ENDS:
                if name not in slot.runs:
                    continue
                slot.runs.remove(str(name))
            slot.spoke = slot.spoke or name in slot.runs
            heard.append(event)
        if not over:
            return heard
        reason = "the actor ended without a word on it"
        try:
            ray.get(slot.call)
        except ray.exceptions.RayError as error:
            reason = f"its actor died: {str(error).strip().splitlines()[0][:300]}"
            self._slots.remove(slot)
        # One that served before and died idle never came to these runs.
        began = not slot.served or slot.spoke
        slot.call, slot.served = None, True
        lost = [{"event": "lost", "run_id": name, "reason": reason, "began": began} for name in slot.runs]
        slot.runs = []
        return heard + lost

    def _fitting(self) -> int:
        have = self._ray.cluster_resources()
        need = {"CPU": self._needs["num_cpus"], "GPU": self._needs["num_gpus"], **self._needs["resources"]}
        counts = [math.floor(have.get(name, 0.0) / amount + 1e-9) for name, amount in need.items() if amount]
        return max(1, min(counts, default=1))


class _Actor:
    """What Ray runs on a node."""

    def __init__(self, place: Place, events: Path) -> None:
        module, _, name = place.node.partition(":")
        kind: type[Node] = getattr(importlib.import_module(module), name)
        self.node = kind(place, events, f"ray-{os.uname().nodename}-{os.getpid()}")

    def train(self, runs: Sequence[str]) -> bool:
        return self.node.train(runs)

    def stop(self) -> None:
        self.node.stop()


def _read(options: Mapping[str, str]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in options.items():
        if key not in KNOWN:
            raise ConfigError(f"ray option {key!r}: wanted one of {', '.join(KNOWN)}.")
        if key in ("address", "resources"):
            read[key] = value
            continue
        try:
            read[key] = float(value)
        except ValueError:
            raise ConfigError(f"ray option {key}={value!r}: wanted a number.") from None
        if not 0 <= read[key] < math.inf:
            raise ConfigError(f"ray option {key}={value!r}: wanted a number of at least 0.")
    return read


def _join(ray: Any, given: Mapping[str, Any], slots: int | None, procs: int) -> None:
    address = given.get("address") or os.environ.get("RAY_ADDRESS")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    try:
        if address and address != "local":
            _knock(address)
            ray.init(address=address, **quiet)
        else:
            memory = int(given.get("object_store_memory", OBJECT_STORE))
            cpus = None if slots is None else max(1, math.ceil(slots * given.get("num_cpus", procs)))
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=memory,
                num_cpus=cpus,
                **quiet,
            )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        here = not address or address == "local"
        what = "a cluster could not be started here" if here else f"no cluster at {address}"
        raise ConfigError(
            f"executor ray: {what}: {str(error).strip().splitlines()[0]}",
            hint="the same command again, or --executor local"
            if here
            else "ray start --head on its first machine, then --option address=HOST:6379",
        ) from error


def _knock(address: str) -> None:
    """See whether anybody listens at ``HOST:PORT``; Ray itself goes on trying for minutes.

    Raises
    ------
    OSError
        When nobody does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS):
            pass


def _needs(given: Mapping[str, Any], place: Place, have: Mapping[str, float]) -> dict[str, Any]:
    each = float(place.procs)
    gpus = 0.0 if place.device == "cpu" else given.get("num_gpus", each if have.get("GPU") else 0.0)
    custom = given.get("resources")
    return {
        "num_cpus": given.get("num_cpus", each),
        "num_gpus": gpus,
        "resources": {custom: 1.0} if custom else {},
    }
