"""What a loaded model can read, by its config and its tables of positions."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmsearch_optuna.engine.limits import InputLimits
from llmsearch_optuna.engine.model import embedding_weight

__all__ = ["input_limits", "rope_settings"]

_POSITIONS = ("max_position_embeddings", "max_seq_len", "max_sequence_length")


def input_limits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> InputLimits:
    """Return the limits of a model, as its config and its tables of positions give them."""
    config: Any = model.config
    ids = {"vocabulary": len(embedding_weight(model)), "token_ids": None if tokenizer is None else len(tokenizer)}
    if not config.is_encoder_decoder:
        return InputLimits(together=_positions(model, config.get_text_config(), "decoder"), **ids)
    encoder, decoder = (getattr(config, part, None) for part in ("encoder", "decoder"))
    return InputLimits(
        prompt=_positions(model, config if encoder is None else encoder.get_text_config(), "encoder"),
        completion=_positions(model, config if decoder is None else decoder.get_text_config(), "decoder"),
        **ids,
    )


def _positions(model: PreTrainedModel, config: Any, part: str) -> int | None:
    """Return the number of positions that a config gives to a part of a model; None if it gives none."""
    names = [f"max_{part}_position_embeddings", *_POSITIONS]
    numbers = [number for name in names if (number := getattr(config, name, None)) is not None and number > 0]
    if not numbers:
        return None
    positions = int(numbers[0])
    # RoBERTa and ProphetNet number positions from the pad token's id + 1, so the table has fewer than its rows.
    tables = [
        table
        for name, table in nn.Module.named_modules(model)
        if isinstance(table, nn.Embedding) and "position" in name.rpartition(".")[2]
    ]
    offsets = [table.padding_idx for table in tables if table.num_embeddings == positions]
    positions -= max((offset + 1 for offset in offsets if offset is not None), default=0)
    # ProphetNet's decoder also reads the position after the last token.
    positions -= int(part == "decoder" and hasattr(config, "ngram"))
    return max([positions, *(_scaled(rope, numbers) for rope in rope_settings(config))])


def rope_settings(config: Any) -> list[Mapping[str, Any]]:
    """Return the settings of rotary positions: those of all layers, and those of each layer type."""
    rope = getattr(config, "rope_parameters", None) or {}
    return [rope, *(nested for nested in rope.values() if isinstance(nested, Mapping))]


def _scaled(rope: Mapping[str, Any], numbers: Sequence[int]) -> int:
    """Return the number of positions with scaling if a config may give that without scaling first; 0 otherwise.

    With YaRN (https://arxiv.org/abs/2309.00071), it is the original number times the factor. With linear scaling, some
    configs (vicuna-16k) give it under another name. Other kinds of scaling are included in the first number.
    """
    kind, factor = rope.get("rope_type"), rope.get("factor")
    if kind == "yarn" and factor is not None:
        return int(factor * (rope.get("original_max_position_embeddings") or 0))
    return int(max(numbers)) if kind == "linear" else 0
