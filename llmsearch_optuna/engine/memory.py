"""Running out of memory, and how much of it there is."""

import gc

import psutil
import torch

__all__ = ["NOT_EVEN_ONE_ROW", "free_memory", "is_out_of_memory", "release_memory"]

NOT_EVEN_ONE_ROW = (
    "out of memory with one row per batch: shorten the prompts, lower max_new_tokens, load the model in bfloat16, "
    "or use a smaller model or a larger device"
)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or the host, had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def release_memory() -> None:
    """Gives back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def free_memory(device: torch.device) -> int:
    """Free memory of a device, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
