"""The backend with vLLM in this process: what is needed of a model before vLLM loads it, and what is known of it."""

import functools
import hashlib
import importlib
import importlib.util
import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna._version import requirement
from llmsearch_optuna.engine.backend import Backend, check_local_space
from llmsearch_optuna.engine.decoding import check_decode_args
from llmsearch_optuna.engine.end_tokens import end_token_findings
from llmsearch_optuna.engine.limits import InputLimits
from llmsearch_optuna.engine.loading import Skeleton, load_skeleton
from llmsearch_optuna.engine.model import (
    default_params,
    default_stopping,
    embedding_weight,
    generate_only_settings,
    model_fingerprint,
    unsupported_settings,
)
from llmsearch_optuna.engine.vllm.engine import VLLMEngine
from llmsearch_optuna.engine.vllm.probe import compare_with_transformers, probe_batches
from llmsearch_optuna.errors import ModelError, ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace

__all__ = ["check_vllm", "load_for_vllm", "vllm_backend"]

_LOG = logging.getLogger(__name__)

_CHANGE_THE_MODEL = ("quantization", "hf_overrides", "kv_cache_dtype", "load_format")
"""Arguments of vLLM with which a model has other logits."""
_BLOCK, _BLOCKS = 4096, 16  # bytes and number of the parts of a file of weights that identify it


