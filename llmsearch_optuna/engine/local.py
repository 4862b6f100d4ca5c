"""The models of a `Tuner` in this process: loaded, or to be loaded by this package or by vLLM.

Only `import_local` imports this module, so that a search on a server does not need torch.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from transformers import Pipeline, PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.backend import ModelLoader, PendingBackend
from llmsearch_optuna.engine.loading import LoadedModel, load_model, place_model
from llmsearch_optuna.engine.model import check_model
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.tokenizers import check_tokenizer
from llmsearch_optuna.engine.vllm.backend import check_vllm, load_for_vllm, vllm_backend
from llmsearch_optuna.errors import LlmsearchError, ModelError

__all__ = ["load", "pending_model", "pending_vllm"]


def pending_model(
    model: PreTrainedModel | str | Path | ModelLoader,
    tokenizer: PreTrainedTokenizerBase | None,
    device: str | None,
    *,
    batch_size: int,
    replay_bytes: int | None,
    decode_args: Mapping[str, Any] | None,
    is_encoder_decoder: bool | None,
) -> PendingBackend:
    """Load the model of a `Tuner`; see there.

    Raises:
        ModelError: It cannot be loaded, it is no model that generates text, or there is no tokenizer.
    """
    loaded, prompt_tokenizer = load(model, tokenizer, device)
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


def pending_vllm(
    model: object,
    tokenizer: PreTrainedTokenizerBase | None,
    *,
    batch_size: int,
    arguments: Mapping[str, Any],
    decode_args: Mapping[str, Any] | None,
) -> PendingBackend:
    """Load what is needed of a model before vLLM loads it; see `Tuner`.

    Raises:
        ConfigurationError: vLLM, an argument for it, the model or the tokenizer cannot be used.
    """
    if not isinstance(model, str | Path):
        raise ModelError("backend='vllm' loads the model itself: pass its directory or hub id as `model`")
    if tokenizer is not None:
        check_tokenizer(tokenizer)
    check_vllm(arguments)
    named = load_for_vllm(str(model), tokenizer, arguments.get("revision"))
    start = partial(vllm_backend, named, batch_size=batch_size, arguments=arguments, decode_args=decode_args)
    return PendingBackend(named.tokenizer, start)


def load(
    model: PreTrainedModel | str | Path | ModelLoader,
    tokenizer: PreTrainedTokenizerBase | None,
    device: str | None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase | None]:
    """Return the model and the tokenizer of a `Tuner`; see there. The tokenizer is None if there is none.

    Raises:
        ModelError: The model cannot be loaded, or is no model that generates text.
    """
    if isinstance(model, Path) and not model.exists():  # a string may be the name of a model on the hub
        raise ModelError(f"the directory of the model, {model}, does not exist")
    if isinstance(model, str | Path):
        loaded, model_tokenizer = load_model(str(model), device=device)
        return loaded, tokenizer or model_tokenizer
    if callable(model) and not isinstance(model, torch.nn.Module | Pipeline):
        model, model_tokenizer = _call(model)
        tokenizer = tokenizer or model_tokenizer
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
