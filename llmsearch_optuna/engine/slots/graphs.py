"""Steps of decoding and of replay as CUDA graphs: one launch replaces hundreds.

How it works: a step of a new shape is captured when it is first needed. Before that, it runs twice without a graph, so
that kernels are selected and memory is allocated. In the second run, the host must not wait for the device: a capture
cannot record that. These steps keep no drawn token (`Step.make_repeatable`). Repeating such a step is harmless, because
it writes the same values to the same places.

A captured graph is not trusted at once. It is replayed with other inputs than those of the capture, and its results
must be those of a plain step to the last bit. This finds graphs that are empty, because the capture was on another
device, and graphs that hold values of the capture where they should read memory. The step that follows has the right
inputs, and replaces what this test has written. Slots that it leaves out lose their content in any case.

If a step cannot be captured, or its graph gives other results, a warning says so and all further steps run plainly.

Streams and captures belong to the current device, so the model's device is made the current one throughout.
"""

import logging
from typing import Any, Protocol

import torch
from torch import Tensor

from llmsearch_optuna.engine.memory import is_out_of_memory, release_memory
from llmsearch_optuna.engine.transfer import to_device
from llmsearch_optuna.errors import one_line

__all__ = ["Step", "StepGraphs"]

_LOG = logging.getLogger(__name__)


class _GraphError(RuntimeError):
    """A step cannot be captured as a graph, or its graph gives other results."""


class Step(Protocol):
    """A step on a device whose only inputs are one int64 tensor and a length, and what it keeps itself."""

    def __call__(self, inputs: Tensor, length: int) -> tuple[Tensor, ...]:
        """Run the step without a graph, and return its results."""

    def make_repeatable(self, inputs: Tensor) -> None:
        """Change inputs such that repeating the step changes nothing."""

    def vary(self, inputs: Tensor) -> None:
        """Change repeatable inputs to others with other results. What the step then writes, the next one replaces."""


class StepGraphs:
    """The steps of one kind on one device, as one graph per length, or plain ones where graphs are impossible.

    Args:
        step: The step.
        like: A tensor of the shape and type of its inputs, on the device.
        what_runs: The subject and verb of the warning that steps are plain ones.
        are_graphs: Whether to try graphs at all.

    Attributes:
        are_graphs: Whether steps are graphs, as far as known.
    """

    def __init__(self, step: Step, like: Tensor, what_runs: str, *, are_graphs: bool = True) -> None:
        self.are_graphs = are_graphs
        self._what_runs = what_runs
        self._step = step
        self._inputs = torch.zeros_like(like)
        self._device = like.device
        with torch.cuda.device(self._device):
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._pool: Any = None
        self._captured: dict[int, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...]]] = {}

    def run(self, inputs: Tensor, length: int) -> tuple[Tensor, ...]:
        """Run a step. If its length is new, a graph is captured first.

        Args:
            inputs: The inputs, on the host.
            length: See `Step`.

        Returns:
            Results, valid until the next step.

        Raises:
            RuntimeError: Memory ran out; see `is_out_of_memory`.
        """
        if self.are_graphs:
            try:
                return self._replay(inputs, length)
            except _GraphError as error:
                _LOG.warning("%s without CUDA graphs, which is slower: %s", self._what_runs, error)
                self.are_graphs = False
                self.clear()
        return self._step(to_device(inputs, self._device), length)

    def clear(self) -> None:
        """Drop the graphs. Required after the memory that they write to is replaced."""
        self._captured.clear()
        self._pool = None  # a pool must not be used again after all of its graphs have been destroyed

    def _replay(self, inputs: Tensor, length: int) -> tuple[Tensor, ...]:
        with torch.cuda.device(self._device):
            inputs = inputs.pin_memory()
            self._inputs.copy_(inputs, non_blocking=True)
            if length not in self._captured:
                self._step.make_repeatable(self._inputs)
                graph, results = self._capture(length)
                self._check(graph, results, length)
                self._inputs.copy_(inputs, non_blocking=True)
                self._captured[length] = graph, results
            graph, results = self._captured[length]
            graph.replay()
        return results

    def _capture(self, length: int) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...]]:
        self._rehearse(length)
        failures = []
        # The rehearsal would have shown what cannot be captured. An allocation that fails during a capture may only
        # invalidate it, without saying so: the second attempt has more memory.
        for _ in range(2):
            try:
                return self._captured_once(length)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                failures.append(error)
            release_memory()
        raise _GraphError(f"the capture failed: {one_line(failures[0])}") from failures[0]

    def _rehearse(self, length: int) -> None:
        """Run the step twice without a graph.

        Raises:
            _GraphError: The host has to wait for the device in the middle of a step.
        """
        # The mode is that of the process: another thread that waits for the device meanwhile gets the error, too.
        before = torch.cuda.get_sync_debug_mode()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._step(self._inputs, length)
            torch.cuda.set_sync_debug_mode("error")
            try:
                self._step(self._inputs, length)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                raise _GraphError(f"it waits for the device: {one_line(error)}") from error
            finally:
                torch.cuda.set_sync_debug_mode(before)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _captured_once(self, length: int) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...]]:
        graph = torch.cuda.CUDAGraph()
        before = torch.cuda.current_stream()
        try:
            # Other threads (leases, a user's metric) may use the device meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                results = self._step(self._inputs, length)
        except BaseException:
            # In torch 2.13, the stream of a failed capture stays the current one.
            torch.cuda.set_stream(before)
            raise
        self._pool = graph.pool()
        return graph, results

    def _check(self, graph: torch.cuda.CUDAGraph, results: tuple[Tensor, ...], length: int) -> None:
        """Compare a graph with a plain step, on other inputs than those of its capture.

        Raises:
            _GraphError: The results differ.
        """
        self._step.vary(self._inputs)
        plain = [result.clone() for result in self._step(self._inputs, length)]
        graph.replay()
        if not all(torch.equal(_bits(a), _bits(b)) for a, b in zip(plain, results, strict=True)):
            raise _GraphError("a replayed step has other results than a plain one")


def _bits(values: Tensor) -> Tensor:
    """Return the bytes of a tensor, in which NaN equals NaN."""
    return values.contiguous().view(torch.uint8)
