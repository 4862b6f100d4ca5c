"""An engine together with what the search needs to know about it."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Engine, Stopping
from llmsearch_optuna.engine.decoding import check_decode_args
from llmsearch_optuna.engine.end_tokens import end_token_findings
from llmsearch_optuna.engine.function import FunctionEngine, PredictionFunction
from llmsearch_optuna.engine.generate.batching import Batching
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.generate.solo import SoloEngine
from llmsearch_optuna.engine.limits import InputLimits, input_limits
from llmsearch_optuna.engine.model import (
    default_params,
    default_stopping,
    embedding_weight,
    generate_only_settings,
    model_fingerprint,
    pad_token_id,
    unsupported_settings,
)
from llmsearch_optuna.engine.probes import probe_batching, probe_slots
from llmsearch_optuna.engine.routing import RoutingEngine, batch_dependent_length
from llmsearch_optuna.engine.slots.attention import implementation
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.replay import ReplayStatistics
from llmsearch_optuna.errors import ModelError, ParameterError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import BODY

__all__ = ["Backend", "SpaceCheck", "check_local_space", "function_backend", "model_backend"]

_LOG = logging.getLogger(__name__)

SpaceCheck = Callable[[SearchSpace, Sequence[GenerationParams]], dict[str, str]]
"""``(space, additional parameters) -> findings by topic``.

