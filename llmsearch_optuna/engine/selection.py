"""Choose the backend of a `Tuner`: a loaded model, a model loaded by name, a server, or a function."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.engine.backend import ModelLoader, PendingBackend, function_backend
from llmsearch_optuna.engine.function import PredictionFunction
from llmsearch_optuna.engine.http import OpenAIServer
from llmsearch_optuna.engine.imports import import_local
from llmsearch_optuna.engine.server_backend import server_backend
from llmsearch_optuna.errors import ConfigurationError, ModelError, unknown_name

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["choose_backend"]


def choose_backend(
    *,
    model: "PreTrainedModel | str | Path | ModelLoader | None",
    tokenizer: "PreTrainedTokenizerBase | None",
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
        ModelError: There is no model or no tokenizer, the model cannot be loaded, or a library for it is not installed.
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
        return _pending_function(custom_pred_function, model, tokenizer, device, encode_args)
    if backend is not None:
        del model_arguments["tokenizer_decode_args"]
        _check_unset("`backend`, which loads the model itself", device=device, **model_arguments)
        in_vllm: PendingBackend = import_local("local", "`backend`").pending_vllm(
            model, tokenizer, batch_size=batch_size, arguments=backend_args or {}, decode_args=decode_args
        )
        return in_vllm
    if model is None:
        raise ModelError("pass a model, a custom_pred_function, or a server")
    pending: PendingBackend = import_local("local", "`model`").pending_model(
        model,
        tokenizer,
        device,
        batch_size=batch_size,
        replay_bytes=replay_bytes,
        decode_args=decode_args,
        is_encoder_decoder=is_encoder_decoder,
    )
    return pending


def _pending_function(
    function: PredictionFunction,
    model: "PreTrainedModel | str | Path | ModelLoader | None",
    tokenizer: "PreTrainedTokenizerBase | None",
    device: str | None,
    encode_args: Mapping[str, Any] | None,
) -> PendingBackend:
    """Return the backend of a prediction function, with the tokenizer that is given or that comes with the model."""
    if isinstance(model, str | Path):
        raise ConfigurationError("with `custom_pred_function`, no model is loaded: pass `tokenizer` instead")
    if model is None:
        _check_unset("`custom_pred_function`, if no model is given", device=device)
    else:
        tokenizer = import_local("local", "`model`").load(model, tokenizer, device)[1]
    if tokenizer is None:
        _check_unset("`custom_pred_function`, if no tokenizer is given", tokenizer_encode_args=encode_args)
    else:
        import_local("tokenizers", "`tokenizer`").check_tokenizer(tokenizer)
    return PendingBackend(tokenizer, partial(function_backend, function, tokenizer))


def _check_backend(backend: str | None, backend_args: Mapping[str, Any] | None) -> None:
    if backend is None:
        _check_unset("no `backend`", backend_args=backend_args)
    elif backend != "vllm":
        raise ConfigurationError(unknown_name("backend", backend, ("vllm",)))


def _check_unset(chosen: str, /, **arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise ConfigurationError(f"`{name}` has no effect with {chosen}: leave it out")
