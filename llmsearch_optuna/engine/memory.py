"""Free memory, and how to recover when it runs out."""

import gc

import psutil
import torch

__all__ = ["OUT_OF_MEMORY", "free_memory", "is_out_of_memory", "release_memory"]

OUT_OF_MEMORY = (
    "out of memory at batch size 1: shorten the prompts, lower max_new_tokens, load the model in bfloat16, "
    "or use a smaller model or a larger device"
)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether the error means that the device or the host ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def release_memory() -> None:
    """Run the garbage collector, and return unused CUDA memory to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def free_memory(device: torch.device) -> int:
    """Return the free memory in bytes: that of a CUDA device, or that of the host for any other device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
