"""PEFT adapters: their base model, and their weights."""

import importlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from transformers import PreTrainedModel
from transformers.utils.hub import cached_file
from transformers.utils.import_utils import is_peft_available
from transformers.utils.peft_utils import find_adapter_config_file

from llmsearch_optuna.errors import ModelError

__all__ = ["Adapter", "MissingWeightsError", "find_adapter", "load_adapter"]

_LOG = logging.getLogger(__name__)

# Beside the weights of embeddings, peft saves them again under the names of its wrappers.
_WRAPPERS = {"base_layer", "modules_to_save", "original_module", "token_adapter"}
_SAFETENSORS, _PICKLE = "adapter_model.safetensors", "adapter_model.bin"


class MissingWeightsError(ModelError):
    """The weights of a checkpoint or an adapter do not fit a class of models."""


class Adapter(NamedTuple):
    """A PEFT adapter.

    Attributes:
        name: Its directory or hub id.
        revision: Its hub revision; None for the default.
        base: The directory or hub id of its base model.
        base_revision: The hub revision of the base model; None for the default.
        has_tokenizer: Whether it has a tokenizer of its own.
        config: Its config.
    """

    name: str
    revision: str | None
    base: str
    base_revision: str | None
    has_tokenizer: bool
    config: Mapping[str, Any]

    @property
    def rank(self) -> int | None:
        """The largest rank of its matrices; None if its config names none, as it is no LoRA adapter."""
        ranks = (self.config.get("r"), *(self.config.get("rank_pattern") or {}).values())
        return max((rank for rank in ranks if isinstance(rank, int)), default=None)


def find_adapter(name: str, revision: str | None, *, allow_pickle: bool) -> Adapter | None:
    """Return the adapter of a directory or hub id; None if it has a model's config, or no adapter.

    Raises:
        ModelError: The adapter cannot be loaded: peft is not installed, only a pickle is available but not allowed, or
            the base model is unknown or missing.
    """
    file = find_adapter_config_file(name, revision=revision)
    if file is None:
        return None
    # Without peft, transformers would load the model and silently ignore the adapter next to it.
    if not is_peft_available():
        raise ModelError(f"model {name} is a PEFT adapter: install peft (pip install peft), or merge it into its model")
    if not allow_pickle and _file(name, _SAFETENSORS, revision) is None:
        raise ModelError(
            f"adapter {name} cannot be loaded: it has no safetensors, and pickles need allow_pickle = true"
        )
    if _file(name, "config.json", revision) is not None:
        return None
    config = json.loads(Path(file).read_text(encoding="utf-8"))
    base = config.get("base_model_name_or_path")
    if not base:
        raise ModelError(
            f"adapter {name} cannot be loaded: its adapter_config.json names no base model: set "
            "base_model_name_or_path there"
        )
    base_revision = config.get("revision")
    reason = "it has no config.json"
    try:
        is_there = _file(base, "config.json", base_revision) is not None
    except (OSError, ValueError) as error:
        is_there, reason = False, str(error)
    if not is_there:
        raise ModelError(
            f"adapter {name} cannot be loaded: its base model {base} is not found: change base_model_name_or_path in "
            f"its adapter_config.json ({' '.join(reason.split())})"
        )
    has_tokenizer = _file(name, "tokenizer_config.json", revision) is not None
    return Adapter(name, revision, base, base_revision, has_tokenizer, config)


