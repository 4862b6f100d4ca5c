"""Which samples are searched on and which are held out: equal prompts together, strata in proportion."""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

__all__ = [
    "Repeats",
    "Splits",
    "apportion",
    "find_repeats",
    "split_order",
]


_Name = TypeVar("_Name", bound=Hashable)


class Splits(NamedTuple):
    """Positions in the shared order, each ascending.

    Attributes:
        search: Those of the search split.
        holdout: Those of the hold-out split.
    """

    search: tuple[int, ...]
    holdout: tuple[int, ...]


def split_order(
    prompts: Sequence[Hashable], strata: Sequence[Hashable], *, search_size: int, holdout_size: int
) -> Splits:
    """Splits an order of samples, so that no prompt is in both splits.

    The first `search_size + holdout_size` are used. Of these, each stratum's last ones are held out, as many as is its
    share. Where prompts are equal they stay together, all at the first one's place and in its stratum. What does not
    fit any more is passed over, so that a split may fall short of its size where no single ones are left.

    Args:
        prompts: What tells the samples' prompts apart, in the shared order.
        strata: The samples' strata.
        search_size: Samples to search on, at most.
        holdout_size: Samples to hold out, at most; no more than there are.
    """
    together: dict[Hashable, list[int]] = {}
    for position, prompt in enumerate(prompts):
        together.setdefault(prompt, []).append(position)
    used = _fitting(list(together.values()), search_size + holdout_size)
    by_stratum: dict[Hashable, list[list[int]]] = {}
    for unit in reversed(used):
        by_stratum.setdefault(strata[unit[0]], []).append(unit)
    shares = apportion({stratum: sum(map(len, units)) for stratum, units in by_stratum.items()}, holdout_size)
    held_out = [unit for stratum, units in by_stratum.items() for unit in _fitting(units, shares[stratum])]
    holdout = {position for unit in held_out for position in unit}
    search = _fitting([unit for unit in used if unit[0] not in holdout], search_size)
    return Splits(tuple(sorted(position for unit in search for position in unit)), tuple(sorted(holdout)))


def apportion(counts: Mapping[_Name, int], seats: int) -> dict[_Name, int]:
    """Seats in proportion to counts, by the method of the largest remainder; of equal remainders, the first wins.

    Args:
        counts: Positive.
        seats: At most as many as the counts sum up to. Each share is less than 1 away from the exact proportion.
    """
    total = sum(counts.values())
    shares = {name: seats * count // total for name, count in counts.items()}
    by_remainder = sorted(counts, key=lambda name: -(seats * counts[name] % total))
    for name in by_remainder[: seats - sum(shares.values())]:
        shares[name] += 1
    return shares


def _fitting(units: Sequence[list[int]], room: int) -> list[list[int]]:
    """The first units of which each fits into what those before have left."""
    taken = []
    for unit in units:
        if len(unit) <= room:
            taken.append(unit)
            room -= len(unit)
    return taken


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
