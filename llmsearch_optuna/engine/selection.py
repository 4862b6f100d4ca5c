"""Who answers the prompts of a task: a loaded model, one that is loaded by name, a server, or a function."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.backend import Backend, function_backend, model_backend, server_backend
from llmsearch_optuna.engine.function import PredictionFunction
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.loading import LoadedModel, load_model, place_model
from llmsearch_optuna.errors import ConfigurationError, ModelError

__all__ = ["Generator", "ModelLoader", "choose_generator"]

ModelLoader = Callable[[], LoadedModel]
"""A function without arguments that loads a model and its tokenizer; called after all checks that need neither."""


class Generator(NamedTuple):
    """Who answers, chosen and loaded, but not yet probed.

    Attributes:
        writer: The tokenizer that prompts are written with; ``None`` where a server does that itself.
        start: Probes it, which takes seconds, and makes the backend.
    """

    writer: PreTrainedTokenizerBase | None
    start: Callable[[], Backend]


def choose_generator(
    *,
    model: PreTrainedModel | str | ModelLoader | None,
    tokenizer: PreTrainedTokenizerBase | None,
    custom_pred_function: PredictionFunction | None,
    server: OpenAIServer | None,
    has_messages: bool,
    begins_the_answer: bool,
    device: str | None,
    batch_size: int,
    replay_bytes: int | None,
    encode_args: Mapping[str, Any] | None,
    decode_args: Mapping[str, Any] | None,
    is_encoder_decoder: bool | None,
    stops: bool,
) -> Generator:
    """The one generator that the arguments of `Tuner` name.

    Args:
        model: A loaded model, a directory or hub id to load, or a function that loads model and tokenizer.
        tokenizer: Its tokenizer; comes with a model that is given by name.
        custom_pred_function: Takes the model's place.
        server: Takes the model's place.
        has_messages: Whether prompts are chat messages.
        begins_the_answer: Whether these end with the beginning of the answer.
        device: Where the model shall be.
        batch_size: Rows that are generated at once.
        replay_bytes: Memory for replay.
        encode_args: The tokenizer's keyword arguments for prompts; only looked at.
        decode_args: The tokenizer's keyword arguments for completions.
        is_encoder_decoder: What the caller takes the model for, if it says.
        stops: Whether texts are named that end a completion.

    Raises:
        ConfigurationError: They name none, or have no effect on the one that they name, or it cannot be loaded.
    """
    if batch_size < 1:
        raise ConfigurationError(f"batch_size must be >= 1, got {batch_size}")
    if replay_bytes is not None and replay_bytes < 0:
        raise ConfigurationError(f"replay_bytes must be >= 0, got {replay_bytes}")
    of_models = {
        "replay_bytes": replay_bytes,
        "is_encoder_decoder": is_encoder_decoder,
        "tokenizer_decode_args": decode_args,
    }
    if server is not None:
        _refuse(
            "`server`, which replaces the model",
            model=model,
            custom_pred_function=custom_pred_function,
            device=device,
            tokenizer_encode_args=encode_args,
            **of_models,
        )
        # The server puts messages into its own chat template.
        writer = None if has_messages else tokenizer
        start = functools.partial(server_backend, server, writer, chat=has_messages, prefilled=begins_the_answer)
        return Generator(writer, start)
    if custom_pred_function is not None:
        _refuse("`custom_pred_function`, which generates by itself", stop=stops or None, **of_models)
        if isinstance(model, str):
            raise ConfigurationError("with `custom_pred_function`, no model is loaded: pass `tokenizer` in its place")
        _, writer = _loaded(model, tokenizer, device)
        return Generator(writer, functools.partial(function_backend, custom_pred_function, writer))
    loaded, writer = _loaded(model, tokenizer, device)
    if loaded is None:
        raise ModelError("pass a model, or a custom_pred_function in its place, or a server")
    start = functools.partial(
        model_backend,
        loaded,
        writer,
        batch_size=batch_size,
        replay_bytes=replay_bytes,
        decode_args=decode_args,
        is_encoder_decoder=is_encoder_decoder,
    )
    return Generator(writer, start)


def _refuse(in_the_place: str, **arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ConfigurationError(f"`{name}` has no effect with {in_the_place}: leave it out")


def _loaded(
    model: PreTrainedModel | str | ModelLoader | None,
    tokenizer: PreTrainedTokenizerBase | None,
    device: str | None,
) -> tuple[PreTrainedModel | None, PreTrainedTokenizerBase]:
    if isinstance(model, str):
        model = functools.partial(load_model, model, device=device)
    if model is not None and not isinstance(model, torch.nn.Module):
        loaded = model()
        return loaded.model, tokenizer or loaded.tokenizer
    if tokenizer is None:
        raise ModelError("pass the model's tokenizer, or the model by name")
    model = cast("PreTrainedModel | None", model)
    if model is not None and device is not None:
        place_model(model, device)
    return model, tokenizer
