"""Streams, events and graphs of simulated CUDA devices."""

import contextlib
import itertools
import warnings
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from cuda_simulation.state import COUNTS, STATE, finish_copies, note_wait

__all__ = ["Capture", "Event", "Graph", "Stream", "current_stream", "new_pool", "set_stream", "use_stream"]

_POOLS = itertools.count(1)


def new_pool() -> tuple[int, int]:
    return 0, next(_POOLS)


class Stream:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.device = torch.device("cuda", STATE.device)

    def wait_stream(self, stream: "Stream") -> None:
        pass

    def wait_event(self, event: "Event") -> None:
        pass

    def synchronize(self) -> None:
        note_wait(STATE.device, "synchronize")

    def record_event(self, event: "Event | None" = None) -> "Event":
        return event or Event()


class Event:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._copies: list[tuple[Any, Any]] = []

    def record(self, *args: Any) -> None:
        self._copies = list(STATE.copies)

    def wait(self, *args: Any) -> None:
        pass

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        note_wait(STATE.device, "event")
        finish_copies(self._copies)


_DEFAULT = [Stream(), Stream()]


def current_stream(device: Any = None) -> Stream:
    return STATE.stream or _DEFAULT[STATE.device]


def set_stream(stream: Stream) -> None:
    STATE.stream = None if stream in _DEFAULT else stream


@contextlib.contextmanager
def use_stream(stream: Stream) -> Any:
    before = STATE.stream
    set_stream(stream)
    try:
        yield
    finally:
        STATE.stream = before


class Graph:
    """The operations of a capture, with their very tensors."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.operations: list[Any] = []
        self.is_valid = True
        self.kernels = 0
        self.device = -1
        self._pool: Any = None

    def pool(self) -> Any:
        return self._pool

    def reset(self) -> None:
        self.operations.clear()

    def replay(self) -> None:
        if STATE.capture is not None:
            STATE.capture.is_valid = False
            raise RuntimeError("CUDA error: a graph was replayed while a stream is capturing")
        COUNTS.graph_launches += 1
        COUNTS.graph_kernels += self.kernels
        modes = torch.utils._python_dispatch._disable_current_modes()
        with modes, torch._C.DisableTorchFunction(), torch.inference_mode():
            for operation, args, kwargs, results in self.operations:
                inputs = {id(leaf) for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)}
                again = tree_flatten(operation(*args, **kwargs))[0]
                new = [leaf for leaf in again if isinstance(leaf, torch.Tensor)]
                for value, result in zip(new, results, strict=True):
                    if id(result) not in inputs and value.data_ptr() != result.data_ptr():
                        result.copy_(value)


class Capture:
    """``torch.cuda.graph``. As in torch 2.13, the end of an invalid capture raises before the stream is restored."""

    def __init__(self, graph: Graph, pool: Any = None, stream: Any = None, capture_error_mode: str = "global") -> None:
        self._graph = graph
        self._pool = pool or new_pool()
        self._stream = stream or Stream()

    def __enter__(self) -> None:
        if STATE.capture is not None:
            raise RuntimeError("CUDA error: a stream is capturing already")
        self._before = STATE.stream
        self._kernels = sum(COUNTS.kernels.values())
        self._graph.device, self._graph._pool = STATE.device, self._pool
        STATE.stream, STATE.capture = self._stream, self._graph

    def __exit__(self, *error: object) -> None:
        STATE.capture = None
        COUNTS.captures += 1
        self._graph.kernels = sum(COUNTS.kernels.values()) - self._kernels
        if not self._graph.is_valid:
            raise torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture")
        if not self._graph.operations:
            warnings.warn("The CUDA Graph is empty. It was captured on the wrong device or stream.", stacklevel=2)
        STATE.stream = self._before
