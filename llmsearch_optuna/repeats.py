"""Rows that say the same: what is left out, and what must stay together."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

__all__ = ["Repeats", "find_repeats"]


class Repeats(NamedTuple):
    """What the prompts of a dataset have in common.

    Attributes:
        kept: Indices of the samples that no earlier one equals in all that matters.
        warning: What is left out and what stays together, in one line; ``None`` where no two prompts are equal.
    """

    kept: tuple[int, ...]
    warning: str | None


def find_repeats(rows: Sequence[int], prompts: Sequence[Hashable], samples: Sequence[Hashable]) -> Repeats:
    """Finds samples that are repeated, and prompts that several samples share.

    A repeated sample has the same completion, and the same score, in every trial: it adds weight and no knowledge, and
    makes intervals look narrower than they are.

    Args:
        rows: The samples' row numbers; of equal samples, the one with the least is kept.
        prompts: What tells their prompts apart.
        samples: What tells the samples apart: prompt, reference and length limit.
    """
    firsts: dict[Hashable, int] = {}
    by_prompt: dict[Hashable, list[int]] = {}
    repeated: list[tuple[int, int]] = []
    for index in sorted(range(len(rows)), key=rows.__getitem__):
        first = firsts.setdefault(samples[index], index)
        if first == index:
            by_prompt.setdefault(prompts[index], []).append(index)
        else:
            repeated.append((rows[first], rows[index]))
    shared = [indices for indices in by_prompt.values() if len(indices) > 1]
    told = []
    if repeated:
        pair = "rows {} and {}".format(*repeated[0])
        told.append(
            f"{len(repeated)} of {len(rows)} rows repeat another's prompt and reference and are left out ({pair})"
        )
    if shared:
        pair = f"rows {rows[shared[0][0]]} and {rows[shared[0][1]]}"
        told.append(
            f"{sum(map(len, shared))} rows share their prompts with others of another reference and stay together in "
            f"one split ({pair})"
        )
    return Repeats(tuple(sorted(firsts.values())), "; ".join(told) or None)
