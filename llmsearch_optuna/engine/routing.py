"""Route each request to one of two engines, of which one batches requests and the other runs them one at a time."""

from collections.abc import Callable, Sequence

from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Completion, Engine, Request, TokenCallback
from llmsearch_optuna.engine.failures import as_one_line
from llmsearch_optuna.engine.model_limits import rope_settings

__all__ = ["RoutingEngine", "batch_dependent_length"]


class RoutingEngine:
    """Serves most requests with a batching engine, and the rest with one that takes them one at a time.

    Args:
        batch_engine: Serves the requests that may share a batch.
        single_engine: Serves the others.
        runs_alone: Returns whether a request goes to `single_engine`.

    Attributes:
        batch_engine: Serves the requests that may share a batch.
    """

    def __init__(self, batch_engine: Engine, single_engine: Engine, runs_alone: Callable[[Request], bool]) -> None:
        self.batch_engine = batch_engine
        self._single_engine = single_engine
        self._runs_alone = runs_alone

    @as_one_line()
    def generate(
        self, requests: Sequence[Request], on_tokens: TokenCallback | None = None, upcoming: Sequence[Request] = ()
    ) -> list[Completion]:
        """Generate one completion per request; see `Engine.generate`. What the model's code raises becomes one line."""
        batched = [request for request in requests if not self._runs_alone(request)]
        single = [request for request in requests if self._runs_alone(request)]
        # The batching engine is not called without requests of its own, so it does not start on upcoming ones either.
        ahead = [request for request in upcoming if not self._runs_alone(request)] if batched else []
        from_batches = iter(self.batch_engine.generate(batched, on_tokens, ahead) if batched else [])
        from_singles = iter(self._single_engine.generate(single, on_tokens))
        return [next(from_singles if self._runs_alone(request) else from_batches) for request in requests]


def batch_dependent_length(model: PreTrainedModel) -> int | None:
    """Return the length in tokens from which logits depend on the rest of the batch; None if they never do.

    LongRoPE (Phi-3) changes the rotary angles of all sequences of a batch as soon as the longest exceeds the original
    training length. Llama 4 scales its attention by the number of tokens in the cache, including padding.
    """
    config = model.config.get_text_config()
    lengths = []
    if getattr(config, "attn_temperature_tuning", False):
        lengths.append(int(config.floor_scale))
    for rope in rope_settings(config):
        if rope.get("rope_type") == "longrope":
            original = rope.get("original_max_position_embeddings")
            lengths.append(int(original or config.original_max_position_embeddings))
    return min(lengths, default=None)
