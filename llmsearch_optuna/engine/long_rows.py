"""Rows so long that the model would treat them by their company."""

from collections.abc import Sequence

from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Completion, Engine, Request, TokenCallback

__all__ = ["LongRowEngine", "common_length"]


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


class LongRowEngine:
    """Sends rows that may become too long for company to an engine that takes them one by one.

    Args:
        rows: Serves all others.
        alone: Serves long rows.
        length: How long a row must not become in company; see `common_length`.

    Attributes:
        rows: The first of them.
    """

    def __init__(self, rows: Engine, alone: Engine, length: int) -> None:
        self.rows = rows
        self._alone = alone
        self._length = length

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`."""
        short = [request for request in requests if not self._is_long(request)]
        ahead = [request for request in upcoming if not self._is_long(request)] if short else []
        completions = iter(self.rows.generate(short, on_tokens, ahead) if short else [])
        others = iter(self._alone.generate([request for request in requests if self._is_long(request)], on_tokens))
        return [next(others if self._is_long(request) else completions) for request in requests]

    def _is_long(self, request: Request) -> bool:
        return len(request.prompt_ids) + request.params.max_new_tokens >= self._length
