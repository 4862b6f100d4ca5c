"""Check before a search that a server reproduces seeds and applies the parameters.

A server may ignore unknown parameters silently. So each parameter of the space is set to a value whose effect is
visible: a cut that leaves only one token, so that all seeds agree, or a penalty that changes a repetitive completion.

A server that reasons first may return no text at all within a few tokens. The reasoning is then compared if the server
reports it; otherwise the probe allows more tokens. Empty texts prove nothing: what has no other is not probed.
"""

import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.http.engine import HTTPEngine
from llmsearch_optuna.errors import ParameterError, RequestRefusedError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.space.settings import BODY

__all__ = ["probe_greedy", "probe_server", "probe_settings"]

_LOG = logging.getLogger(__name__)

_TOKENS = (16, 256, 1024)
"""The numbers of tokens to allow, until there is a text. OpenAI's Responses API, behind gateways, wants at least 16."""

_HOT, _LESS_HOT = 2.0, 1.0
"""High temperatures. Mistral's API takes no more than 1.5, and Anthropic's no more than 1."""

_COLD = 0.001
"""A low temperature. vLLM takes 0.01 in place of it."""

_SEEDS = (1, 2, 3, 4, 5)
_MAJORITY = 3

_SHARP: dict[str, Any] = {
    "top_k": 1,
    "top_p": 1e-6,
    "min_p": 1.0,
    "typical_p": 1e-6,
    "epsilon_cutoff": 0.999,
    "mirostat_tau": 1e-6,
}
"""Cuts that leave one token at any temperature, so that all seeds give the same completion."""

_PENALTIES: dict[str, Any] = {"repetition_penalty": 1.9, "no_repeat_ngram_size": 1}
"""Penalties that are strong enough to change a greedy completion that repeats itself or its prompt.

Those of OpenAI's API are not: they are limited to 2 and count the completion only, so that no change proves nothing.
"""

_OPEN = "Write down some random words:"
_REPETITIVE = "yes no yes no yes no yes no yes no yes no yes no yes no"


def probe_server(engine: HTTPEngine, names: Collection[str]) -> dict[str, str]:
    """Check the server with a few short completions, and log a warning for what is unreliable.

    Args:
        engine: The engine of the server.
        names: The parameters of the space. Those for which no check exists are reported as not probed.

    Returns:
        The findings by topic (``"seeds"``, ``"numbers of tokens"``, ``"parameters"``, ``"plug-in"``).

    Raises:
        ParameterError: The server rejects or ignores a parameter, or rejects every request.
        TrialError: Every attempt at a request failed although the server is reachable.
        ServerError: The server is unreachable or accepts no requests at all.
    """
    probe, kind = _Probe(engine), engine.connection.kind
    try:
        seeds = probe.seeds()
    except RequestRefusedError as error:
        raise ParameterError(f"the server refuses a request of the kind `{kind.name}`: {error}") from error
    if seeds.startswith("not kept"):
        _LOG.warning(
            "the server's completions are not reproducible: %s; scores are noisier, and trials with the same seed do "
            "not share noise; stored completions stay unchanged",
            seeds,
        )
    effective, unprobed = [], []
    # The plug-in refuses what it does not apply.
    for name in sorted(names) if kind.plugin is None else ():
        if name in ("temperature", *_SHARP, *_PENALTIES) and probe.check(name):
            effective.append(name)
        else:
            unprobed.append(name)
    if probe.lacks_texts:
        _LOG.warning(
            "the probe of the server got empty texts, even with %d tokens (does the model reason without an end?): "
            "nothing is known of seeds and parameters; probe = false leaves the probe out",
            _TOKENS[-1],
        )
    findings = {"seeds": seeds, "numbers of tokens": engine.count_description}
    if effective or unprobed:
        parts = [f"{', '.join(effective)} take effect"] if effective else []
        parts += [f"{', '.join(unprobed)} not probed"] if unprobed else []
        findings["parameters"] = "; ".join(parts)
    if kind.plugin is not None:
        findings["plug-in"] = "llmsearch_optuna draws the tokens on the server, and has all parameters but beams"
    elif kind.name == "vllm":
        findings["plug-in"] = (
            "not on the server: this package, installed beside its vLLM, adds all other parameters, and noise that "
            "depends on the prompt and the seed only"
        )
    return findings


def probe_greedy(engine: HTTPEngine) -> bool:
    """Return whether the server takes a request for greedy decoding, and log a warning if it does not.

    Raises:
        TrialError: Every attempt at the request failed although the server is reachable.
        ServerError: The server is unreachable or accepts no requests at all.
    """
    params = GenerationParams(do_sample=False, max_new_tokens=_TOKENS[0])
    try:
        engine.generate_each([_request(engine, _OPEN, params)])
    except RequestRefusedError as error:
        _LOG.warning("the server refuses greedy decoding, so the baseline is sampling at temperature 1: %s", error)
        return False
    return True


def probe_settings(engine: HTTPEngine, space: SearchSpace) -> None:
    """Send one short request for each value of each field of requests that is searched.

    Args:
        engine: The engine of the server.
        space: The search space.

    Raises:
        ParameterError: The server refuses a value; the message names field and value.
        TrialError: Every attempt at a request failed although the server is reachable.
        ServerError: The server is unreachable or accepts no requests at all.
    """
    for name, values in space.settings(BODY).items():
        for value in values:
            if value is None:
                continue
            settings = ((f"{BODY}{name}", value),)
            params = GenerationParams(do_sample=True, max_new_tokens=_TOKENS[0], settings=settings)
            try:
                engine.generate_each([_request(engine, _OPEN, params)])
            except RequestRefusedError as error:
                raise ParameterError(f"the server refuses `{BODY}{name}` = {json.dumps(value)}: {error}") from error


