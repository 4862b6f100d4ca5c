"""Put the simulated devices in the place of ``torch.cuda``."""

import contextlib
import ctypes
import os
import subprocess
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from cuda_simulation import graphs, state
from cuda_simulation.tensors import DispatchMode, FunctionMode, cuda_index

__all__ = ["install"]

_DEVICES = 2


def install() -> None:
    """Simulate two CUDA devices in this process, for as long as it runs. Needs g++, to compile the guard once."""
    if state.is_installed():
        return
    state.mark_installed()
    ctypes.CDLL(str(_guard()))
    cuda: Any = torch.cuda
    replacements: dict[str, Any] = {
        "_lazy_init": lambda: None,
        "_is_in_bad_fork": lambda: False,
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: _DEVICES,
        "current_device": lambda: state.STATE.device,
        "set_device": _set_device,
        "device": _use_device,
        "synchronize": lambda *_: state.note_wait(state.STATE.device, "synchronize"),
        "empty_cache": lambda: None,
        "mem_get_info": lambda *_: (state.STATE.free_bytes, state.STATE.free_bytes),
        "max_memory_allocated": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "memory_reserved": lambda *_: 0,
        "get_device_name": lambda *_: "simulated",
        "get_device_properties": lambda *_: types.SimpleNamespace(
            name="simulated", major=9, minor=0, total_memory=state.STATE.free_bytes, multi_processor_count=132
        ),
        "get_device_capability": lambda *_: (9, 0),
        "is_bf16_supported": lambda *_, **__: True,
        "get_rng_state": lambda *_: torch.zeros(16, dtype=torch.uint8),
        "set_rng_state": lambda *_, **__: None,
        "manual_seed": lambda _: None,
        "manual_seed_all": lambda _: None,
        "Stream": graphs.Stream,
        "Event": graphs.Event,
        "stream": graphs.use_stream,
        "current_stream": graphs.current_stream,
        "set_stream": graphs.set_stream,
        "CUDAGraph": graphs.Graph,
        "graph": graphs.Capture,
        "graph_pool_handle": graphs.new_pool,
        "is_current_stream_capturing": lambda: state.STATE.capture is not None,
        "set_sync_debug_mode": _set_sync_debug_mode,
        "get_sync_debug_mode": lambda: 2 if state.STATE.waits_raise else 0,
    }
    for name, replacement in replacements.items():
        setattr(cuda, name, replacement)
    # The modes below are those of this thread, and transformers moves weights to the device in others.
    os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    modes: list[Any] = [FunctionMode, DispatchMode]
    for mode in modes:
        mode().__enter__()


def _set_device(device: Any) -> None:
    state.STATE.device = cuda_index(device) or 0


@contextlib.contextmanager
def _use_device(device: Any) -> Iterator[None]:
    before = state.STATE.device
    _set_device(device)
    try:
        yield
    finally:
        state.STATE.device = before


def _set_sync_debug_mode(mode: int | str) -> None:
    state.STATE.waits_raise = mode in (2, "error")


def _guard() -> Path:
    """Return the compiled guard. Several processes may compile it at the same time."""
    torch_directory = Path(torch.__file__).parent
    library = Path(tempfile.gettempdir()) / f"simulated-cuda-guard-{torch.__version__}-{os.getuid()}.so"
    if not library.exists():
        made = library.with_suffix(f".{os.getpid()}")
        includes = [torch_directory / "include", torch_directory / "include/torch/csrc/api/include"]
        command = ["g++", "-O1", "-shared", "-fPIC", "-std=c++20"]
        command += [f"-D_GLIBCXX_USE_CXX11_ABI={int(torch._C._GLIBCXX_USE_CXX11_ABI)}"]
        command += [f"-I{include}" for include in includes]
        command += [str(Path(__file__).with_name("guard.cpp")), "-o", str(made)]
        command += [f"-L{torch_directory / 'lib'}", "-lc10", f"-Wl,-rpath,{torch_directory / 'lib'}"]
        subprocess.run(command, check=True)
        made.replace(library)
    return library
