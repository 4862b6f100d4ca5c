"""Split samples into search and hold-out: equal prompts stay together, strata keep their shares."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

__all__ = ["apportion", "find_repeats", "split_order"]

_Name = TypeVar("_Name", bound=Hashable)


def split_order(
    prompts: Sequence[Hashable], strata: Sequence[Hashable], *, search_size: int, holdout_size: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split samples in their shared order, so that no prompt is in both splits.

    The first `search_size + holdout_size` samples are used. Of these, the last ones of each stratum are held out,
    according to its share. Samples with equal prompts form a unit, at the position and in the stratum of the first one.
    A unit that does not fit is skipped. A split is therefore smaller than requested if only larger units are left.

    Args:
        prompts: Keys of the samples' prompts, equal for equal prompts, in the shared order.
        strata: The samples' strata.
        search_size: Maximum number of samples to search on.
        holdout_size: Maximum number of samples to hold out; not larger than the number of samples.

    Returns:
        The positions of the search split and of the hold-out split in the shared order, ascending.
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
    return tuple(sorted(position for unit in search for position in unit)), tuple(sorted(holdout))


def apportion(counts: Mapping[_Name, int], seats: int) -> dict[_Name, int]:
    """Distribute seats in proportion to counts, by the method of the largest remainder.

    Each share differs from the exact proportion by less than 1. Of equal remainders, the first gets the seat.

    Args:
        counts: Positive numbers, by name.
        seats: Number of seats; not larger than the sum of the counts.
    """
    total = sum(counts.values())
    shares = {name: seats * count // total for name, count in counts.items()}
    by_remainder = sorted(counts, key=lambda name: -(seats * counts[name] % total))
    for name in by_remainder[: seats - sum(shares.values())]:
        shares[name] += 1
    return shares


def _fitting(units: Sequence[list[int]], room: int) -> list[list[int]]:
    """Select units in order: each one that fits into the rest of `room`, a number of samples, is taken."""
    taken = []
    for unit in units:
        if len(unit) <= room:
            taken.append(unit)
            room -= len(unit)
    return taken


def find_repeats(
    rows: Sequence[int], prompts: Sequence[Hashable], samples: Sequence[Hashable]
) -> tuple[tuple[int, ...], str | None]:
    """Find repeated samples, and prompts that several samples share.

    A repeated sample has the same completion and the same score in every trial. It adds weight without information, and
    makes intervals narrower than they should be.

    Args:
        rows: The samples' row numbers; of equal samples, the one with the smallest is kept.
        prompts: Keys of their prompts, equal for equal prompts.
        samples: Keys of the samples: prompt, reference and length limit.

    Returns:
        The indices of the samples that do not repeat an earlier one, in ascending order; and a message of one line that
        says how many rows are left out and how many stay together, or None if no two prompts are equal.
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
    notes = []
    if repeated:
        pair = "such as rows {} and {}".format(*repeated[0])
        notes.append(
            f"{len(repeated)} of {len(rows)} rows repeat another's prompt and reference and are left out ({pair})"
        )
    if shared:
        pair = f"such as rows {rows[shared[0][0]]} and {rows[shared[0][1]]}"
        notes.append(
            f"{sum(map(len, shared))} rows share their prompts with others of another reference and stay together in "
            f"one split ({pair})"
        )
    return tuple(sorted(firsts.values())), "; ".join(notes) or None
