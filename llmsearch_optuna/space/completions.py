"""The parameters of each completion of a sample that has several."""

import dataclasses
import functools
import hashlib

from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import MAX_SEED

__all__ = ["completion_params"]


@functools.lru_cache(maxsize=1024)
def completion_params(params: GenerationParams) -> tuple[GenerationParams, ...]:
    """Return the parameters of each of the `samples_per_prompt` completions of a sample.

    They differ in the seed, which is derived from that of `params` and the number of the completion. The first
    completion has the seed of `params`, so that it is the completion of a trial with one per sample. Greedy decoding
    has one completion.
    """
    count = params.canonical.samples_per_prompt or 1
    single = params if params.samples_per_prompt is None else dataclasses.replace(params, samples_per_prompt=None)
    seeds = (_derived_seed(params.generation_seed, number) for number in range(1, count))
    return (single, *(dataclasses.replace(single, generation_seed=seed) for seed in seeds))


def _derived_seed(seed: int, number: int) -> int:
    digest = hashlib.blake2b(f"{seed}:completion:{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") % (MAX_SEED + 1)
