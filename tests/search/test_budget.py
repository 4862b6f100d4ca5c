"""The limits at which a search stops."""

import pytest

from llmsearch_optuna.search.budget import Budget
from llmsearch_optuna.search.spending import Spending


def test_the_reason_to_stop_names_what_is_spent(caplog: pytest.LogCaptureFixture) -> None:
    def budget(spending: Spending) -> Budget:
        return Budget(timeout=None, max_tokens=None, max_cost=0.5, spending=lambda: spending, should_stop=lambda: False)

    assert budget(Spending(5, 0.49)).spent(any_complete=True) is None
    assert budget(Spending(5, 0.5)).spent(any_complete=True) == "0.5 is spent, the limit is 0.5"
    assert not caplog.records
    uncounted = budget(Spending(5, 0.1, 2))
    assert [uncounted.spent(any_complete=True) for _ in range(2)] == [None, None]
    (record,) = caplog.records
    assert record.message.startswith("`max_cost` does not count the prompts of 2 trials")
