"""The generation parameters in a dialect, with a warning for each difference in meaning."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from llmsearch_optuna.space.dialects import IMPLIED, Dialect, temperature_of
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.settings import BODY, TEMPLATE, settings_in

__all__ = ["Exported", "differences", "effective_params", "translated"]


class Exported(NamedTuple):
    """The parameters for another system.

    Attributes:
        values: The values for the system, JSON-serialisable.
        warnings: One line for each parameter that the system lacks, ignores or interprets differently, and for its
            different random numbers.
    """

    values: dict[str, Any]
    warnings: tuple[str, ...]


def translated(dialect: Dialect, params: GenerationParams, stop: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a request in a dialect, and the warnings."""
    effective, system = effective_params(params), dialect.title
    body = settings_in(dict(params.settings), BODY) if dialect.name in ("openai", "ollama") else {}
    available = ("temperature", *dialect.fields, *(f"{BODY}{name}" for name in body))
    warnings = list(differences(params, available, system))
    values = {
        "temperature": temperature_of(params),
        **dialect.off,
        **dialect.off_in_exports,
        dialect.length_field: params.max_new_tokens,
        **dialect.named(effective),
        **(dialect.greedy if params.greedy else {}),
        **body,
    }
    warnings += [f"{name}: {meaning}" for name, meaning in dialect.differences.items() if name in effective]
    warnings += [
        f"{names[0]}: {meaning}" for names, meaning in dialect.joint_differences.items() if {*names} <= effective.keys()
    ]
    for name, others in dialect.ignored.items():
        if name in effective and (ignored := [other for other in others if other in effective]):
            warnings.append(f"{', '.join(ignored)}: {system} ignores it if {name} is set")
    for name, maximum in dialect.maxima.items():
        field = dialect.fields.get(name, name)
        if values[field] > maximum:
            warnings.append(f"{name}={json.dumps(values[field])}: the maximum of {system} is {maximum}, which is set")
            values[field] = maximum
    if not params.greedy:
        values[dialect.seed_field] = params.generation_seed
    if stop:
        values[dialect.stop_field] = list(stop[: dialect.max_stops])
        if left_out := stop[len(values[dialect.stop_field]) :]:
            limit = f"{system} takes at most {dialect.max_stops} stop strings; these are left out"
            warnings.append(f"stop={json.dumps(left_out)}: {limit}")
    return values, warnings


def effective_params(params: GenerationParams) -> dict[str, Any]:
    """Return the parameters that have an effect, without those in `IMPLIED`, which need no translation."""
    return {name: value for name, value in params.canonical.to_dict().items() if name not in IMPLIED}


def differences(params: GenerationParams, available: Collection[str], system: str, remedy: str = "") -> Iterator[str]:
    """Yield a warning for each parameter that a system lacks and, if tokens are sampled, for its random numbers."""
    for name, value in effective_params(params).items():
        parameter = f"{name}={json.dumps(value)}"
        if name.startswith(TEMPLATE):
            yield f"{parameter}: pass it to the chat template, e.g. as chat_template_kwargs of a request"
        elif name.startswith(BODY) and name not in available:
            field = name.removeprefix(BODY)
            yield f"{parameter}: a field of requests, not a parameter of {system}; add `{field}` to the request"
        elif name not in available:
            yield f"{parameter}: {system} has no such parameter; it is left out"
    if (count := params.canonical.samples_per_prompt) is not None:
        yield (
            f"samples_per_prompt={count}: send as many requests per prompt, each with another seed, and combine the "
            "completions as the reducer of the metric does"
        )
    if not params.greedy:
        seed = params.generation_seed
        yield f"generation_seed={seed}: {system} draws other noise, so that completions differ{remedy}"