Raises ParameterError if the engine does not support a parameter, and the errors of `probe_server`.
"""


def check_local_space(space: SearchSpace, additional: Sequence[GenerationParams]) -> dict[str, str]:  # noqa: ARG001
    """Raise an error if the space has fields of a server's request. Return no findings.

    Raises:
        ParameterError: The message names the field.
    """
    if bodies := space.settings(BODY):
        raise ParameterError(
            f"`{BODY}{next(iter(bodies))}` is a field of a server's request, and no server generates: leave it out"
        )
    return {}


@dataclass(frozen=True, kw_only=True)
class Backend:
    """An engine and the properties of its model.

    Attributes:
        engine: The engine.
        summary: One line: which engine it is, and why it was chosen.
        description: The model's class, number of parameters, dtype and device.
        concurrency: The batch size, or the maximum number of simultaneous requests to a server; 1 if it is unknown.
        tokenizer: Encodes the prompts; None if only the server has it.
        identity: Identifies the model in the study's fingerprint.
        model_name: The model's name on a server; None in process.
        environment: The versions and the hardware that completions depend on, by name; empty if they are unknown.
        eos_token_ids: The tokens that end a completion; empty if they are unknown.
        stop_strings: The strings with which the model's generation config ends a completion.
        window: The limits of the model's inputs; None if they are unknown.
        default_params: ``(max_new_tokens, generation_seed) -> the model's default parameters``; None if unknown.
        replay: The statistics of replay; None if the engine cannot replay.
        counts_tokens: Whether completions may have a token count.
        repeatable: Whether parameters with the same `GenerationParams.canonical` always give the same completions.
        unsupported_settings: The settings of the model's generation config that no engine applies, by name.
        find_in_prompts: ``(token ids of the prompts, by row) -> what is probably wrong, by topic``; None if the tokens
            are not known.
        check_space: Validates, before a search, that the engine supports all parameters. By default, it supports all,
            but no field of a server's request.
        decodes_greedily: Returns whether greedy decoding is possible, which some models behind servers refuse.
        takes_messages: Whether prompts are chat messages, which a server renders.
        compare: Checks that take too long for each search, for a diagnosis; returns findings by topic.
    """

    engine: Engine
    summary: str
    description: str
    concurrency: int = 1
    tokenizer: PreTrainedTokenizerBase | None
    identity: str
    model_name: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    eos_token_ids: tuple[int, ...] = ()
    stop_strings: tuple[str, ...] = ()
    window: InputLimits | None = None
    default_params: Callable[[int, int], GenerationParams] | None = None
    replay: ReplayStatistics | None = None
    counts_tokens: bool = True
    repeatable: bool = False
    unsupported_settings: Mapping[str, Any] = field(default_factory=dict)
    find_in_prompts: Callable[[Mapping[int, Sequence[int]]], dict[str, str]] | None = None
    check_space: SpaceCheck = check_local_space
    decodes_greedily: Callable[[], bool] = lambda: True
    takes_messages: bool = False
    compare: Callable[[], dict[str, str]] = dict

    def diagnose(self, space: SearchSpace) -> dict[str, str]:
        """Return the findings of `check_space` and `compare`, by topic."""
        return {**self.check_space(space, ()), **self.compare()}

    def log_replay(self) -> None:
        """Log the statistics of replay, if the engine replays."""
        if self.replay is not None:
            _LOG.info("replay: %s", self.replay)

    def stopping(self, strings: Sequence[str]) -> Stopping:
        """Return the model's own stopping conditions, with further stop strings."""
        return Stopping(eos_token_ids=self.eos_token_ids, strings=tuple(dict.fromkeys((*self.stop_strings, *strings))))

    def notes(self, prompts: Mapping[int, Sequence[int]]) -> dict[str, str]:
        """Return what users should know of the model and the prompts, by topic. What is probably wrong is also logged.

        Args:
            prompts: The token ids of each prompt, by row.

        Raises:
            ModelError: The model does not embed a token id of a prompt.
        """
        if self.window is not None:
            for row, token_ids in prompts.items():
                if (unknown := self.window.unknown_id(row, token_ids)) is not None:
                    raise ModelError(unknown)
        for name, value in self.unsupported_settings.items():
            _LOG.warning("the model's generation config sets %s = %s, which is not supported and ignored", name, value)
        left_out = ", ".join(f"{name} = {value}" for name, value in self.unsupported_settings.items())
        findings = {} if self.find_in_prompts is None else self.find_in_prompts(prompts)
        for finding in findings.values():
            _LOG.warning("%s", finding)
        return {**({"left out": f"{left_out}, which its generation config asks for"} if left_out else {}), **findings}


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
        ModelError: `is_encoder_decoder` is wrong, or the model cannot generate.
        TaskError: The tokenizer does not have one of `decode_args`.
    """
    if is_encoder_decoder not in (None, actual := model.config.is_encoder_decoder):
        raise ModelError(f"is_encoder_decoder={is_encoder_decoder}, but the model's is {actual}: leave it out")
    check_decode_args(tokenizer, decode_args or {})
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
    own_stopping = default_stopping(model, tokenizer)
    solo = SoloEngine(model, tokenizer, decode_args=decode_args, use_cache=use_cache)
    return Backend(
        engine=RoutingEngine(batch_engine, solo, lambda request: request.params.beams),
        summary=summary,
        description=_description(model),
        concurrency=batch_size,
        tokenizer=tokenizer,
        identity=model_fingerprint(model),
        environment=_environment(model, engine),
        eos_token_ids=own_stopping.eos_token_ids,
        stop_strings=own_stopping.strings,
        window=input_limits(model, tokenizer),
        default_params=functools.partial(default_params, model),
        replay=engine.statistics if isinstance(engine, SlotEngine) else None,
        repeatable=True,
        unsupported_settings=unsupported_settings(model),
        find_in_prompts=functools.partial(
            end_token_findings, tokenizer, own_stopping, is_encoder_decoder=model.config.is_encoder_decoder
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
    if model.config.is_encoder_decoder:
        reason = "it is an encoder-decoder"
    elif settings:
        reason = f"its generation config sets {', '.join(settings)}"
    else:
        runner = ModelRunner(model)
        passed, reason = _probe_with_masks(runner)
        if passed:
            engine = SlotEngine(runner, tokenizer, slots=batch_size, decode_args=decode_args, replay_bytes=replay_bytes)
            return engine, f"{engine.slots} slots, which support {type(model).__name__}: {reason}"
    batching, why = probe_batching(model, pad_token_id(model, tokenizer))
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


def function_backend(function: PredictionFunction, tokenizer: PreTrainedTokenizerBase | None) -> Backend:
    """Create a backend for the user's own prediction function. The properties of its model are unknown.

    The tokenizer renders prompts, whose tokens are counted with it. It is optional, because the function receives text.
    """
    return Backend(
        engine=FunctionEngine(function),
        summary="custom_pred_function",
        description="behind custom_pred_function",
        tokenizer=tokenizer,
        identity=identify(function),
        counts_tokens=False,
    )
