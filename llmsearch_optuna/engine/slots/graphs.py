"""Decode steps as CUDA graphs: one launch replaces hundreds.

How it works: a step of a new shape is captured when it is first needed. Before that, it runs twice without a graph, so
that kernels are selected and memory is allocated. In the second run, the host must not wait for the device: a capture
cannot record that. Repeating a step is harmless, because it writes the same keys and values to the same positions.

A captured graph is not trusted at once. It is replayed with other tokens than those of the capture, and its logits must
be those of a plain step to the last bit. This finds graphs that are empty, because the capture was on another device,
and graphs that hold values of the capture where they should read memory. The step that follows has the right tokens,
and replaces the keys and values of that test.

Streams and captures belong to the current device, so the model's device is made the current one throughout.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from llmsearch_optuna.engine.memory import is_out_of_memory, release_memory

__all__ = ["GraphError", "StepGraphs"]


class GraphError(RuntimeError):
    """A step cannot be captured as a graph, or its graph gives other logits."""


class StepGraphs:
    """The decode steps of one model on one device as graphs, one per shape.

    Args:
        take_step: ``(inputs, length) -> logits``, a plain step; see `step`.
        slots: The maximum number of slots.
        vocabulary: The number of tokens that the model embeds.
        device: The CUDA device.
    """

    def __init__(
        self, take_step: Callable[[Tensor, int], Tensor], slots: int, vocabulary: int, device: torch.device
    ) -> None:
        self._take_step = take_step
        self._vocabulary = vocabulary
        self._device = device
        with torch.cuda.device(device):
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._inputs = torch.zeros(3, slots, dtype=torch.int64, device=device)
        self._pool: Any = None
        self._captured: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def step(self, inputs: Tensor, length: int) -> Tensor:
        """Replay the graph of one step. If its shape is new, the graph is captured first.

        Args:
            inputs: Tokens, positions and pages; int64, on the host. Shape: (3, slots).
            length: The number of cache positions that are read.

        Returns:
            Logits, valid until the next step. Shape: (slots, vocabulary).

        Raises:
            GraphError: The step cannot be captured.
            RuntimeError: Memory ran out; see `is_out_of_memory`.
        """
        slots = inputs.shape[1]
        with torch.cuda.device(self._device):
            on_device = self._inputs[:, :slots].copy_(inputs, non_blocking=True)
            if (slots, length) not in self._captured:
                graph, logits = self._capture(on_device, length)
                self._check(graph, logits, on_device, length)
                on_device.copy_(inputs, non_blocking=True)
                self._captured[slots, length] = graph, logits
            graph, logits = self._captured[slots, length]
            graph.replay()
        return logits

    def clear(self) -> None:
        """Drop the graphs. Required after the memory that they write to is replaced."""
        self._captured.clear()
        self._pool = None  # a pool must not be used again after all of its graphs have been destroyed

    def _capture(self, inputs: Tensor, length: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        self._rehearse(inputs, length)
        try:
            return self._captured_once(inputs, length)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            # The rehearsal would have shown what cannot be captured. An allocation that fails during a capture may
            # only invalidate it, without saying so.
            reason = error
        release_memory()
        try:
            return self._captured_once(inputs, length)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise GraphError(f"the capture failed: {' '.join(str(reason).split())}") from error

    def _rehearse(self, inputs: Tensor, length: int) -> None:
        """Run the step twice without a graph.

        Raises:
            GraphError: The host has to wait for the device in the middle of a step.
        """
        before = torch.cuda.get_sync_debug_mode()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._take_step(inputs, length)
            torch.cuda.set_sync_debug_mode("error")
            try:
                self._take_step(inputs, length)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                raise GraphError(f"its forward pass waits for the device: {' '.join(str(error).split())}") from error
            finally:
                torch.cuda.set_sync_debug_mode(before)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _captured_once(self, inputs: Tensor, length: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        before = torch.cuda.current_stream()
        try:
            # Other threads (leases, a user's metric) may use the device meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                logits = self._take_step(inputs, length)
        except BaseException:
            # In torch 2.13, the stream of a failed capture stays the current one.
            torch.cuda.set_stream(before)
            raise
        self._pool = graph.pool()
        return graph, logits

    def _check(self, graph: torch.cuda.CUDAGraph, logits: Tensor, inputs: Tensor, length: int) -> None:
        """Compare a graph with a plain step, on other tokens than those of its capture.

        Raises:
            GraphError: The logits differ.
        """
        inputs[0].add_(1).remainder_(self._vocabulary)
        inputs[2].zero_()
        plain = self._take_step(inputs, length).clone()
        graph.replay()
        if not torch.equal(_bits(plain), _bits(logits)):
            raise GraphError("a replayed step has other logits than a plain one")


def _bits(values: Tensor) -> Tensor:
    """Return the bytes of a tensor, in which NaN equals NaN."""
    return values.contiguous().view(torch.uint8)
