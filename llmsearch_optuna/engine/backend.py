"""Whatever answers prompts, with all that the search must know of it."""

import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.base import Engine
from llmsearch_optuna.engine.function import FunctionEngine, PredictionFunction
from llmsearch_optuna.engine.generate.batching import Batching
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.generate.solo import SoloEngine, needs_solo
from llmsearch_optuna.engine.http import (
    HTTPEngine,
    OpenAIServer,
    connect,
    probe_server,
    run,
)
from llmsearch_optuna.engine.model import (
    check_tokenizer,
    context_window,
    default_params,
    default_stopping,
    embedding_weight,
    left_out,
    model_fingerprint,
    only_in_generate,
    pad_token_id,
)
from llmsearch_optuna.engine.probes import probe, probe_batching
from llmsearch_optuna.engine.routing import SplitEngine, common_length, may_become
from llmsearch_optuna.engine.slots.engine import ReplayStatistics, SlotEngine
from llmsearch_optuna.engine.slots.model_runner import Forward
from llmsearch_optuna.errors import ModelError, TaskError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace

__all__ = ["Backend", "SpaceCheck", "function_backend", "model_backend", "server_backend"]

_LOG = logging.getLogger(__name__)

SpaceCheck = Callable[[SearchSpace, Sequence[GenerationParams]], dict[str, str]]
"""``(space, further parameters) -> what was found, by topic``; raises ParameterError where they cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """An engine and what belongs to it.

    Attributes:
        engine: Generates.
        path: Which engine that is, and why.
        description: The model's class, size, type and device.
        rows: How many rows it generates at once; 1 where it is not known.
        tokenizer: Encodes the prompts; ``None`` where only a server has it.
        identity: Names the model in the study's fingerprint.
        environment: The versions and the hardware that its completions depend on, by name, as far as they are known.
        eos_token_ids: The tokens that end a completion.
        window: The most tokens of prompt and completion together; ``None`` if there is no limit.
        default_params: ``(max_new_tokens, generation_seed) -> parameters`` that the model decodes with by itself;
            ``None`` where they are not known.
        replay: How much the engine replays; ``None`` if it cannot.
        counts_tokens: Whether its completions may tell how many tokens they have.
        repeatable: Whether parameters of the same effect always have the same completions, as a model's here have.
        left_out: What the model's generation config asks for and no completion will have.
        check_space: Refuses, before a search, the parameters that the engine does not serve; ``None`` if it serves all.
    """

    engine: Engine
    path: str
    description: str
    rows: int = 1
    tokenizer: PreTrainedTokenizerBase | None
    identity: str
    environment: Mapping[str, str] = field(default_factory=dict)
    eos_token_ids: tuple[int, ...] = ()
    window: int | None = None
    default_params: Callable[[int, int], GenerationParams] | None = None
    replay: ReplayStatistics | None = None
    counts_tokens: bool = True
    repeatable: bool = False
    left_out: Mapping[str, Any] = field(default_factory=dict)
    check_space: SpaceCheck | None = None


def model_backend(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    batch_size: int,
    replay_bytes: int | None = None,
    decode_args: Mapping[str, Any] | None = None,
    is_encoder_decoder: bool | None = None,
) -> Backend:
    """A backend around a loaded model.

    Args:
        model: A causal or an encoder-decoder language model; put into evaluation mode.
        tokenizer: Its tokenizer.
        batch_size: Rows per batch.
        replay_bytes: Memory for continuations that can be replayed; see `SlotEngine`.
        decode_args: The tokenizer's keyword arguments for completions.
        is_encoder_decoder: What the caller takes the model for, if it says.

    Raises:
        ModelError: Model and tokenizer do not fit each other, `is_encoder_decoder` is wrong, or the model cannot
            generate.
    """
    if is_encoder_decoder is not None and is_encoder_decoder != model.config.is_encoder_decoder:
        raise ModelError(f"is_encoder_decoder={is_encoder_decoder}, but the model says otherwise: leave it out")
    check_tokenizer(model, tokenizer)
    torch.nn.Module.eval(model)
    engine, path = _engine(model, tokenizer, batch_size, replay_bytes, decode_args)
    rows: Engine = engine
    length = common_length(model)
    use_cache = engine.batching.use_cache if isinstance(engine, GenerateEngine) else True
    if length is not None:
        batching = Batching("none", use_cache)
        alone = GenerateEngine(model, tokenizer, batch_size=1, decode_args=decode_args, batching=batching)
        rows = SplitEngine(engine, alone, functools.partial(may_become, length))
        path += f"; rows of {length} tokens or more go through model.generate one by one, as company would change them"
    _LOG.info("engine: %s", path)
    unserved = left_out(model)
    for name, value in unserved.items():
        _LOG.warning("the model's generation config sets %s = %s, which is left out of all completions", name, value)
    return Backend(
        engine=SplitEngine(
            rows, SoloEngine(model, tokenizer, decode_args=decode_args, use_cache=use_cache), needs_solo
        ),
        path=path,
        description=_description(model),
        rows=batch_size,
        tokenizer=tokenizer,
        identity=model_fingerprint(model),
        environment=_environment(model),
        eos_token_ids=default_stopping(model, tokenizer).eos_token_ids,
        window=context_window(model),
        default_params=lambda max_new_tokens, seed: default_params(
            model, max_new_tokens=max_new_tokens, generation_seed=seed
        ),
        replay=engine.statistics if isinstance(engine, SlotEngine) else None,
        repeatable=True,
        left_out=unserved,
    )


def _engine(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    batch_size: int,
    replay_bytes: int | None,
    decode_args: Mapping[str, Any] | None,
) -> tuple[SlotEngine | GenerateEngine, str]:
    """The fastest engine that serves the model, and what it is and why."""
    asked = only_in_generate(model)
    if model.config.is_encoder_decoder:
        reason = "it is an encoder-decoder"
    elif asked:
        reason = f"its generation config sets {', '.join(asked)}"
    else:
        forward = Forward(model)
        passed, reason = probe(forward)
        if passed:
            engine = SlotEngine(
                forward, tokenizer, slots=batch_size, decode_args=decode_args, replay_bytes=replay_bytes
            )
            return engine, f"{engine.slots} slots, which suit {type(model).__name__}: {reason}"
    batching, why = probe_batching(model, pad_token_id(model, tokenizer))
    way = f" {batching} ({why})" if why else ""
    plain = GenerateEngine(model, tokenizer, batch_size=batch_size, decode_args=decode_args, batching=batching)
    return plain, f"plain model.generate{way}, as slots do not suit {type(model).__name__}: {reason}"


def _description(model: PreTrainedModel) -> str:
    weights = list(model.parameters())
    devices = ", ".join(sorted({str(weight.device) for weight in weights}))
    millions = sum(weight.numel() for weight in weights) / 1e6
    dtype = str(embedding_weight(model).dtype).removeprefix("torch.")
    return f"{type(model).__name__} with {millions:.4g} million parameters in {dtype} on {devices}"


def _environment(model: PreTrainedModel) -> dict[str, str]:
    devices = {_hardware(weight.device) for weight in model.parameters()}
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": ", ".join(sorted(devices)),
    }


def _hardware(device: torch.device) -> str:
    """What a device's kernels are chosen by; how many threads share a sum changes its rounding, too."""
    if device.type == "cpu":
        return f"cpu with {torch.backends.cpu.get_cpu_capability()} and {torch.get_num_threads()} threads"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def function_backend(function: PredictionFunction, tokenizer: PreTrainedTokenizerBase) -> Backend:
    """A backend around the user's own prediction function, of whose model nothing is known."""
    return Backend(
        engine=FunctionEngine(function),
        path="custom_pred_function",
        description="behind custom_pred_function",
        tokenizer=tokenizer,
        identity=identify(function),
        counts_tokens=False,
    )


