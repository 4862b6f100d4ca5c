"""Choose the backend of a `Tuner`: a loaded model, a model loaded by name, a server, or a function."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from transformers import Pipeline, PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.backend import Backend, function_backend, model_backend
from llmsearch_optuna.engine.function import PredictionFunction
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.loading import LoadedModel, load_model, place_model
from llmsearch_optuna.engine.model import check_model, check_tokenizer
from llmsearch_optuna.engine.server_backend import server_backend
from llmsearch_optuna.engine.vllm.backend import check_vllm, load_for_vllm, vllm_backend
from llmsearch_optuna.errors import ConfigurationError, LlmsearchError, ModelError, unknown_name

__all__ = ["ModelLoader", "PendingBackend", "choose_backend"]

ModelLoader = Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerBase]]
"""A function without arguments that loads a model and its tokenizer. It is called after the checks of the arguments."""


class PendingBackend(NamedTuple):
    """A chosen backend whose engine is not created yet. A model is already loaded, but a server is not yet contacted.

    Attributes:
        prompt_tokenizer: The tokenizer that renders the prompts; None if the server renders them or none was given.
        start: Probes the model or connects to the server, which can take seconds, and returns the backend.
    """

    prompt_tokenizer: PreTrainedTokenizerBase | None
    start: Callable[[], Backend]


def choose_backend(
    *,
    model: PreTrainedModel | str | Path | ModelLoader | None,
    tokenizer: PreTrainedTokenizerBase | None,
    custom_pred_function: PredictionFunction | None,
    server: OpenAIServer | None,
    backend: str | None,
    backend_args: Mapping[str, Any] | None,
    has_messages: bool,
    begins_the_answer: bool,
    device: str | None,
    batch_size: int,
    replay_bytes: int | None,
    encode_args: Mapping[str, Any] | None,
    decode_args: Mapping[str, Any] | None,
    chat_template_args: Mapping[str, Any] | None,
    is_encoder_decoder: bool | None,
    stops: bool,
) -> PendingBackend:
    """Choose and load the backend from the arguments of `Tuner`.

    `has_messages` and `begins_the_answer` are the properties of `DataOptions`. `stops` is true if the caller gave stop
    strings. `encode_args` must be None for a server, and has no other effect here. `chat_template_args` go to a server.

    Raises:
        ConfigurationError: An argument is invalid, or has no effect on the chosen backend.
        ModelError: There is no model or no tokenizer, or the model cannot be loaded.
    """
    if batch_size < 1:
        raise ConfigurationError(f"batch_size must be >= 1, got {batch_size}")
    if replay_bytes is not None and replay_bytes < 0:
        raise ConfigurationError(f"replay_bytes must be >= 0, got {replay_bytes}")
    model_arguments = {
        "replay_bytes": replay_bytes,
        "is_encoder_decoder": is_encoder_decoder,
        "tokenizer_decode_args": decode_args,
    }
    _check_backend(backend, backend_args)
    if server is not None:
        _check_unset(
            "`server`, which replaces the model",
            model=model,
            custom_pred_function=custom_pred_function,
            device=device,
            backend=backend,
            tokenizer_encode_args=encode_args,
            **model_arguments,
        )
        # The server applies its own chat template to messages. The tokenizer then only counts tokens of completions.
        prompt_tokenizer = None if has_messages else tokenizer
        start = partial(
            server_backend,
            server,
            prompt_tokenizer,
            chat=has_messages,
            prefilled=begins_the_answer,
            counting_tokenizer=tokenizer,
            chat_template_args=chat_template_args,
        )
        return PendingBackend(prompt_tokenizer, start)
    if custom_pred_function is not None:
        _check_unset(
            "`custom_pred_function`, which generates itself", stop=stops or None, backend=backend, **model_arguments
        )
        if isinstance(model, str | Path):
            raise ConfigurationError("with `custom_pred_function`, no model is loaded: pass `tokenizer` instead")
        if model is None:
            _check_unset("`custom_pred_function`, if no model is given", device=device)
        else:
            tokenizer = _loaded(model, tokenizer, device)[1]
        if tokenizer is None:
            _check_unset("`custom_pred_function`, if no tokenizer is given", tokenizer_encode_args=encode_args)
        else:
            check_tokenizer(tokenizer)
        return PendingBackend(tokenizer, partial(function_backend, custom_pred_function, tokenizer))
    if backend is not None:
        del model_arguments["tokenizer_decode_args"]
        _check_unset("`backend`, which loads the model itself", device=device, **model_arguments)
        return _pending_vllm(model, tokenizer, batch_size, backend_args or {}, decode_args)
    if model is None:
        raise ModelError("pass a model, a custom_pred_function, or a server")
    loaded, prompt_tokenizer = _loaded(model, tokenizer, device)
    if prompt_tokenizer is None:
        raise ModelError("pass the model's tokenizer, or the model by name")
    check_tokenizer(prompt_tokenizer)
    start = partial(
        model_backend,
        loaded,
        prompt_tokenizer,
        batch_size=batch_size,
        replay_bytes=replay_bytes,
        decode_args=decode_args,
        is_encoder_decoder=is_encoder_decoder,
    )
    return PendingBackend(prompt_tokenizer, start)


def _check_backend(backend: str | None, backend_args: Mapping[str, Any] | None) -> None:
    if backend is None:
        _check_unset("no `backend`", backend_args=backend_args)
    elif backend != "vllm":
        raise ConfigurationError(unknown_name("backend", backend, ("vllm",)))


def _pending_vllm(
    model: PreTrainedModel | str | Path | ModelLoader | None,
    tokenizer: PreTrainedTokenizerBase | None,
    batch_size: int,
    arguments: Mapping[str, Any],
    decode_args: Mapping[str, Any] | None,
) -> PendingBackend:
    if not isinstance(model, str | Path):
        raise ModelError("backend='vllm' loads the model itself: pass its directory or hub id as `model`")
    if tokenizer is not None:
        check_tokenizer(tokenizer)
    check_vllm(arguments)
    named = load_for_vllm(str(model), tokenizer, arguments.get("revision"))
    start = partial(vllm_backend, named, batch_size=batch_size, arguments=arguments, decode_args=decode_args)
    return PendingBackend(named.tokenizer, start)


def _check_unset(chosen: str, /, **arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ConfigurationError(f"`{name}` has no effect with {chosen}: leave it out")


def _loaded(
    model: PreTrainedModel | str | Path | ModelLoader,
    tokenizer: PreTrainedTokenizerBase | None,
    device: str | None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None]:
    if isinstance(model, Path) and not model.exists():  # a string may be the name of a model on the hub
        raise ModelError(f"the directory of the model, {model}, does not exist")
    if isinstance(model, str | Path):
        loaded, own_tokenizer = load_model(str(model), device=device)
        return loaded, tokenizer or own_tokenizer
    if callable(model) and not isinstance(model, torch.nn.Module | Pipeline):
        model, own_tokenizer = _call(model)
        tokenizer = tokenizer or own_tokenizer
    check_model(model)
    model = cast("PreTrainedModel", model)
    if device is not None:
        place_model(model, device)
    return model, tokenizer


def _call(loader: Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerBase]]) -> LoadedModel:
    """Return the model and the tokenizer that a loader returns.

    Raises:
        ModelError: It raised an exception, or returned something else.
    """
    try:
        loaded = loader()
    except LlmsearchError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise ModelError(f"the function given as model raised {type(error).__name__}: {error}") from error
    if not isinstance(loaded, tuple) or len(loaded) != 2:
        raise ModelError(f"the function given as model must return model and tokenizer, got {type(loaded).__name__}")
    return LoadedModel(*loaded)
