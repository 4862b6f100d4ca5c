"""The parameters of each completion of a sample that has several."""

import dataclasses
import functools
import hashlib

from llmsearch_optuna.space.params import GenerationParams

__all__ = ["completion_params", "derived_seed"]


@functools.lru_cache(maxsize=1024)
def completion_params(params: GenerationParams) -> tuple[GenerationParams, ...]:
    """Return the parameters of each of the `samples_per_prompt` completions of a sample.

    They differ in the seed, which is derived from that of `params` and the number of the completion. The first
    completion has the seed of `params`, so that it is the completion of a trial with one per sample. Greedy decoding
    has one completion.
    """
    count = params.canonical.samples_per_prompt or 1
    single = params if params.samples_per_prompt is None else dataclasses.replace(params, samples_per_prompt=None)
    seeds = (derived_seed(f"{params.generation_seed}:completion:{number}") for number in range(1, count))
    return (single, *(dataclasses.replace(single, generation_seed=seed) for seed in seeds))


def derived_seed(name: str) -> int:
    """Return the seed of this name, an unsigned 32-bit integer. Different names have unrelated seeds."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")
