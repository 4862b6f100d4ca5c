"""Free memory, and how to recover when it runs out."""

import gc

import psutil
import torch

__all__ = [
    "OUT_OF_MEMORY",
    "Regrowth",
    "free_memory",
    "is_out_of_memory",
    "release_memory",
]

OUT_OF_MEMORY = (
    "out of memory at batch size 1: shorten the prompts, lower max_new_tokens, load the model in bfloat16, "
    "or use a smaller model or a larger device"
)

# The allocators of the CPU, of CUDA outside torch's own, of cuBLAS and of MPS raise a plain RuntimeError.
_SIGNS = ("can't allocate memory", "not enough memory", "out of memory", "_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error means that the device or the host ran out of memory.

    That may also be the reason of an error that was raised while another one was handled, as at the end of a capture.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS):
        return True
    return error.__context__ is not None and is_out_of_memory(error.__context__)


def release_memory() -> None:
    """Run the garbage collector, and return unused CUDA memory to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def free_memory(device: torch.device) -> int:
    """Return the free memory in bytes: that of a CUDA device, or that of the host for any other device."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    return int(psutil.virtual_memory().available)


class Regrowth:
    """Decides when to try the full number of completions at once again, after memory ran out.

    That is in the next call of the engine, whose requests are others. If memory runs out there again, the next try is
    two calls later, then four, and so on.
    """

    def __init__(self) -> None:
        self._calls = self._patience = 1
        self._was_tried = False

    def memory_ran_out(self) -> None:
        """Wait for the next call, or for more calls if an earlier try has failed."""
        if self._was_tried:
            self._patience *= 2
        self._was_tried = False
        self._calls = self._patience

    def is_due(self) -> bool:
        """Return whether to try the full number in the call that begins now."""
        self._calls -= 1
        self._was_tried = self._calls <= 0
        return self._was_tried
