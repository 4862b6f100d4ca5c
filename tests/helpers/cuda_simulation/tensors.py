"""Tensors on simulated CUDA devices, and the two modes that route every operation on them to the CPU."""

import contextlib
from collections.abc import Iterator
from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map

from cuda_simulation.state import COUNTS, STATE, copy_later, is_pinned, note_copy, note_wait, pinned, place, record

__all__ = ["DispatchMode", "FunctionMode", "SimulatedTensor"]

aten: Any = torch.ops.aten
_CPU = torch.device("cpu")
_ATTENTION = torch.nn.functional.scaled_dot_product_attention

_MOVES = {aten.to.device, aten.to.dtype, aten.to.dtype_layout, aten.to.other}
_INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
_WAITS = {
    aten._local_scalar_dense.default: "item",
    aten.item.default: "item",
    aten.is_nonzero.default: "bool",
    aten.equal.default: "equal",
    aten.allclose.default: "allclose",
    aten.nonzero.default: "nonzero",
    aten.nonzero_numpy.default: "nonzero",
    aten.argwhere.default: "nonzero",
    aten.where.default: "nonzero",
    aten.masked_select.default: "masked_select",
    aten._unique2.default: "unique",
    aten.repeat_interleave.Tensor: "repeat_interleave",
    aten.bincount.default: "bincount",
}
# Operations that launch no kernel.
_VIEWS = {
    *(aten.detach.default, aten.alias.default, aten.lift_fresh.default, aten.view.default, aten._unsafe_view.default),
    *(aten.t.default, aten.transpose.int, aten.permute.default, aten.expand.default, aten.unsqueeze.default),
    *(aten.squeeze.dim, aten.squeeze.default, aten.select.int, aten.slice.Tensor, aten.narrow.default),
    *(aten.split.Tensor, aten.unbind.int, aten.as_strided.default, aten.view.dtype, aten.diagonal.default),
    *(aten.numpy_T.default, aten.empty.memory_format, aten.empty_like.default, aten.new_empty.default),
    *(aten.sym_size.int, aten.unflatten.int, aten.split_with_sizes.default, aten.chunk.default, aten.movedim.int),
    *(aten.mT.default, aten.is_pinned.default),
}
_VIEW_METHODS = {
    *(torch.Tensor.transpose, torch.Tensor.permute, torch.Tensor.t, torch.Tensor.unbind, torch.Tensor.view),
    *(torch.Tensor.unsqueeze, torch.Tensor.squeeze, torch.Tensor.expand, torch.Tensor.detach, torch.Tensor.select),
    *(torch.Tensor.split, torch.Tensor.chunk),
}


class SimulatedTensor(torch.Tensor):
    """A tensor that says that it is on a CUDA device.

    Attributes:
        on_cpu: Its content.
        device_index: The index of its device.
    """

    on_cpu: torch.Tensor
    device_index: int
    __slots__ = ["device_index", "on_cpu"]
    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, on_cpu: torch.Tensor, index: int) -> Self:
        with _disable_current_modes():
            tensor = torch.Tensor._make_wrapper_subclass(
                cls,
                on_cpu.size(),
                strides=on_cpu.stride(),
                storage_offset=on_cpu.storage_offset(),
                dtype=on_cpu.dtype,
                layout=on_cpu.layout,
                device=torch.device("cuda", index),
                requires_grad=False,
            )
        tensor.on_cpu, tensor.device_index = on_cpu, index
        return tensor

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return dispatch(func, args, kwargs or {})

    def __repr__(self, **kwargs: Any) -> str:  # type: ignore[override]
        return f"cuda:{self.device_index} {self.on_cpu!r}"

    def tolist(self) -> Any:
        note_wait(self.device_index, "tolist")
        return self.on_cpu.tolist()

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def data_ptr(self) -> int:
        return self.on_cpu.data_ptr()

    def __deepcopy__(self, memo: Any) -> "SimulatedTensor":
        return SimulatedTensor(self.on_cpu.clone(), self.device_index)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return SimulatedTensor, (self.on_cpu, self.device_index)


def is_simulated(value: object) -> bool:
    return isinstance(value, SimulatedTensor)


