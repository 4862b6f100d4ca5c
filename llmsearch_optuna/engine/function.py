"""An engine around the user's own prediction function."""

from collections.abc import Callable, Sequence
from typing import Any

from llmsearch_optuna.engine.base import Completion, Request, Stopping, TokenCallback
from llmsearch_optuna.errors import ConfigurationError, TrialError

__all__ = ["FunctionEngine", "PredictionFunction"]

PredictionFunction = Callable[[list[str], dict[str, Any]], list[str]]
"""``(prompts, generation parameters that are set) -> completions``, as `custom_pred_function` in llmsearch."""


class FunctionEngine:
    """Passes prompts to a function, in one call for all prompts with the same parameters.

    Args:
        function: Receives the prompts and the generation parameters that are set, and returns the completions.
    """

    def __init__(self, function: PredictionFunction) -> None:
        self._function = function

    def generate(
        self,
        requests: Sequence[Request],
        on_tokens: TokenCallback | None = None,
        upcoming: Sequence[Request] = (),  # noqa: ARG002 - there is never spare capacity
    ) -> list[Completion]:
        """Generate one completion per request; see `Engine.generate`. The completions have no token ids.

        Raises:
            ConfigurationError: A request has stopping conditions, which cannot be passed to the function.
            TrialError: The function raised, or did not return one string per prompt.
        """
        if any(request.stopping != Stopping() for request in requests):
            raise ConfigurationError(
                "stop, eos_token_id and stopping_criteria have no effect on custom_pred_function: let the function "
                "stop itself"
            )
        completions: dict[int, Completion] = {}
        for params in dict.fromkeys(request.params for request in requests):
            indices = [index for index, request in enumerate(requests) if request.params == params]
            prompts = [requests[index].prompt for index in indices]
            try:
                texts = list(self._function(prompts, params.to_dict()))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # the user's code may raise anything, and call sys.exit
                raise TrialError(f"custom_pred_function raised {type(error).__name__}: {error}") from error
            if len(texts) != len(indices) or not all(isinstance(text, str) for text in texts):
                raise TrialError(
                    f"custom_pred_function must return {len(indices)} strings for {len(indices)} prompts, got "
                    f"{len(texts)} of {', '.join(sorted({type(text).__name__ for text in texts})) or 'nothing'}"
                )
            for index, text in zip(indices, texts, strict=True):
                completions[index] = Completion(text=text, token_ids=(), finish_reason="stop")
        if on_tokens is not None:
            on_tokens(0)
        return [completions[index] for index in range(len(requests))]
