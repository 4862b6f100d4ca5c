"""How the servers call the parameters, and what they do of their own accord where one is not given."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace

__all__ = ["KINDS", "ServerKind", "check_expressible", "check_space_expressible", "sampling_fields"]

# Parameters that every server has, or that are no business of its.
_COMMON = ("do_sample", "temperature", "generation_seed", "max_new_tokens")


@dataclass(frozen=True, kw_only=True)
class ServerKind:
    """What one kind of server understands, beside temperature, seed and length limit.

    Attributes:
        name: What it is called here.
        fields: Parameters, and the fields of a request that they go to.
        defaults: Fields to send where their parameter is unset: what turns them off, as the server (or the generation
            config of its model) has other defaults.
        nested: The field that takes all of them, as one JSON text.
        max_concurrency: Requests at once by default.
        max_stops: The most stop strings that it takes; ``None`` if there is no limit.
        prefill: Fields that make a chat go on from a last message of the assistant; ``None`` where it cannot.
    """

    name: str
    fields: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    nested: str | None = None
    max_concurrency: int = 32
    max_stops: int | None = None
    prefill: Mapping[str, Any] | None = None


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_KINDS = (
    ServerKind(
        name="vllm",
        fields=_same("top_k", "top_p", "min_p", "repetition_penalty"),
        defaults={"top_k": -1, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0},
        prefill={"continue_final_message": True, "add_generation_prompt": False},
    ),
    ServerKind(
        name="sglang",
        fields=_same("top_k", "top_p", "min_p", "repetition_penalty"),
        defaults={"top_k": -1, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0},
        prefill={"continue_final_message": True},
    ),
    ServerKind(
        name="llamacpp",
        fields={**_same("top_n_sigma", "top_k", "top_p", "min_p", "typical_p"), "repetition_penalty": "repeat_penalty"},
        defaults={
            "top_n_sigma": -1.0,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "typical_p": 1.0,
            "repeat_penalty": 1.0,
            # As far back as the penalty looks; beyond this, its buffer would take too much memory.
            "repeat_last_n": 65536,
            # By default, the temperature comes last there.
            "samplers": ["penalties", "temperature", "top_n_sigma", "top_k", "top_p", "min_p", "typ_p"],
        },
        prefill={},
    ),
    # Its native API has more, but the one of OpenAI drops it without a word.
    ServerKind(name="tgi", fields=_same("top_p"), max_stops=4),
    ServerKind(
        name="transformers",
        fields=_same(
            *("top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"),
            *("repetition_penalty", "no_repeat_ngram_size"),
        ),
        defaults={
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "typical_p": 1.0,
            "epsilon_cutoff": 0.0,
            "eta_cutoff": 0.0,
            "repetition_penalty": 1.0,
            "no_repeat_ngram_size": 0,
        },
        nested="generation_config",
        max_concurrency=1,
    ),
    ServerKind(name="openai", fields=_same("top_p"), defaults={"top_p": 1.0}, max_stops=4),
)

KINDS: Mapping[str, ServerKind] = {kind.name: kind for kind in _KINDS}
"""All kinds by name; ``"openai"`` has what all others have, too."""


def sampling_fields(
    kind: ServerKind, params: GenerationParams, forced: Mapping[str, float] = MappingProxyType({})
) -> dict[str, Any]:
    """The fields of a request that say how tokens are drawn; the seed and the length limit are not among them.

    Args:
        kind: The server.
        params: The parameters.
        forced: Further ones, which are sent as they are, even where the others could say the same.

    Raises:
        ParameterError: The server does not have a parameter.
    """
    check_expressible(kind, params)
    own = {name: value for name, value in params.canonical.to_dict().items() if name in kind.fields}
    values = {kind.fields[name]: value for name, value in {**own, **forced}.items()}
    if kind.nested is None:
        return {"temperature": _temperature(params), **kind.defaults, **values}
    sampling = {"do_sample": False} if params.greedy else {"do_sample": True, "temperature": _temperature(params)}
    return {kind.nested: json.dumps({**sampling, **kind.defaults, **values})}


def check_expressible(kind: ServerKind, params: GenerationParams) -> None:
    """Refuses parameters that the server does not have.

    Raises:
        ParameterError: There is one that would change something.
    """
    _check_names(kind, set(params.canonical.to_dict()))


def check_space_expressible(kind: ServerKind, space: SearchSpace) -> None:
    """Refuses a space whose parameters the server does not have.

    Raises:
        ParameterError: There is one that is searched, or fixed to a value that changes something.
    """
    sampling = {"do_sample": True, "temperature": 0.5}
    fixed = (
        name
        for name, value in space.fixed.items()
        if name in GenerationParams.from_dict({**sampling, name: value}).canonical.to_dict()
    )
    _check_names(kind, {*space.dimensions, *fixed})


def _check_names(kind: ServerKind, names: set[str]) -> None:
    if missing := sorted(names - {*_COMMON, *kind.fields}):
        known = ", ".join(sorted({"temperature", *kind.fields}))
        raise ParameterError(
            f"`{missing[0]}` cannot be asked of a server of the kind `{kind.name}`, which takes {known}: leave it out"
        )


def _temperature(params: GenerationParams) -> float:
    if params.greedy:
        return 0.0
    return 1.0 if params.temperature is None else params.temperature