def unwrapped(value: Any) -> Any:
    if isinstance(value, SimulatedTensor):
        return value.on_cpu
    return _CPU if isinstance(value, torch.device) and value.type == "cuda" else value


def cuda_index(device: Any) -> int | None:
    """Return the index of a CUDA device; None for any other device."""
    if isinstance(device, int) and not isinstance(device, bool):
        return device
    if device is None or torch.device(device).type != "cuda":
        return None
    index = torch.device(device).index
    return STATE.device if index is None else index


def dispatch(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation on the CPU, after checking what a CUDA device would check."""
    tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
    simulated = [tensor for tensor in tensors if isinstance(tensor, SimulatedTensor)]
    device = kwargs.get("device")
    if device is None:
        device = next((value for value in args if isinstance(value, torch.device)), None)
    target = cuda_index(device)
    if not simulated and target is None:
        return func(*args, **kwargs)
    if func in _MOVES:
        return _move(func, args, kwargs)
    if func is aten._to_copy.default:
        return _copied(args[0], device, target, kwargs)
    if func is aten.copy_.default:
        return _copy_into(*args[:2], is_blocking=not (kwargs.get("non_blocking") or (len(args) > 2 and args[2])))
    index = simulated[0].device_index if simulated else target
    assert index is not None
    if func in _INDEXING:
        _check_indices(args)
    else:
        _check_devices(func, tensors, simulated)
    if func in _WAITS:
        note_wait(index, _WAITS[func])
    if target is None and device is not None:  # e.g. new_zeros(device="cpu") of a tensor on a device
        return func(*tree_map(unwrapped, args), **tree_map(unwrapped, kwargs))
    return _run(func, args, kwargs, index if target is None else target)


def _move(func: Any, args: Any, kwargs: Any) -> Any:
    given = {**dict(zip([argument.name for argument in func._schema.arguments], args, strict=False)), **kwargs}
    tensor, device, dtype = given["self"], given.get("device"), given.get("dtype")
    if func is aten.to.other:
        device, dtype = given["other"].device, given["other"].dtype
    here = tensor.device_index if is_simulated(tensor) else None
    there = here if device is None else cuda_index(device)
    if there == here and dtype in (None, tensor.dtype) and not given.get("copy"):
        return tensor
    place_of_result = _CPU if there is None else torch.device("cuda", there)
    options = {"non_blocking": True} if given.get("non_blocking") else {}
    return dispatch(
        aten._to_copy.default, (tensor,), {"dtype": dtype or tensor.dtype, "device": place_of_result, **options}
    )


def _copied(source: Any, device: Any, target: int | None, kwargs: Any) -> Any:
    is_blocking = not kwargs.get("non_blocking")
    options = {name: value for name, value in kwargs.items() if name != "non_blocking"}
    if is_simulated(source) and device is not None and target is None:
        note_wait(source.device_index, "copy to the host")
        return aten._to_copy.default(source.on_cpu, **options)
    index = source.device_index if target is None else target
    if not is_simulated(source) and source.numel():
        note_copy(index, is_blocking=is_blocking)
    return _run(aten._to_copy.default, (source,), options, index)


def _copy_into(target: Any, source: Any, *, is_blocking: bool) -> Any:
    if not is_simulated(target):
        if not is_blocking and is_pinned(target):
            COUNTS.kernels["copy to pinned memory"] += 1
            copy_later(target, source.on_cpu)
        else:
            note_wait(source.device_index, "copy to the host")
            aten.copy_.default(target, source.on_cpu)
        return target
    if not is_simulated(source) and source.numel():
        note_copy(target.device_index, is_blocking=is_blocking)
    return _run(aten.copy_.default, (target, source), {}, target.device_index)


def _check_indices(args: Any) -> None:
    tensor, indices = args[0], args[1]
    for index in indices:
        if index is None:
            continue
        if is_simulated(index) and not is_simulated(tensor):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        if is_simulated(tensor) and not is_simulated(index):
            note_copy(tensor.device_index, is_blocking=True)
        if is_simulated(tensor) and index.dtype in (torch.bool, torch.uint8):
            note_wait(tensor.device_index, "boolean index")
    if len(args) > 2 and is_simulated(tensor) != is_simulated(args[2]) and (args[2].dim() or not is_simulated(tensor)):
        raise RuntimeError(f"Expected all tensors to be on the same device, in an assignment at {place()}")


def _check_devices(func: Any, tensors: list[torch.Tensor], simulated: list[SimulatedTensor]) -> None:
    for tensor in tensors:
        other = tensor.device_index if isinstance(tensor, SimulatedTensor) else None
        if simulated and other != simulated[0].device_index and (tensor.dim() > 0 or other is not None):
            devices = f"cuda:{simulated[0].device_index} and {'cpu' if other is None else f'cuda:{other}'}"
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {devices}! ({func} at "
                f"{place()})"
            )


def _histogram(values: torch.Tensor, *args: Any) -> torch.Tensor:
    """``torch.histc``, which counts integers on CUDA, but floats only on the CPU."""
    return torch.histc(values.float(), *args).to(values.dtype)


def _run(func: Any, args: Any, kwargs: Any, index: int) -> Any:
    """Run an operation on the CPU. Results that are inputs stay the same objects."""
    cpu_args, cpu_kwargs = tree_map(unwrapped, args), tree_map(unwrapped, kwargs)
    if "device" in kwargs:
        cpu_kwargs["device"] = _CPU
    operation = _histogram if func is aten.histc.default else func
    results = operation(*cpu_args, **cpu_kwargs)
    if func not in _VIEWS:
        COUNTS.kernels[str(func)] += 1
    inputs = {id(leaf.on_cpu): leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, SimulatedTensor)}
    tensors = [leaf for leaf in tree_flatten(results)[0] if isinstance(leaf, torch.Tensor)]
    record(index, operation, cpu_args, cpu_kwargs, tensors)

    def wrapped(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return inputs[id(leaf)] if id(leaf) in inputs else SimulatedTensor(leaf, index)

    return tree_map(wrapped, results)


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return dispatch(func, args, kwargs or {})


@contextlib.contextmanager
def _without_functions() -> Iterator[None]:
    with torch._C.DisableTorchFunction():
        yield


class FunctionMode(TorchFunctionMode):
    """Handles what torch does before it dispatches: indexing, attention, and devices without an index."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with _without_functions():
            if func is _ATTENTION and is_simulated(args[0]):
                return _attention(*args, **kwargs)
            if func is torch.Tensor.pin_memory:
                return pinned(args[0].clone())
            if func is torch.empty and kwargs.get("pin_memory"):
                return pinned(torch.empty(*args, **{**kwargs, "pin_memory": False}))
            if func is torch.Tensor.tolist and is_simulated(args[0]):
                return args[0].tolist()
            if func in _VIEW_METHODS and is_simulated(args[0]):
                with _disable_current_modes():
                    views = func(args[0].on_cpu, *args[1:], **kwargs)
                return tree_map(
                    lambda view: (
                        SimulatedTensor(view, args[0].device_index) if isinstance(view, torch.Tensor) else view
                    ),
                    views,
                )
            if func is torch.Tensor.copy_ and (is_simulated(args[0]) or is_simulated(args[1])):
                return dispatch(aten.copy_.default, args, kwargs)
            if func is torch.Tensor.__getitem__ and _reads(args[0], args[1]):
                return _getitem(*args)
            if func is torch.Tensor.__setitem__ and (_reads(args[0], args[1]) or is_simulated(args[2])):
                return _setitem(*args)
        return self._with_indices(func, args, kwargs)

    def _with_indices(self, func: Any, args: Any, kwargs: Any) -> Any:
        if func is torch.Tensor.cuda:
            func, args = torch.Tensor.to, (args[0], torch.device("cuda", STATE.device), *args[2:])
        if func is torch.Tensor.to:
            args, kwargs = tuple(map(_indexed, args)), {name: _indexed(value) for name, value in kwargs.items()}
        elif "device" in kwargs:
            kwargs = {**kwargs, "device": _indexed(kwargs["device"])}
        target = cuda_index(kwargs.get("device")) if func in (torch.tensor, torch.as_tensor) else None
        if target is not None:
            if is_simulated(args[0]):
                return args[0].to(kwargs.get("dtype") or args[0].dtype)
            rest = {name: value for name, value in kwargs.items() if name != "device"}
            return func(*args, **rest).to(torch.device("cuda", target))
        if func is torch.Tensor.new_tensor and is_simulated(args[0]):
            return torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)).to(args[0].device)
        return func(*args, **kwargs)


