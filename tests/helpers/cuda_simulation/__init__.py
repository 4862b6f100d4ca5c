"""Simulated CUDA devices: tensors say ``cuda:0`` or ``cuda:1``, compute on the CPU, and obey CUDA's rules.

How it works: a tensor subclass wraps a CPU tensor and reports a CUDA device. A dispatch mode runs every operation on
the CPU tensors, after checking what a real device would check: operations do not mix devices, an index on a device
cannot index a CPU tensor, and kernels of one device are not part of a capture on another. Every wait of the host for
a device, every copy from the host and every launch of a kernel is counted, waits with the line of the package that
caused them. A CUDA graph records its operations with their very tensors, and a replay runs them again into the same
memory. What a real capture forbids (a wait, a copy of pageable memory, a replay) invalidates the simulated one, which
then ends as in torch: with an error, and with the stream of the capture still the current one.

Not simulated: time, the memory of the device, kernels that round differently from those of the CPU, races between
streams.

`install` must run before torch is used for anything else. ``pytest --simulate-cuda -m gpu`` does so.
"""

from cuda_simulation.install import install
from cuda_simulation.state import COUNTS, Counts, invalidate_capture, is_installed

__all__ = ["COUNTS", "Counts", "install", "invalidate_capture", "is_installed"]
