"""Before a search: does the server keep seeds, and does it take notice of the parameters?

A server may drop what it does not know without a word. So each parameter of the space is set to where it must show:
cuts so sharp that one token is left, whatever the seed; penalties that no repetition outlives.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.http.connection import Connection
from llmsearch_optuna.engine.http.engine import HTTPEngine
from llmsearch_optuna.errors import ParameterError, RequestRefusedError
from llmsearch_optuna.space.params import GenerationParams

__all__ = ["probe_server"]

_LOG = logging.getLogger(__name__)

_TOKENS = 12
_SEEDS = (1, 2, 3, 4, 5)
_MOST = 3

_SHARP: dict[str, Any] = {"top_k": 1, "top_p": 1e-6, "min_p": 1.0, "typical_p": 1e-6, "epsilon_cutoff": 0.999}
"""Cuts that leave one token at any temperature, so that all seeds agree."""

_PENALTIES: dict[str, Any] = {"repetition_penalty": 1.9, "no_repeat_ngram_size": 1}
"""What keeps greedy decoding from repeating itself."""

_OPEN = "Write down some random words:"
_REPETITIVE = "yes no yes no yes no yes no yes no yes no yes no yes no"


def probe_server(
    engine: HTTPEngine, connection: Connection, names: Collection[str], write_prompt: Callable[[str], str]
) -> dict[str, str]:
    """Finds out what can be trusted, with a few short completions, and warns of the rest.

    Args:
        engine: Asks the server.
        connection: The server.
        names: The parameters that matter.
        write_prompt: Makes a prompt of a text, as the engine takes it.

    Returns:
        What was found, by topic.

    Raises:
        ParameterError: The server refuses a parameter, or takes no notice of it.
        TrialError: The server does not answer.
        ServerError: The server is gone, or takes no requests at all.
    """
    probe = _Probe(engine, write_prompt)
    try:
        seeds = probe.seeds(connection.max_concurrency)
    except RequestRefusedError as error:
        raise ParameterError(
            f"the server refuses what one of the kind `{connection.kind.name}` takes: {error}"
        ) from error
    if seeds.startswith("not"):
        _LOG.warning(
            "the server's completions are not reproducible: %s; scores are noisier, and trials with one seed share no "
            "noise; what is stored stays as it is",
            seeds,
        )
    effective, unknown = [], []
    for name in sorted(names):
        if name in ("temperature", *_SHARP, *_PENALTIES):
            probe.check(name)
            effective.append(name)
        else:
            unknown.append(name)
    tokens = "told" if probe.token_count_reported else "not told: a limit on tokens has no effect"
    if not probe.token_count_reported:
        _LOG.warning("the server does not tell how many tokens it generates: a limit on them has no effect")
    found = {"seeds": seeds, "numbers of tokens": tokens}
    if effective or unknown:
        parts = [f"{', '.join(effective)} take effect"] if effective else []
        parts += [f"{', '.join(unknown)} not probed"] if unknown else []
        found["parameters"] = "; ".join(parts)
    return found


class _Probe:
    def __init__(self, engine: HTTPEngine, write_prompt: Callable[[str], str]) -> None:
        self._engine = engine
        self._write = write_prompt
        self.token_count_reported = False

    def seeds(self, max_concurrency: int) -> str:
        """Whether a seed gives the same text again, alone and in company."""
        first, again = (self._texts(_OPEN, [{"temperature": 1.0, "generation_seed": 1}])[0] for _ in range(2))
        if first != again:
            return "not kept: one seed gave two texts"
        company = [{"temperature": 1.0, "generation_seed": seed} for seed in (1, 4, 5, 1, 6, 7, 1, 8)]
        texts = self._texts(_OPEN, company)
        if {texts[index] for index, one in enumerate(company) if one["generation_seed"] == 1} != {first}:
            hint = "" if max_concurrency == 1 else "; max_concurrency = 1 may help"
            return f"not kept in the company of other requests{hint}"
        return "kept"

    def check(self, name: str) -> None:
        """Refuses a parameter that the server refuses or ignores."""
        try:
            heeded = self._is_heeded(name)
        except RequestRefusedError as error:
            raise ParameterError(f"the server refuses `{name}`: {error}") from error
        if not heeded:
            raise ParameterError(
                f"`{name}` has no effect on the server: {_evidence(name)}; leave it out of the space, or name the "
                "server's kind"
            )

    def _is_heeded(self, name: str) -> bool:
        if name == "temperature":
            return self._agree(temperature=0.01) and not self._agree(temperature=2.0)
        if name in _SHARP:
            return self._agree(temperature=2.0, forced={name: _SHARP[name]})
        plain = {"do_sample": False}
        return any(
            len(set(self._texts(text, [plain, {**plain, name: _PENALTIES[name]}]))) > 1 for text in (_REPETITIVE, _OPEN)
        )

    def _agree(self, *, temperature: float, forced: Mapping[str, float] = MappingProxyType({})) -> bool:
        """Whether most seeds give one text: rounding may break a tie differently now and then."""
        variants = [{"temperature": temperature, "generation_seed": seed} for seed in _SEEDS]
        texts = self._texts(_OPEN, variants, forced)
        return max(Counter(texts).values()) >= _MOST

    def _texts(
        self, text: str, variants: Sequence[dict[str, Any]], forced: Mapping[str, float] = MappingProxyType({})
    ) -> list[str]:
        prompt = self._write(text)
        completions = self._engine.generate_each(
            [
                Request(
                    prompt=prompt,
                    prompt_ids=(),
                    params=GenerationParams(**{"max_new_tokens": _TOKENS, **variant}),
                    stopping=Stopping(),
                )
                for variant in variants
            ],
            forced,
        )
        self.token_count_reported |= any(completion.token_count for completion in completions)
        return [completion.text for completion in completions]


def _evidence(name: str) -> str:
    if name == "temperature":
        return "seeds must give one text at 0.01, and several at 2"
    if name in _SHARP:
        return f"{name}={_SHARP[name]:g} leaves one token, but {len(_SEEDS)} seeds gave different texts"
    return f"{name}={_PENALTIES[name]:g} changed nothing in greedy decoding"
