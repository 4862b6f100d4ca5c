"""Values of the cuts, for the tests that concern all of them."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from llmsearch_optuna.space.params import CUTS

__all__ = ["CUT_VALUES", "cut_choices"]

CUT_VALUES: dict[str, Any] = {
    "top_n_sigma": 1.5,
    "top_h": 0.4,
    "p_less": True,
    "top_k": 20,
    "top_p": 0.8,
    "min_p": 0.05,
    "typical_p": 0.8,
    "epsilon_cutoff": 1e-3,
    "eta_cutoff": 1e-3,
    "tfs": 0.9,
    "top_a": 0.2,
    "mirostat_tau": 3.0,
}
"""A value of each cut, with which it removes some tokens and leaves several."""

assert tuple(CUT_VALUES) == CUTS, "CUT_VALUES in tests/helpers/cuts.py needs a value of each cut, in the order of CUTS"


def cut_choices(**values: Sequence[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Return a strategy for each cut.

    Args:
        values: Cut -> the values to choose from. The others are unset, or seldom the value in `CUT_VALUES`.
    """
    return {name: st.sampled_from(values.get(name, [None, None, None, CUT_VALUES[name]])) for name in CUTS}
