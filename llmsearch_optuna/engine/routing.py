"""Two engines as one: some requests go their own way."""

from collections.abc import Callable, Sequence

from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Completion, Engine, Request, TokenCallback

__all__ = ["SplitEngine", "common_length", "may_become"]


class SplitEngine:
    """Sends most requests to an engine that takes many rows at once, and the others to one that takes them alone.

    Args:
        rows: Serves most.
        alone: Serves the others.
        goes_alone: Which are those.

    Attributes:
        rows: The first of them.
    """

    def __init__(self, rows: Engine, alone: Engine, goes_alone: Callable[[Request], bool]) -> None:
        self.rows = rows
        self._alone = alone
        self._goes_alone = goes_alone

    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generates one completion per request; see `Engine.generate`."""
        together = [request for request in requests if not self._goes_alone(request)]
        alone = [request for request in requests if self._goes_alone(request)]
        # Without requests there is nothing to wait for: what is upcoming would be begun and left.
        ahead = [request for request in upcoming if not self._goes_alone(request)] if together else []
        completions = iter(self.rows.generate(together, on_tokens, ahead) if together else [])
        others = iter(self._alone.generate(alone, on_tokens))
        return [next(others if self._goes_alone(request) else completions) for request in requests]


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
