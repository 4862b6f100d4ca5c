"""Stopping on a run of tokens."""

from typing import Any

import pytest
import torch
from tiny_models import TEXT, tiny_model, tiny_tokenizer

from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.engine.generation_args import split_generation_args
from llmsearch_optuna.engine.stopping import MultiTokenStoppingCriteria


class TestMultiTokenStoppingCriteria:
    """In plain ``model.generate``."""

    def generate(self, model: Any, criteria: MultiTokenStoppingCriteria, rows: int = 1) -> list[list[int]]:
        ids = torch.tensor([tiny_tokenizer()(TEXT[0])["input_ids"]] * rows)
        return [
            row[ids.shape[1] :]
            for row in model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=10,
                stopping_criteria=[criteria],
                eos_token_id=[],
                pad_token_id=0,
            ).tolist()
        ]

    def test_stops_on_the_sequence_with_and_without_reset(self) -> None:
        model = tiny_model()
        free = self.generate(model, MultiTokenStoppingCriteria([399, 398, 397]))[0]
        assert len(free) == 10
        criteria = MultiTokenStoppingCriteria(sequence_ids=free[2:4])
        assert self.generate(model, criteria)[0] == free[:4]
        assert self.generate(model, criteria, rows=2)[0] == free[:4]
        criteria.reset()
        assert self.generate(model, criteria)[0] == free[:4]

    def test_never_looks_into_the_prompt(self) -> None:
        model = tiny_model()
        last = tiny_tokenizer()(TEXT[0])["input_ids"][-1]
        free = self.generate(model, MultiTokenStoppingCriteria([399, 398, 397]))[0]
        assert len(self.generate(model, MultiTokenStoppingCriteria([last, free[0]]))[0]) == 10

    def test_says_per_row_what_is_done(self) -> None:
        criteria = MultiTokenStoppingCriteria([5])
        assert criteria(torch.tensor([[5, 1], [5, 5]]), None).tolist() == [False, True]
        assert criteria(torch.tensor([[5, 1, 5], [5, 5, 1]]), None).tolist() == [True, True]

    @pytest.mark.parametrize("ids", [[], ["a"], [1.5]])
    def test_refuses_what_is_no_sequence(self, ids: list[Any]) -> None:
        with pytest.raises(ValueError, match="sequence_ids must be a list of at least one token id"):
            MultiTokenStoppingCriteria(ids)


def test_further_criteria_join_the_default_ones() -> None:
    default = Stopping(sequences=((5, 6),), criteria=(list,))
    _, stopping = split_generation_args({"stopping_criteria": [MultiTokenStoppingCriteria([7]), dict]}, default)
    assert stopping == Stopping(sequences=((5, 6), (7,)), criteria=(list, dict))
    assert split_generation_args({}, default)[1] == default
