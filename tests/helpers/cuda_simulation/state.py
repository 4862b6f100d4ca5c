"""What the simulated devices count, the current device and stream, and the capture that is under way."""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "COUNTS",
    "STATE",
    "Counts",
    "State",
    "invalidate_capture",
    "is_installed",
    "mark_installed",
    "note_copy",
    "note_wait",
    "place",
    "record",
]


@dataclass
class Counts:
    """What the devices did since the last `reset`.

    Attributes:
        waits: How often the host waited for a device, by cause and line.
        copies: Copies from the host to a device, by line.
        kernels: Launches outside of graphs, by operation.
        graph_launches: Replays of graphs.
        graph_kernels: Launches within them.
        captures: Captured graphs.
    """

    waits: Counter[tuple[str, str]] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)
    kernels: Counter[str] = field(default_factory=Counter)
    graph_launches: int = 0
    graph_kernels: int = 0
    captures: int = 0

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


@dataclass
class State:
    """The state of the simulated driver.

    Attributes:
        device: The index of the current device.
        stream: The current stream; None for the default one.
        capture: The graph that is being captured.
        free_bytes: The memory that is reported as free.
        waits_raise: Whether a wait of the host raises (`torch.cuda.set_sync_debug_mode("error")`).
    """

    device: int = 0
    stream: Any = None
    capture: Any = None
    free_bytes: int = 2**31
    waits_raise: bool = False


COUNTS = Counts()
STATE = State()
_INSTALLED: list[bool] = []


def is_installed() -> bool:
    """Return whether the devices are simulated."""
    return bool(_INSTALLED)


def mark_installed() -> None:
    _INSTALLED.append(True)


def place() -> str:
    """Return the line of the package that runs, or of transformers if the package does not run."""
    frame, fallback = sys._getframe(2), ""
    while frame is not None:
        name = frame.f_code.co_filename
        if "/llmsearch_optuna/" in name and "/tests/" not in name:
            return f"{name.split('/llmsearch_optuna/')[-1]}:{frame.f_lineno}"
        if not fallback and "/transformers/" in name:
            fallback = f"{name.split('site-packages/')[-1]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return fallback or "elsewhere"


def is_captured(device: int) -> bool:
    """Return whether kernels of a device belong to the capture that is under way."""
    return STATE.capture is not None and STATE.capture.device == device


def record(device: int, operation: Callable[..., Any], args: Any, kwargs: Any, results: list[Any]) -> None:
    """Add an operation to the capture that is under way on a device, if there is one."""
    if is_captured(device):
        STATE.capture.operations.append((operation, args, kwargs, results))


def invalidate_capture() -> None:
    """Do to the capture that is under way what a forbidden call or a failed allocation does."""
    STATE.capture.is_valid = False


def note_wait(device: int, cause: str) -> None:
    if is_captured(device):
        invalidate_capture()
        raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({cause} at {place()})")
    if STATE.waits_raise:
        raise RuntimeError(f"called a synchronizing CUDA operation ({cause} at {place()})")
    COUNTS.waits[cause, place()] += 1


def note_copy(device: int, *, is_blocking: bool) -> None:
    if is_captured(device):
        invalidate_capture()
        raise RuntimeError(
            "Cannot copy between CPU and CUDA tensors during CUDA graph capture unless the CPU tensor is pinned "
            f"({place()})"
        )
    COUNTS.copies[place()] += 1
    if is_blocking:
        if STATE.waits_raise:
            raise RuntimeError(f"called a synchronizing CUDA operation (copy from the host at {place()})")
        COUNTS.waits["copy from the host", place()] += 1
