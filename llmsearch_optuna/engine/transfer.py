"""Copies between the host and a device without waiting."""

import torch
from torch import Tensor

__all__ = ["to_device", "to_pinned"]


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor of the host to a device. The host does not wait for a CUDA device."""
    device = torch.device(device)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def to_pinned(tensor: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    """Begin to copy a tensor of the current CUDA device to pinned memory of the host.

    Returns:
        The copy, and the event after which it is complete.
    """
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()
    return copy, copied