def _indexed(value: Any) -> Any:
    is_device = isinstance(value, torch.device) or (isinstance(value, str) and value.startswith("cuda"))
    index = cuda_index(value) if is_device else None
    return value if index is None else torch.device("cuda", index)


def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> SimulatedTensor:
    tensors = [tensor for tensor in (query, key, value, attn_mask) if tensor is not None]
    _check_devices("attention", tensors, [query])
    if attn_mask is not None and attn_mask.dtype not in (torch.bool, query.dtype):
        raise RuntimeError(f"attn_mask of dtype {attn_mask.dtype} is neither bool nor the query's {query.dtype}")
    on_cpu = [unwrapped(tensor) for tensor in (query, key, value)]
    options = {"attn_mask": unwrapped(attn_mask), "dropout_p": dropout_p, "is_causal": is_causal}
    options |= {"scale": scale, "enable_gqa": enable_gqa}
    result = _ATTENTION(*on_cpu, **options)
    # The fused kernel; a boolean mask becomes an additive one first, in three kernels.
    COUNTS.kernels["attention"] += 4 if attn_mask is not None and attn_mask.dtype == torch.bool else 1
    record(query.device_index, _ATTENTION, on_cpu, options, [result])
    return SimulatedTensor(result, query.device_index)


def _reads(tensor: Any, index: Any) -> bool:
    return is_simulated(tensor) or any(map(is_simulated, index if isinstance(index, tuple) else (index,)))


