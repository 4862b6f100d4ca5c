"""The backend of a server: its engine, and the checks of a search space before a search."""

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.http.connection import connect
from llmsearch_optuna.engine.http.engine import HTTPEngine, run
from llmsearch_optuna.engine.http.probe import probe_greedy, probe_server, probe_settings
from llmsearch_optuna.engine.http.server import OpenAIServer
from llmsearch_optuna.engine.limits import InputLimits
from llmsearch_optuna.errors import ParameterError, TaskError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import BODY, TEMPLATE, settings_in

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["server_backend"]

_LOG = logging.getLogger(__name__)


def server_backend(
    server: OpenAIServer,
    tokenizer: "PreTrainedTokenizerBase | None",
    *,
    chat: bool,
    prefilled: bool,
    counting_tokenizer: "PreTrainedTokenizerBase | None",
    chat_template_args: Mapping[str, Any] | None,
) -> Backend:
    """Create a backend for a server.

    Args:
        server: The server's address and options.
        tokenizer: Renders the prompts of a `sample_preprocessor`, and encodes all prompts to count their tokens. The
            server receives text. Optional.
        chat: Whether prompts are chat messages, as JSON.
        prefilled: Whether the last message is the beginning of the answer.
        counting_tokenizer: Counts the tokens of completions for which the server reports no number. Optional.
        chat_template_args: Arguments of the server's chat template.

    Raises:
        ConfigurationError: The API key is not set or cannot be sent.
        ModelError: The server does not have the model, or `server` names none and it does not list exactly one.
        TaskError: The server cannot continue an answer that has begun, or passes no arguments to its chat template.
        ServerError: The server cannot be reached, or refuses the API key.
    """
    connection = run(connect(server, chat=chat))
    if prefilled and connection.kind.prefill is None:
        raise TaskError(
            f"a server of the kind `{connection.kind.name}` cannot continue a last message of the assistant: leave "
            "it out, or write the whole prompt with a prompt_template"
        )
    if chat_template_args and not connection.kind.takes_template_args:
        raise TaskError(
            f"a server of the kind `{connection.kind.name}` takes no `chat_template_args`: leave them out, or "
            + (
                f"set extra_body = {{ {connection.kind.thinking_field} = ... }}"
                if connection.kind.thinking_field
                else "start the server with them"
            )
        )
    count_tokens = None if counting_tokenizer is None else functools.partial(_count_tokens, counting_tokenizer)
    engine = HTTPEngine(connection, chat=chat, chat_template_args=chat_template_args, count_tokens=count_tokens)
    checks = _SpaceChecks(engine)
    summary = (
        f"{connection.kind.name} server at {server.base_url}, {'chat messages' if chat else 'text prompts'}, at most "
        f"{connection.max_concurrency} requests at once"
    )
    _LOG.info("engine: %s; its model is %s", summary, connection.model)
    return Backend(
        engine=engine,
        summary=summary,
        description=f"{connection.model}, as the server calls it",
        concurrency=connection.max_concurrency,
        tokenizer=tokenizer,
        identity=connection.identity,
        model_name=connection.model,
        check_space=checks.check,
        default_params=connection.default_params,
        decodes_greedily=checks.decodes_greedily,
        takes_messages=chat,
        window=InputLimits(context=connection.window),
    )


class _SpaceChecks:
    """What a server supports of a search space. It is asked for each part of a space once.

    Args:
        engine: The engine of the server.
    """

    def __init__(self, engine: HTTPEngine) -> None:
        self._engine = engine
        self._connection = engine.connection
        self._is_probed = engine.connection.server.probe
        self._findings: dict[frozenset[str], dict[str, str]] = {}
        self._accepted_bodies: set[str] = set()
        self._takes_greedy: bool | None = None

    def check(self, space: SearchSpace, additional: Sequence[GenerationParams]) -> dict[str, str]:
        """Return the findings of the probe by topic; see `Backend.check_space`.

        Raises:
            ParameterError: The server lacks, refuses or ignores a part of the space.
            TrialError: Every attempt at a request failed although the server is reachable.
            ServerError: The server is unreachable or accepts no requests at all.
        """
        kind = self._connection.kind
        kind.check_space(space)
        for params in additional:
            kind.check_params(params)
            self._connection.api.check_fields(settings_in(dict(params.settings), BODY))
        self._check_fields(space)
        if not self._is_probed:
            return {}
        if space.is_always_greedy and not self.decodes_greedily():
            raise ParameterError(
                "every trial would decode greedily, which the server refuses: set do_sample = true in the space"
            )
        names = frozenset({*space.dimensions, *space.fixed} & {"temperature", *kind.fields})
        if names not in self._findings:
            self._findings[names] = probe_server(self._engine, names)
        bodies = json.dumps(space.settings(BODY), sort_keys=True)
        if bodies not in self._accepted_bodies:
            probe_settings(self._engine, space)
            self._accepted_bodies.add(bodies)
        return self._findings[names]

    def decodes_greedily(self) -> bool:
        """Return whether the server decodes greedily; see `Backend.decodes_greedily`."""
        if "temperature" in self._connection.server.omit:
            return False
        if self._takes_greedy is None:
            self._takes_greedy = not self._is_probed or probe_greedy(self._engine)
        return self._takes_greedy

    def _check_fields(self, space: SearchSpace) -> None:
        """Raise an error for what never reaches the server or its chat template."""
        kind, omitted = self._connection.kind, self._connection.server.omit
        for name in ("temperature", *kind.fields):
            if kind.fields.get(name, name) in omitted and name in {*space.dimensions, *space.fixed}:
                raise ParameterError(f"`{name}` has no effect, as `omit` of the server leaves its field out")
        template_args = space.settings(TEMPLATE)
        if template_args and not (self._engine.chat and kind.takes_template_args):
            takes_none = f"a server of the kind `{kind.name}` takes none"
            reason = takes_none if self._engine.chat else "the prompts are no messages"
            hint = f"; `{BODY}{kind.thinking_field}` switches thinking" if kind.thinking_field else ""
            raise ParameterError(
                f"`{TEMPLATE}{next(iter(template_args))}` has no effect: {reason}; leave it out of the space{hint}"
            )
        self._connection.api.check_fields(space.settings(BODY))


def _count_tokens(tokenizer: "PreTrainedTokenizerBase", text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])
