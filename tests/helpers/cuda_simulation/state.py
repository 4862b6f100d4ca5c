"""What the simulated devices count, the current device and stream, and the capture that is under way."""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = [
    "COUNTS",
    "STATE",
    "Counts",
    "State",
    "copy_later",
    "finish_copies",
    "invalidate_capture",
    "is_installed",
    "is_pinned",
    "mark_installed",
    "note_copy",
    "note_wait",
    "pinned",
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
        copies: Copies to pinned memory that the host has not waited for: the memory, and what it will hold.
    """

    device: int = 0
    stream: Any = None
    capture: Any = None
    free_bytes: int = 2**31
    waits_raise: bool = False
    copies: list[tuple[Any, Any]] = field(default_factory=list)


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


def copy_later(target: Any, source: Any) -> None:
    """Copy to pinned memory: it holds garbage until the host has waited for the device or for a later event."""
    target.view(-1).view(torch.uint8).fill_(0xA5)
    STATE.copies.append((target, source.clone()))


def finish_copies(copies: list[tuple[Any, Any]]) -> None:
    """Do these copies to pinned memory, if they have not been done yet."""
    with torch.inference_mode():
        for copy in copies:
            if any(copy is pending for pending in STATE.copies):
                copy[0].copy_(copy[1])
    STATE.copies = [pending for pending in STATE.copies if all(pending is not copy for copy in copies)]


def pinned(tensor: Any) -> Any:
    """Mark a tensor of the host as pinned."""
    tensor.is_pinned_memory = True
    return tensor


def is_pinned(tensor: Any) -> bool:
    return getattr(tensor, "is_pinned_memory", False)


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