def load_adapter(model: PreTrainedModel, adapter: Adapter, token_ids: int) -> None:
    """Add an adapter to its base model. The embeddings first get the number of rows that the adapter was trained with.

    Args:
        model: The base model.
        adapter: The adapter.
        token_ids: The number of token ids of the tokenizer.

    Raises:
        ModelError: The adapter was trained with another vocabulary than the tokenizer's.
        MissingWeightsError: The adapter has no weights for some of its layers, or weights for layers that the model
            does not have.
    """
    generator: Any = model
    _resize_embeddings(generator, adapter, token_ids)
    report = generator.load_adapter(adapter.name, adapter_kwargs={"revision": adapter.revision})
    if not report.missing_keys and not report.unexpected_keys:
        return
    # transformers does not rename all weights as peft does, such as the magnitudes of DoRA.
    peft = importlib.import_module("peft")
    weights = peft.load_peft_weights(adapter.name, device="cpu", revision=adapter.revision)
    unwrapped = {name.removeprefix("base_model.model."): tensor for name, tensor in weights.items()}
    result = peft.set_peft_model_state_dict(generator, unwrapped)
    unknown = [name for name in result.unexpected_keys if not _WRAPPERS & set(name.split("."))]
    missing = report.missing_keys & {*result.missing_keys}
    parameters = dict(generator.named_parameters(remove_duplicate=False))
    # A tied layer has the weights of another.
    loaded = {id(weight) for name, weight in parameters.items() if name not in missing}
    misfits = sorted(unknown) or sorted(name for name in missing if id(parameters.get(name)) not in loaded)
    if misfits:
        others = f" and {len(misfits) - 1} others" if len(misfits) > 1 else ""
        raise MissingWeightsError(
            f"adapter {adapter.name} cannot be loaded: its weights and the layers of its base model {adapter.base} "
            f"differ in {misfits[0]}{others}: check base_model_name_or_path in its adapter_config.json"
        )


def _resize_embeddings(model: Any, adapter: Adapter, token_ids: int) -> None:
    """Give the embeddings the number of rows that the adapter was trained with.

    Raises:
        ModelError: The adapter was trained with another vocabulary than the tokenizer's.
    """
    refusal = f"adapter {adapter.name} cannot be loaded: it was trained with"
    remedy = f"check its base model {adapter.base}, and save the tokenizer of its training in its directory"
    largest = max(_trained_tokens(adapter.config), default=0)
    if largest >= token_ids:
        raise ModelError(f"{refusal} the token id {largest}, but the tokenizer has only {token_ids} ids: {remedy}")
    before = len(model.get_input_embeddings().weight)
    rows = _embedding_rows(model, adapter, token_ids)
    if rows is None or rows == before:
        return
    if rows < token_ids:
        raise ModelError(f"{refusal} {rows} embeddings, but the tokenizer has {token_ids} ids: {remedy}")
    _LOG.info("the embeddings are resized from %d to %d rows, as the adapter was trained with them", before, rows)
    if rows > before and not adapter.has_tokenizer:
        _LOG.warning(
            "adapter %s has no tokenizer of its own, but %d embeddings more than its base model: if its training added "
            "tokens, save that tokenizer in its directory",
            adapter.name,
            rows - before,
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # new rows are random until the adapter replaces them
        model.resize_token_embeddings(rows, mean_resizing=False)


def _trained_tokens(config: Mapping[str, Any]) -> set[int]:
    """Return the ids of the single tokens that an adapter trains."""
    given = config.get("trainable_token_indices") or config.get("token_indices") or ()
    lists = given.values() if isinstance(given, dict) else [given]
    return {index for indices in lists for index in indices}


def _embedding_rows(model: Any, adapter: Adapter, token_ids: int) -> int | None:
    """Return the number of embeddings with which the adapter was trained; None if its weights do not tell."""
    modules = (model.get_input_embeddings(), model.get_output_embeddings())
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if module in modules}
    rows = []
    for key, shape in _shapes(adapter).items():
        if not names & set(key.split(".")):
            continue
        if key.endswith("trainable_tokens_delta"):  # its rows are those of single tokens
            rows.append(max(token_ids, len(modules[0].weight)))
        elif "lora_embedding_A" in key:
            rows.append(shape[1])
        elif "lora_A" not in key and "lora_embedding_B" not in key and len(shape) > 1:
            rows.append(shape[0])
    return max(rows, default=None)


def _shapes(adapter: Adapter) -> dict[str, tuple[int, ...]]:
    file = _file(adapter.name, _SAFETENSORS, adapter.revision)
    if file is not None:
        with safe_open(file, framework="pt") as weights:
            return {key: tuple(weights.get_slice(key).get_shape()) for key in weights.keys()}  # noqa: SIM118
    file = _file(adapter.name, _PICKLE, adapter.revision)
    pickled = {} if file is None else torch.load(file, map_location="cpu", weights_only=True)
    return {key: tuple(tensor.shape) for key, tensor in pickled.items()}


def _file(name: str, file: str, revision: str | None) -> str | None:
    """Return the local path of a file of a directory or repository; None if it does not exist."""
    path: str | None = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    return path
