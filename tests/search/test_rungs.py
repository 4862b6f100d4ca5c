"""The numbers of samples at which trials report."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.search.rungs import rung_sizes


def test_forms() -> None:
    assert rung_sizes(8, 20) == (8, 16, 20)
    assert rung_sizes(8, 16) == (8, 16)
    assert rung_sizes(50, 20) == (20,)
    assert rung_sizes([4, 10], 20) == (4, 10, 20)
    assert rung_sizes([4, 10, 99], 20) == (4, 10, 20)
    assert rung_sizes("doubling", 100) == (8, 16, 32, 64, 100)
    assert rung_sizes("doubling", 5) == (5,)


@given(plan=st.one_of(st.integers(1, 50), st.just("doubling")), samples=st.integers(1, 500))
def test_sizes_ascend_and_end_with_all_samples(plan: Any, samples: int) -> None:
    sizes = rung_sizes(plan, samples)
    assert list(sizes) == sorted(set(sizes))
    assert sizes[-1] == samples


@pytest.mark.parametrize("plan", [0, -1, True, "often", [], [8, 4], [4, 4], [0, 4], [True, 4], [1.5, 4], 2.5])
def test_what_is_no_plan_is_refused(plan: Any) -> None:
    with pytest.raises(ConfigurationError, match="`rungs` must"):
        rung_sizes(plan, 20)
