"""Steps of a pack in stretches: one after another on the CPU, as a recorded graph on CUDA."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dcpt.train.inputs import Mixture
from dcpt.train.pack.feed import ResidentTokens, gather_on_host, places_of_steps
from dcpt.train.pack.step import PackedStep

LONGEST = 10
"""Steps of a stretch at most: between two the host looks at the losses, and whether it is to stop."""

WARM_UP = 3
"""Steps taken before a graph is recorded: in them libraries choose kernels and the allocator fills."""


class Engine:
    """Takes optimizer steps of a pack.

    Parameters
    ----------
    step : PackedStep
        What a step does.
    context, batch : int
        Tokens per sequence, sequences per step and replica.
    resident : ResidentTokens, optional
        The corpora on the device; without them each batch is gathered on the host.
    record : bool
        Whether a CUDA graph of the whole step may be recorded.
    longest : int, optional
        Steps of a stretch at most; by default `LONGEST` on CUDA and 1 on the CPU.
    """

    def __init__(
        self,
        step: PackedStep,
        context: int,
        batch: int,
        resident: ResidentTokens | None = None,
        record: bool = False,
        longest: int | None = None,
    ) -> None:
        self.step, self.context, self.batch, self.resident = step, context, batch, resident
        self.device = step.stack.device
        self.longest = longest or (LONGEST if self.device.type == "cuda" else 1)
        self.record = record and self.device.type == "cuda"
        self.taken = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.manner = {"compiled": "yes"} if step.compiled else {}
        self._side: torch.cuda.Stream | None = None
        size = step.stack.size
        # What a recorded step reads and writes lies at fixed addresses; `row` says which step of the stretch.
        self._row = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._rates = torch.zeros(self.longest, dtype=torch.float32, device=self.device)
        self._results = torch.zeros(self.longest, size, 2, device=self.device)
        if resident is not None:
            self._places = torch.zeros(self.longest, size, batch, dtype=torch.int64, device=self.device)
        else:
            self._tokens = torch.zeros(
                self.longest, size, batch, context + 1, dtype=torch.int64, device=self.device
            )

    def advance(
        self, mixtures: Sequence[Mixture], rates: NDArray[np.float64], first: int, last: int
    ) -> NDArray[np.float64]:
        """Take the steps `first` to `last`, both included.

        Parameters
        ----------
        mixtures : sequence of Mixture
            What each replica is trained on.
        rates : ndarray, shape (steps of the run,)
            Learning rate of each step; that of step 1 stands first.
        first, last : int
            At most `longest` steps, counted from 1.

        Returns
        -------
        ndarray, shape (last - first + 1, K, 2)
            Loss and gradient norm of each step and replica.
        """
        if self.device.type == "cpu" and self.resident is None:
            return np.stack([self._take_here(mixtures, rates, step) for step in range(first, last + 1)])
        count = last - first + 1
        self._load(mixtures, rates, first, last)
        for _ in range(count):
            self._take_recorded()
        values: NDArray[np.float64] = self._results[:count].double().cpu().numpy()
        return values

    def release(self) -> None:
        """Give back the graph and the memory it holds; the steps that follow go one by one."""
        self.record = False
        if self.graph is not None:
            self.graph.reset()
            self.graph = None

    def _take_here(
        self, mixtures: Sequence[Mixture], rates: NDArray[np.float64], step: int
    ) -> NDArray[np.float64]:
        self.step.stack.set_rate(float(rates[step - 1]))
        values: NDArray[np.float64] = (
            self.step.take(gather_on_host(mixtures, step, self.device)).double().numpy()
        )
        return values

    def _load(self, mixtures: Sequence[Mixture], rates: NDArray[np.float64], first: int, last: int) -> None:
        count = last - first + 1
        self._row.zero_()
        self._rates[:count] = torch.from_numpy(rates[first - 1 : last].astype(np.float32)).to(self.device)
        if self.resident is not None:
            places = places_of_steps(self.resident, mixtures, self.context, self.batch, first, last)
            self._places[:count] = torch.from_numpy(places).to(self.device)
        else:
            for row, number in enumerate(range(first, last + 1)):
                self._tokens[row] = gather_on_host(mixtures, number, self.device)

    def _body(self) -> None:
        """One step as a graph records it: everything it needs it finds on the device, by `row`."""
        if self.resident is not None:
            places = self._places.index_select(0, self._row)[0]
            tokens = self.resident.gather(places, self.context)
        else:
            tokens = self._tokens.index_select(0, self._row)[0]
        rate = self._rates.index_select(0, self._row)[0]
        if self.step.stack.rate is not None:
            self.step.stack.rate.copy_(rate)
        else:
            self.step.stack.set_rate(float(rate))
        self._results.index_copy_(0, self._row, self.step.take(tokens)[None])
        self._row.add_(1)

    def _take_recorded(self) -> None:
        if self.graph is not None:
            self.graph.replay()
        elif self.record and self.taken >= WARM_UP and self._record():
            assert self.graph is not None
            self.graph.replay()
        elif self.record:
            # A graph is recorded on a stream of its own; what warms up runs there too.
            self._side = self._side or torch.cuda.Stream(self.device)
            self._side.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(self._side):
                self._body()
            torch.cuda.current_stream(self.device).wait_stream(self._side)
        else:
            self._body()
        self.taken += 1

    def _record(self) -> bool:
        """Record one step without taking it; where that is refused the steps are taken one by one."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._body()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.record = False
            self.step.stack.optimizer.zero_grad(set_to_none=True)
            reason = " ".join(str(error).strip().splitlines()[:1])[:200] or type(error).__name__
            self.manner["graph"] = f"no: {reason}"
            print(f"pack: no CUDA graph ({reason}); steps go one by one", file=sys.stderr)
            return False
        self.graph = graph
        self.manner["graph"] = "recorded"
        return True