class _Probe:
    """The checks of one server.

    Attributes:
        lacks_texts: Whether a check found only empty texts.
    """

    def __init__(self, engine: HTTPEngine) -> None:
        self._engine = engine
        self._tokens = _TOKENS[0]
        self._hot = _HOT
        self.lacks_texts = False

    def seeds(self) -> str:
        """Check that a seed reproduces its completion, alone and among simultaneous requests.

        Returns:
            ``"kept"``, or a description that begins with ``"not"``.
        """
        variant = {"temperature": 1.0, "generation_seed": 1}
        for self._tokens in _TOKENS:
            first = self._texts(_OPEN, [variant])[0]
            if first:
                break
        else:
            self.lacks_texts = True
            self._tokens = _TOKENS[0]  # enough to see whether the server refuses a parameter
            return "not probed: the server's texts are empty"
        if first != self._texts(_OPEN, [variant])[0]:
            return "not kept: one seed gave two texts"
        variants = [{"temperature": 1.0, "generation_seed": seed} for seed in (1, 4, 5, 1, 6, 7, 1, 8)]
        texts = self._texts(_OPEN, variants)
        if {texts[index] for index, variant in enumerate(variants) if variant["generation_seed"] == 1} != {first}:
            connection = self._engine.connection
            hint = "" if connection.max_concurrency == 1 else "; max_concurrency = 1 may help"
            if connection.kind.name == "vllm":
                hint += "; VLLM_BATCH_INVARIANT=1 on the server does, on NVIDIA GPUs from compute capability 8.0 on"
            return f"not kept among simultaneous requests{hint}"
        return "kept"

    def check(self, name: str) -> bool:
        """Check that the server applies a parameter.

        Returns:
            False if the texts are empty, so that nothing is known.

        Raises:
            ParameterError: The server rejects or ignores it.
        """
        try:
            is_applied = self._is_applied(name)
        except RequestRefusedError as error:
            raise ParameterError(f"the server refuses `{name}`: {error}") from error
        if is_applied is None:
            self.lacks_texts = True
            return False
        if not is_applied:
            raise ParameterError(
                f"`{name}` has no effect on the server: {_evidence(name)}; leave it out of the space, set the "
                "server's `kind`, or leave the probe out (probe = false)"
            )
        return True

    def _is_applied(self, name: str) -> bool | None:
        """Return whether the server applies a parameter; None if there are too few texts to tell."""
        if name == "temperature":
            # In longer texts, near ties are frequent enough that seeds differ even at the low temperature.
            lowest = _COLD if self._tokens == _TOKENS[0] else 0.0
            cold, hot = self._agree(temperature=lowest), self._agree_hot()
            return None if cold is None or hot is None else cold and not hot
        if name in _SHARP:
            return self._agree_hot({name: _SHARP[name]})
        plain = {"do_sample": False}
        texts: set[str] = set()
        for prompt in (_REPETITIVE, _OPEN):
            pair = set(self._texts(prompt, [plain, {**plain, name: _PENALTIES[name]}]))
            if len(pair) > 1:
                return True
            texts |= pair
        return False if any(texts) else None

    def _agree_hot(self, forced: Mapping[str, float] = MappingProxyType({})) -> bool | None:
        """Return whether seeds agree at a high temperature that the server takes; see `_agree`."""
        try:
            return self._agree(temperature=self._hot, forced=forced)
        except RequestRefusedError:
            agreement = self._agree(temperature=_LESS_HOT, forced=forced)
            self._hot = _LESS_HOT
            return agreement

    def _agree(self, *, temperature: float, forced: Mapping[str, float] = MappingProxyType({})) -> bool | None:
        """Return whether at least 3 of 5 seeds give the same text. Rounding may make the others differ.

        None if fewer than 3 texts are not empty.
        """
        variants = [{"temperature": temperature, "generation_seed": seed} for seed in _SEEDS]
        texts = [text for text in self._texts(_OPEN, variants, forced) if text]
        return None if len(texts) < _MAJORITY else max(Counter(texts).values()) >= _MAJORITY

    def _texts(
        self, text: str, variants: Sequence[dict[str, Any]], forced: Mapping[str, float] = MappingProxyType({})
    ) -> list[str]:
        requests = [
            _request(self._engine, text, GenerationParams(max_new_tokens=self._tokens, **variant))
            for variant in variants
        ]
        return [completion.text for completion in self._engine.generate_each(requests, forced)]


def _request(engine: HTTPEngine, text: str, params: GenerationParams) -> Request:
    return Request(prompt=engine.to_prompt(text), prompt_ids=(), params=params, stopping=Stopping())


def _evidence(name: str) -> str:
    if name == "temperature":
        return f"all seeds must give the same text at {_COLD:g}, and different ones at {_HOT:g}, or at {_LESS_HOT:g}"
    if name in _SHARP:
        return f"{name}={_SHARP[name]:g} leaves one token, but {len(_SEEDS)} seeds gave different texts"
    return f"{name}={_PENALTIES[name]:g} changed nothing in greedy decoding"