def _index_on_cpu(tensor: Any, index: Any) -> tuple[Any, bool]:
    """Return an index on the CPU, and whether it is an advanced one."""
    parts = index if isinstance(index, tuple) else (index,)
    is_advanced, on_cpu = False, []
    for part in parts:
        if isinstance(part, list):
            part = torch.tensor(part)  # noqa: PLW2901
        if isinstance(part, torch.Tensor):
            is_advanced = True
            if is_simulated(part) and not is_simulated(tensor):
                raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
            if is_simulated(tensor) and not is_simulated(part) and part.dim() > 0:
                note_copy(tensor.device_index, is_blocking=True)
            if is_simulated(tensor) and part.dtype in (torch.bool, torch.uint8):
                note_wait(tensor.device_index, "boolean index")
        on_cpu.append(unwrapped(part))
    return tuple(on_cpu) if isinstance(index, tuple) else on_cpu[0], is_advanced


def _getitem(tensor: Any, index: Any) -> Any:
    on_cpu, is_advanced = _index_on_cpu(tensor, index)
    source = unwrapped(tensor)
    with _disable_current_modes():
        result = source[on_cpu]
    if not is_simulated(tensor):
        return result
    if is_advanced:
        COUNTS.kernels["advanced index"] += 1
    record(tensor.device_index, lambda: source[on_cpu], (), {}, [result])
    return SimulatedTensor(result, tensor.device_index)


def _setitem(tensor: Any, index: Any, value: Any) -> None:
    on_cpu, is_advanced = _index_on_cpu(tensor, index)
    target, source = unwrapped(tensor), unwrapped(value)
    if isinstance(value, torch.Tensor) and is_simulated(tensor) != is_simulated(value) and value.dim() > 0:
        if is_advanced:
            raise RuntimeError(f"index_put_: Expected all tensors to be on the same device ({place()})")
        if isinstance(value, SimulatedTensor):
            note_wait(value.device_index, "copy to the host")
        else:
            note_copy(tensor.device_index, is_blocking=True)

    def assign() -> None:
        target[on_cpu] = source

    with _disable_current_modes():
        assign()
    if is_simulated(tensor):
        COUNTS.kernels["assignment"] += 1
        record(tensor.device_index, assign, (), {}, [])