def check_vllm(arguments: Mapping[str, Any]) -> None:
    """Check that vLLM and the plug-in are here, and the names of the arguments for vLLM.

    Raises:
        ModelError: vLLM is not installed or cannot be imported, or does not find the plug-in.
        ParameterError: An argument is unknown, or is set by this package.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ModelError(f"backend='vllm' needs vLLM: pip install {requirement('vllm')}, or leave `backend` out")
    if not entry_points(group="vllm.logits_processors", name="llmsearch_optuna"):
        raise ModelError("vLLM finds plug-ins of installed packages only: install llmsearch_optuna with pip")
    _batch_module().check_arguments(arguments)


def load_for_vllm(name: str, tokenizer: PreTrainedTokenizerBase | None, revision: str | None) -> Skeleton:
    """Load what is needed of a model before vLLM loads its weights.

    Args:
        name: Directory or hub id of a model, or of a LoRA adapter that names its base model.
        tokenizer: Replaces the model's own tokenizer.
        revision: The hub revision.

    Raises:
        ModelError: The model or the adapter cannot be loaded, or vLLM would not serve it as ``model.generate`` does.
    """
    skeleton = load_skeleton(name, revision=revision)
    if skeleton.adapter is not None and revision is not None and not Path(skeleton.adapter).is_dir():
        raise ModelError(
            f"vLLM loads the default revision of an adapter, not {revision!r}: download adapter {name}, and name its "
            "directory"
        )
    if skeleton.model.config.is_encoder_decoder:
        raise ModelError(f"model {name} is an encoder-decoder, which vLLM does not serve: leave `backend` out")
    if settings := generate_only_settings(skeleton.model):
        raise ModelError(
            f"the generation config of model {name} sets {', '.join(settings)}, which only model.generate applies: "
            "leave `backend` out"
        )
    return skeleton._replace(tokenizer=tokenizer or skeleton.tokenizer)


def vllm_backend(
    skeleton: Skeleton,
    *,
    batch_size: int,
    arguments: Mapping[str, Any],
    decode_args: Mapping[str, Any] | None = None,
) -> Backend:
    """Start vLLM in this process.

    Args:
        skeleton: The model without its weights.
        batch_size: The maximum number of completions at once.
        arguments: Further arguments of ``vllm.LLM``.
        decode_args: The tokenizer's keyword arguments for decoding.

    Raises:
        ModelError: vLLM does not start, e.g. because it does not know the model or memory is short, or the rank of the
            adapter is too large for it.
        TaskError: The tokenizer does not have one of `decode_args`.
    """
    tokenizer = skeleton.tokenizer
    check_decode_args(tokenizer, decode_args or {})
    module = _batch_module()
    if skeleton.adapter is not None:  # whose config names the revision of its base model
        arguments = {**arguments, "revision": skeleton.revision}
    batch = module.VLLMBatch(skeleton.name, skeleton.adapter, skeleton.rank, batch_size, arguments)
    engine = VLLMEngine(batch, tokenizer, capacity=batch_size, decode_args=decode_args)
    model, stopping = skeleton.model, default_stopping(skeleton.model, tokenizer)
    summary = f"vLLM {module.VERSION} in this process, at most {batch_size} completions at once"
    _LOG.info("engine: %s", summary)
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    adapter = "" if skeleton.adapter is None else f" and the adapter {skeleton.adapter}"
    return Backend(
        engine=engine,
        summary=summary,
        description=f"{type(model).__name__} with {millions:.4g} million parameters in {batch.dtype}{adapter}",
        concurrency=batch_size,
        tokenizer=tokenizer,
        identity=_identity(skeleton, batch.dtype, arguments),
        environment=_environment(module.VERSION, arguments),
        eos_token_ids=stopping.eos_token_ids,
        stop_strings=stopping.strings,
        window=InputLimits(
            together=batch.max_model_len, vocabulary=len(embedding_weight(model)), token_ids=len(tokenizer)
        ),
        default_params=functools.partial(default_params, model),
        repeatable=True,
        unsupported_settings=unsupported_settings(model),
        find_in_prompts=functools.partial(end_token_findings, tokenizer, stopping, is_encoder_decoder=False),
        check_space=functools.partial(_check_space, functools.cache(lambda: probe_batches(engine, tokenizer))),
        compare=functools.partial(compare_with_transformers, engine, skeleton, batch.dtype),
    )


def _batch_module() -> Any:
    """Return the module that imports vLLM.

    Raises:
        ModelError: vLLM cannot be imported.
    """
    try:
        return importlib.import_module("llmsearch_optuna.engine.vllm.batch")
    except (ImportError, RuntimeError, OSError, AttributeError) as error:  # parts that do not fit each other
        raise ModelError(f"vLLM cannot be imported: {' '.join(str(error).split())}: install it again") from error


def _check_space(
    probe: Callable[[], dict[str, str]], space: SearchSpace, additional: Sequence[GenerationParams]
) -> dict[str, str]:
    """Refuse beams, and check that completions do not depend on their company."""
    names = {*space.dimensions, *space.fixed}
    if "num_beams" in names or any(params.beams for params in additional):
        raise ParameterError("`num_beams` is not served by vLLM: leave it out, or leave `backend` out")
    check_local_space(space, additional)
    return probe()


def _identity(skeleton: Skeleton, dtype: str, arguments: Mapping[str, Any]) -> str:
    """Return a hash of the config, the names and shapes of the weights, parts of their files, and changes by vLLM."""
    changes = {name: str(arguments[name]) for name in _CHANGE_THE_MODEL if name in arguments}
    digest = hashlib.sha256(f"{model_fingerprint(skeleton.model)} {dtype} {changes}".encode())
    for name in (skeleton.name, *([skeleton.adapter] if skeleton.adapter else [])):
        directory = Path(name)
        if not directory.is_dir():
            digest.update(f"{name} {getattr(skeleton.model.config, '_commit_hash', None)}".encode())
        for path in sorted([*directory.glob("*.safetensors"), *directory.glob("*.bin")]):
            size = path.stat().st_size
            digest.update(f"{path.name} {size}".encode())
            with path.open("rb") as file:
                for block in range(_BLOCKS):
                    file.seek(block * size // _BLOCKS)
                    digest.update(file.read(_BLOCK))
    return f"{digest.hexdigest()[:16]} in vLLM"


def _environment(version: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return what rounding depends on, by name."""
    is_cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if is_cuda else f"cpu with {torch.get_num_threads()} threads"
    width = str(arguments.get("tensor_parallel_size", 1))
    return {"vllm": version, "torch": torch.__version__, "device": device, "tensor_parallel_size": width}
