"""An engine around the user's own prediction function."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
            texts = self._texts([requests[index] for index in indices])
            for index, text in zip(indices, texts, strict=True):
                completions[index] = Completion(text=text, token_ids=(), finish_reason="stop")
        if on_tokens is not None:
            on_tokens(0)
        return [completions[index] for index in range(len(requests))]

    def _texts(self, requests: Sequence[Request]) -> list[str]:
        """Call the function for requests with the same parameters, and check what it returns."""
        rule = f"custom_pred_function must return a list of {len(requests)} strings for {len(requests)} prompts"
        try:
            returned: object = self._function([request.prompt for request in requests], requests[0].params.to_dict())
            # The characters of a string and the keys of a mapping would pass for completions.
            is_list = isinstance(returned, Iterable) and not isinstance(
                returned, str | bytes | Mapping | set | frozenset
            )
            texts = list(returned) if is_list else []  # type: ignore[call-overload]
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the user's code may raise anything, and even exit
            raise TrialError(f"custom_pred_function raised {type(error).__name__}: {error}") from error
        if not is_list:
            raise TrialError(f"{rule}, got {'None' if returned is None else type(returned).__name__}")
        if len(texts) != len(requests):
            raise TrialError(f"{rule}, got {len(texts)}")
        for request, text in zip(requests, texts, strict=True):
            if not isinstance(text, str):
                row = "" if request.row is None else f" for row {request.row}"
                raise TrialError(f"{rule}, got {'None' if text is None else type(text).__name__}{row}")
        return [str(text) for text in texts]  # numpy's strings are a subclass
