"""vLLM's running batch in this process. Only this module imports vLLM, and it is imported when vLLM is needed."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

import vllm
from vllm.config.lora import LoRAConfig, MaxLoRARanks
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind

from llmsearch_optuna.engine.vllm.engine import NewTokens
from llmsearch_optuna.errors import ModelError, ParameterError, ServerError, describe_error
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.vllm_plugin import PLUGIN_KEY, plugin_value

__all__ = ["VERSION", "VLLMBatch", "check_arguments"]

VERSION: str = vllm.__version__

_REFUSED = {
    "model": "name the model as usual",
    "tokenizer": "pass `tokenizer` as usual",
    "enable_lora": "name the directory of the adapter as the model",
    "logits_processors": "vLLM finds the plug-in by itself",
    "max_num_seqs": "set `batch_size`",
    "data_parallel_size": "copies of the model are for `vllm serve` with [server], or for several workers",
    "speculative_config": "leave it out, as vLLM then leaves the plug-in out that draws the tokens",
}
"""Arguments of vLLM that are set here or do not go with the plug-in, with what to do instead."""


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Check the names of the arguments for vLLM.

    Raises:
        ParameterError: An argument is unknown, is set by this package, or does not go with the plug-in.
    """
    names = {field.name for field in fields(vllm.EngineArgs)}
    for name in arguments:
        if name in _REFUSED:
            raise ParameterError(f"`{name}` cannot be in backend_args: {_REFUSED[name]}")
        if name not in names:
            raise ParameterError(f"`{name}` in backend_args is no argument of vLLM {VERSION}")


def _max_lora_rank(adapter: str | None, rank: int | None) -> int:
    """Return the value of vLLM's argument: its default, or a larger one for an adapter that needs it.

    Raises:
        ModelError: None is large enough.
    """
    ranks: list[int] = sorted(get_args(MaxLoRARanks))
    needed = max(rank or 0, LoRAConfig.max_lora_rank)
    if needed > ranks[-1]:
        raise ModelError(
            f"the rank of adapter {adapter} must be at most {ranks[-1]} in vLLM, got {rank}: leave `backend` out"
        )
    return next(allowed for allowed in ranks if allowed >= needed)


class VLLMBatch:
    """Runs requests in vLLM; see `RunningBatch`.

    Args:
        model: The directory or hub id of the model.
        adapter: The directory or hub id of a LoRA adapter; None without one.
        rank: The largest rank of the adapter; None if it is unknown.
        capacity: The maximum number of requests in the batch.
        arguments: Further arguments of ``vllm.LLM``.

    Attributes:
        max_model_len: The maximum number of tokens of prompt and completion together.
        dtype: The dtype of the weights.

    Raises:
        ModelError: vLLM does not start, e.g. because it does not know the model or memory is short, or the rank of the
            adapter is too large for it.
    """

    def __init__(
        self, model: str, adapter: str | None, rank: int | None, capacity: int, arguments: Mapping[str, Any]
    ) -> None:
        # Without a process of its own for the engine, errors have their reasons, and Ctrl-C is ours.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        if current_platform.is_cuda() and current_platform.has_device_capability(80):
            os.environ.setdefault("VLLM_BATCH_INVARIANT", "1")
        defaults: dict[str, Any] = {
            "enable_prefix_caching": True,
            "generation_config": "vllm",
            "disable_log_stats": True,
            "max_lora_rank": _max_lora_rank(adapter, rank),
        }
        try:
            self._engine: Any = vllm.LLM(
                model=model,
                max_num_seqs=capacity,
                enable_lora=adapter is not None,
                **{**defaults, **arguments},
            ).llm_engine
        except Exception as error:  # vLLM's own, of many kinds
            reason = " ".join(str(error).split())
            raise ModelError(
                f"vLLM cannot start the model {model}: {reason[:500]} (if memory is short, change backend_args: "
                "gpu_memory_utilization, max_model_len, or tensor_parallel_size for several GPUs)"
            ) from error
        self._adapter = None if adapter is None else LoRARequest("adapter", 1, adapter)
        self.max_model_len = int(self._engine.model_config.max_model_len)
        self.dtype = str(self._engine.model_config.dtype).removeprefix("torch.")

    def begin(self, name: str, prompt_ids: Sequence[int], params: GenerationParams) -> None:
        """Add a request; see `RunningBatch`."""
        sampling = vllm.SamplingParams(
            temperature=0.0,
            max_tokens=params.max_new_tokens,
            ignore_eos=True,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            extra_args={PLUGIN_KEY: plugin_value(params)},
        )
        prompt = vllm.TokensPrompt(prompt_token_ids=list(prompt_ids))
        self._engine.add_request(name, prompt, sampling, lora_request=self._adapter)

    def step(self) -> list[NewTokens]:
        """Run a step; see `RunningBatch`."""
        try:
            outputs = self._engine.step()
        except Exception as error:  # vLLM's own, of many kinds
            raise ServerError(f"vLLM has failed: {describe_error(error)}") from error
        return [
            NewTokens(output.request_id, tuple(output.outputs[0].token_ids), is_last=output.finished)
            for output in outputs
        ]

    def abort(self, names: Sequence[str]) -> None:
        """Remove requests; see `RunningBatch`."""
        self._engine.abort_request(list(names))
