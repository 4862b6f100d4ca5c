"""The numbers of samples at which trials report."""

from collections.abc import Sequence
from typing import Literal

from llmsearch_optuna.errors import ConfigurationError

__all__ = ["RungPlan", "rung_sizes"]

RungPlan = int | Sequence[int] | Literal["doubling"]
"""A step in samples, an ascending list of numbers of samples, or ``"doubling"`` for 8, 16, 32, ..."""


def rung_sizes(plan: RungPlan, samples: int) -> tuple[int, ...]:
    """Return the numbers of samples at which a trial reports, in ascending order. The last one is always `samples`.

    Raises:
        ConfigurationError: The plan is not a positive step, an ascending list of positive sizes, or ``"doubling"``.
    """
    if plan == "doubling":
        sizes = [8 * 2**power for power in range(samples.bit_length())]
    elif isinstance(plan, int) and not isinstance(plan, bool) and plan >= 1:
        sizes = list(range(plan, samples + 1, plan))
    elif (
        isinstance(plan, list | tuple)
        and plan
        and all(isinstance(size, int) and not isinstance(size, bool) for size in plan)
        and sorted({0, *plan}) == [0, *plan]
    ):
        sizes = list(plan)
    else:
        raise ConfigurationError(
            f'`rungs` must be a step >= 1, an ascending list of sizes >= 1 or "doubling", got {plan!r}'
        )
    return (*(size for size in sizes if size < samples), samples)
