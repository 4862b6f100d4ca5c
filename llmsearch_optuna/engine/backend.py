"""An engine together with what the search needs to know about it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from llmsearch_optuna.engine.base import Engine, Stopping
from llmsearch_optuna.engine.function import FunctionEngine, PredictionFunction
from llmsearch_optuna.engine.limits import InputLimits
from llmsearch_optuna.engine.slots.statistics import ReplayStatistics
from llmsearch_optuna.errors import ModelError, ParameterError
from llmsearch_optuna.identity import identify
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import BODY

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Backend", "ModelLoader", "PendingBackend", "SpaceCheck", "check_local_space", "function_backend"]

_LOG = logging.getLogger(__name__)

SpaceCheck = Callable[[SearchSpace, Sequence[GenerationParams]], dict[str, str]]
"""``(space, additional parameters) -> findings by topic``.

Raises ParameterError if the engine does not support a parameter, and the errors of `probe_server`.
"""


def check_local_space(space: SearchSpace, additional: Sequence[GenerationParams]) -> dict[str, str]:  # noqa: ARG001
    """Raise an error if the space has fields of a server's request. Return no findings.

    Raises:
        ParameterError: The message names the field.
    """
    if bodies := space.settings(BODY):
        raise ParameterError(
            f"`{BODY}{next(iter(bodies))}` is a field of a server's request, and no server generates: leave it out"
        )
    return {}


ModelLoader = Callable[[], "tuple[PreTrainedModel, PreTrainedTokenizerBase]"]
"""A function without arguments that loads a model and its tokenizer. It is called after the checks of the arguments."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """An engine and the properties of its model.

    Attributes:
        engine: The engine.
        summary: One line: which engine it is, and why it was chosen.
        description: The model's class, number of parameters, dtype and device.
        concurrency: The batch size, or the maximum number of simultaneous requests to a server; 1 if it is unknown.
        tokenizer: Encodes the prompts; None if only the server has it.
        identity: Identifies the model in the study's fingerprint.
        model_name: The model's name on a server; None in process.
        environment: The versions and the hardware that completions depend on, by name; empty if they are unknown.
        eos_token_ids: The tokens that end a completion; empty if they are unknown.
        stop_strings: The strings with which the model's generation config ends a completion.
        window: The limits of the model's inputs.
        default_params: ``(max_new_tokens, generation_seed) -> the model's default parameters``; None if unknown.
        replay: The statistics of replay; None if the engine cannot replay.
        counts_tokens: Whether completions may have a token count.
        repeatable: Whether parameters with the same `GenerationParams.canonical` always give the same completions.
        unsupported_settings: The settings of the model's generation config that no engine applies, by name.
        find_in_prompts: ``(token ids of the prompts, by row) -> what is probably wrong, by topic``; None if the tokens
            are not known.
        check_space: Validates, before a search, that the engine supports all parameters. By default, it supports all,
            but no field of a server's request.
        decodes_greedily: Returns whether greedy decoding is possible, which some models behind servers refuse.
        takes_messages: Whether prompts are chat messages, which a server renders.
        compare: Checks that take too long for each search, for a diagnosis; returns findings by topic.
    """

    engine: Engine
    summary: str
    description: str
    concurrency: int = 1
    tokenizer: "PreTrainedTokenizerBase | None"
    identity: str
    model_name: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    eos_token_ids: tuple[int, ...] = ()
    stop_strings: tuple[str, ...] = ()
    window: InputLimits = field(default_factory=InputLimits)
    default_params: Callable[[int, int], GenerationParams] | None = None
    replay: ReplayStatistics | None = None
    counts_tokens: bool = True
    repeatable: bool = False
    unsupported_settings: Mapping[str, Any] = field(default_factory=dict)
    find_in_prompts: Callable[[Mapping[int, Sequence[int]]], dict[str, str]] | None = None
    check_space: SpaceCheck = check_local_space
    decodes_greedily: Callable[[], bool] = lambda: True
    takes_messages: bool = False
    compare: Callable[[], dict[str, str]] = dict

    def diagnose(self, space: SearchSpace) -> dict[str, str]:
        """Return the findings of `check_space` and `compare`, by topic."""
        return {**self.check_space(space, ()), **self.compare()}

    def log_replay(self) -> None:
        """Log the statistics of replay, if the engine replays."""
        if self.replay is not None and self.replay.drawn:
            _LOG.info("replay: %s", self.replay)

    def stopping(self, strings: Sequence[str]) -> Stopping:
        """Return the model's own stopping conditions, with further stop strings."""
        return Stopping(eos_token_ids=self.eos_token_ids, strings=tuple(dict.fromkeys((*self.stop_strings, *strings))))

    def notes(self, prompts: Mapping[int, Sequence[int]]) -> dict[str, str]:
        """Return what users should know of the model and the prompts, by topic. What is probably wrong is also logged.

        Args:
            prompts: The token ids of each prompt, by row.

        Raises:
            ModelError: The model does not embed a token id of a prompt.
        """
        for row, token_ids in prompts.items():
            if (unknown := self.window.unknown_id(row, token_ids)) is not None:
                raise ModelError(unknown)
        settings = [f"{name} = {value}" for name, value in self.unsupported_settings.items()]
        for setting in settings:
            _LOG.warning("the model's generation config sets %s, which is not supported and ignored", setting)
        left_out = {"left out": f"{', '.join(settings)}, which its generation config asks for"} if settings else {}
        findings = {} if self.find_in_prompts is None else self.find_in_prompts(prompts)
        for finding in findings.values():
            _LOG.warning("%s", finding)
        return {**left_out, **findings}


class PendingBackend(NamedTuple):
    """A chosen backend whose engine is not created yet. A model is already loaded, but a server is not yet contacted.

    Attributes:
        prompt_tokenizer: The tokenizer that renders the prompts; None if the server renders them or none was given.
        start: Probes the model or connects to the server, which can take seconds, and returns the backend.
    """

    prompt_tokenizer: "PreTrainedTokenizerBase | None"
    start: Callable[[], Backend]


def function_backend(function: PredictionFunction, tokenizer: "PreTrainedTokenizerBase | None") -> Backend:
    """Create a backend for the user's own prediction function. The properties of its model are unknown.

    The tokenizer renders prompts, whose tokens are counted with it. It is optional, because the function receives text.
    """
    return Backend(
        engine=FunctionEngine(function),
        summary="custom_pred_function",
        description="behind custom_pred_function",
        tokenizer=tokenizer,
        identity=identify(function),
        counts_tokens=False,
    )
