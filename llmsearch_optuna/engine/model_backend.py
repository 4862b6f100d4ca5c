"""The backend of a loaded model: the fastest engine that supports it, and the properties of the model."""

import functools
import logging
from collections.abc import Mapping
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.base import Engine
from llmsearch_optuna.engine.decoding import check_decode_args
from llmsearch_optuna.engine.end_tokens import end_token_findings
from llmsearch_optuna.engine.generate.batching import Batching
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.generate.solo import SoloEngine
from llmsearch_optuna.engine.model import (
    check_device,
    default_params,
    default_stopping,
    embedding_weight,
    generate_only_settings,
    model_fingerprint,
    pad_token_id,
    unsupported_settings,
)
from llmsearch_optuna.engine.model_limits import input_limits
from llmsearch_optuna.engine.probes import probe_batching, probe_slots
from llmsearch_optuna.engine.quantisation import mixes_rows
from llmsearch_optuna.engine.routing import RoutingEngine, batch_dependent_length
from llmsearch_optuna.engine.slots.attention import implementation
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.errors import ModelError

__all__ = ["model_backend"]

_LOG = logging.getLogger(__name__)


def model_backend(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    batch_size: int,
    replay_bytes: int | None = None,
    decode_args: Mapping[str, Any] | None = None,
    is_encoder_decoder: bool | None = None,
) -> Backend:
    """Create a backend for a loaded model.

    Args:
        model: A causal or an encoder-decoder language model. It is switched to evaluation mode.
        tokenizer: The model's tokenizer.
        batch_size: The number of completions generated at the same time. Slots use at least 8.
        replay_bytes: Memory for replay, in bytes; see `SlotEngine`. Other engines ignore it.
        decode_args: The tokenizer's keyword arguments for decoding. By default, special tokens are skipped.
        is_encoder_decoder: Whether the caller expects an encoder-decoder; None skips this check.

    Raises:
        ModelError: `is_encoder_decoder` is wrong, or the model cannot generate, or is on a device without float64.
        TaskError: The tokenizer does not have one of `decode_args`.
    """
    if is_encoder_decoder not in (None, actual := model.config.is_encoder_decoder):
        raise ModelError(f"is_encoder_decoder={is_encoder_decoder}, but the model's is {actual}: leave it out")
    check_decode_args(tokenizer, decode_args or {})
    check_device(embedding_weight(model).device)
    torch.nn.Module.eval(model)
    engine, summary = _model_engine(model, tokenizer, batch_size, replay_bytes, decode_args)
    batch_engine: Engine = engine
    length = batch_dependent_length(model)
    use_cache = engine.batching.use_cache if isinstance(engine, GenerateEngine) else True
    if length is not None:
        batching = Batching("none", use_cache)
        alone = GenerateEngine(model, tokenizer, batch_size=1, decode_args=decode_args, batching=batching)
        batch_engine = RoutingEngine(
            engine,
            alone,
            lambda request: len(request.prompt_ids) + request.params.max_new_tokens >= length,
        )
        summary += f"; from {length} tokens on, model.generate one by one, because batching would change the logits"
    _LOG.info("engine: %s", summary)
    stopping = default_stopping(model, tokenizer)
    solo = SoloEngine(model, tokenizer, decode_args=decode_args, use_cache=use_cache)
    return Backend(
        engine=RoutingEngine(batch_engine, solo, lambda request: request.params.beams),
        summary=summary,
        description=_description(model),
        concurrency=batch_size,
        tokenizer=tokenizer,
        identity=model_fingerprint(model),
        environment=_environment(model, engine),
        eos_token_ids=stopping.eos_token_ids,
        stop_strings=stopping.strings,
        window=input_limits(model, tokenizer),
        default_params=functools.partial(default_params, model),
        replay=engine.statistics if isinstance(engine, SlotEngine) else None,
        repeatable=True,
        unsupported_settings=unsupported_settings(model),
        find_in_prompts=functools.partial(
            end_token_findings, tokenizer, stopping, is_encoder_decoder=model.config.is_encoder_decoder
        ),
    )


def _model_engine(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int,
    replay_bytes: int | None,
    decode_args: Mapping[str, Any] | None,
) -> tuple[SlotEngine | GenerateEngine, str]:
    """Return the fastest engine that supports the model, and its summary."""
    settings = generate_only_settings(model)
    mixes = mixes_rows(model)
    if model.config.is_encoder_decoder:
        reason = "it is an encoder-decoder"
    elif settings:
        reason = f"its generation config sets {', '.join(settings)}"
    elif mixes:
        reason = "its 8-bit layers round a row by its neighbours, unless llm_int8_threshold is 0 in its config.json"
    else:
        runner = ModelRunner(model)
        passed, reason = _probe_with_masks(runner)
        if passed:
            engine = SlotEngine(runner, tokenizer, slots=batch_size, decode_args=decode_args, replay_bytes=replay_bytes)
            return engine, f"{engine.slots} slots, which support {type(model).__name__}: {reason}"
    batching, why = probe_batching(model, pad_token_id(model, tokenizer))
    if mixes:
        batching, why = Batching("none", batching.use_cache), why or "as batching would change the logits"
    mode = f" {batching} ({why})" if why else ""
    plain = GenerateEngine(model, tokenizer, batch_size=batch_size, decode_args=decode_args, batching=batching)
    return plain, f"plain model.generate{mode}, as slots do not support {type(model).__name__}: {reason}"


def _probe_with_masks(runner: ModelRunner) -> tuple[bool, str]:
    """Probe slots, which need attention masks. A model with FlashAttention, which takes none, is switched to sdpa."""
    passed, reason = probe_slots(runner)
    model: Any = runner.model
    before = implementation(model)
    if passed or "flash" not in before:
        return passed, reason
    try:
        model.set_attn_implementation("sdpa")
    except (ValueError, ImportError):
        return passed, reason
    passed, new_reason = probe_slots(runner)
    if not passed:
        model.set_attn_implementation(before)
        return passed, reason
    _LOG.info("the model's attention is now `sdpa` in place of `%s`, because slots need masks", before)
    return passed, new_reason


def _description(model: PreTrainedModel) -> str:
    weights = list(model.parameters())
    devices = ", ".join(sorted({str(weight.device) for weight in weights}))
    millions = sum(weight.numel() for weight in weights) / 1e6
    dtype = str(embedding_weight(model).dtype).removeprefix("torch.")
    return f"{type(model).__name__} with {millions:.4g} million parameters in {dtype} on {devices}"


def _environment(model: PreTrainedModel, engine: Engine) -> dict[str, str]:
    """Return what rounding depends on, by name. On CUDA, that includes the number of slots: the width of every step."""
    devices = sorted({_hardware(weight.device) for weight in model.parameters()})
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "device": ", ".join(devices)}
    if isinstance(engine, SlotEngine) and embedding_weight(model).device.type == "cuda":
        versions["slots"] = str(engine.slots)
    return versions


def _hardware(device: torch.device) -> str:
    """Return a description of the hardware that affects rounding.

    The hardware determines the kernels. On the CPU, the number of threads determines how sums are split.
    """
    if device.type == "cpu":
        return f"cpu with {torch.backends.cpu.get_cpu_capability()} and {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
