"""Rows so long that the model would treat them by their company."""

from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Request

__all__ = ["common_length", "may_become"]


def common_length(model: PreTrainedModel) -> int | None:
    """From how many tokens on a row's logits depend on its batch; ``None`` where they never do.

    LongRoPE (Phi-3) turns all rows of a batch by other angles once the longest has more tokens than were trained on
    first. Llama 4 scales its attention by the number of tokens in the cache, padding included.
    """
    config = model.config.get_text_config()
    lengths = []
    if getattr(config, "attn_temperature_tuning", False):
        lengths.append(int(config.floor_scale))
    rope = getattr(config, "rope_parameters", None) or {}
    for parameters in (rope, *(one for one in rope.values() if isinstance(one, dict))):
        if parameters.get("rope_type") == "longrope":
            original = parameters.get("original_max_position_embeddings")
            lengths.append(int(original or config.original_max_position_embeddings))
    return min(lengths, default=None)


def may_become(length: int, request: Request) -> bool:
    """Whether a row may have so many tokens in the end, with those of its prompt."""
    return len(request.prompt_ids) + request.params.max_new_tokens >= length