def server_backend(
    server: OpenAIServer, tokenizer: PreTrainedTokenizerBase | None, *, chat: bool, prefilled: bool = False
) -> Backend:
    """A backend around a server.

    Args:
        server: Where it is.
        tokenizer: Counts the tokens of prompts, and writes those of a `sample_preprocessor`.
        chat: Whether prompts are chat messages, as JSON.
        prefilled: Whether the last of them is the beginning of the answer.

    Raises:
        ConfigurationError: The API key is not set, or the server does not have the model.
        TaskError: The server cannot go on from the beginning of an answer.
        ServerError: The server cannot be reached.
    """
    connection = run(connect(server))
    if prefilled and connection.kind.prefill is None:
        raise TaskError(
            f"a server of the kind `{connection.kind.name}` cannot go on from a last message of the assistant: leave "
            "it out, or write the whole prompt with a prompt_template"
        )
    engine = HTTPEngine(connection, chat=chat)
    probed: dict[frozenset[str], dict[str, str]] = {}

    def check_space(space: SearchSpace, further: Sequence[GenerationParams]) -> dict[str, str]:
        connection.kind.check_space(space)
        for params in further:
            connection.kind.check_params(params)
        if not server.probe:
            return {}
        names = frozenset({*space.dimensions, *space.fixed} & {"temperature", *connection.kind.fields})
        if names not in probed:
            probed[names] = probe_server(engine, connection, names, _chat_prompt if chat else str)
        return probed[names]

    path = (
        f"{connection.kind.name} server at {server.base_url}, {'chat messages' if chat else 'texts'}, at most "
        f"{connection.max_concurrency} requests at once"
    )
    _LOG.info("engine: %s; its model is %s", path, connection.model)
    return Backend(
        engine=engine,
        path=path,
        description=f"{connection.model}, as the server calls it",
        rows=connection.max_concurrency,
        tokenizer=tokenizer,
        identity=connection.identity,
        check_space=check_space,
    )


def _chat_prompt(text: str) -> str:
    return json.dumps([{"role": "user", "content": text}])
