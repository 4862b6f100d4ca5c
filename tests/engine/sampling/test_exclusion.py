"""XTC against llama.cpp's algorithm in plain Python."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from torch import Tensor

from llmsearch_optuna.engine.sampling import SamplingRows, draw, gumbel_noise
from llmsearch_optuna.engine.sampling.exclusion import xtc_thresholds
from llmsearch_optuna.engine.sampling.noise import NO_TOKEN_ID, uniform_noise
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

PROMPT_KEY = 7


def noise_of(seed: int, step: int, token_ids: Sequence[int]) -> Tensor:
    return gumbel_noise(
        torch.tensor([seed]), torch.tensor([PROMPT_KEY]), torch.tensor([step]), torch.tensor(token_ids)
    )[0]


def is_step_of_xtc(params: GenerationParams, step: int) -> bool:
    seed, key, step_number, nothing = (
        torch.tensor([number]) for number in (params.generation_seed, PROMPT_KEY, step, NO_TOKEN_ID)
    )
    return float(uniform_noise(seed, key, step_number, nothing)) < (params.xtc_probability or 0.0)


def expected_token(logits: Sequence[float], params: GenerationParams, step: int) -> int:
    """Cut with top_k and min_p, then remove the top choices but the last, and take the largest sum with the noise."""
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    if params.top_k:
        order = [token for token in order if logits[token] >= logits[order[min(params.top_k, len(order)) - 1]]]
    scores = {token: logits[token] / (params.temperature or 1.0) for token in order}
    if params.min_p is not None:
        floor = scores[order[0]] + math.log(params.min_p)
        order = [token for token in order if scores[token] >= floor]
    if is_step_of_xtc(params, step):
        weights = [math.exp(scores[token] - scores[order[0]]) for token in order]
        threshold = params.xtc_threshold or 0.1
        last = 0
        for place, weight in enumerate(weights):
            if weight / sum(weights) < threshold:
                break
            last = place
        order = order[last:]
    sums = noise_of(params.generation_seed, step, order) + torch.tensor([scores[token] for token in order]).double()
    return order[int(sums.argmax())]


@given(
    st.lists(st.sampled_from([3.0, 2.5, 2.0, 1.75, 1.0, 0.0, -1.0]), min_size=1, max_size=300),
    st.sampled_from([None, 0.5, 1.0, 1.7]),
    st.sampled_from([None, 2, 10]),
    st.sampled_from([None, 0.05, 0.6]),
    st.sampled_from([0.3, 1.0]),
    st.sampled_from([None, 0.013, 0.07, 0.31, 0.5]),
    st.integers(0, 10**6),
)
@settings(max_examples=scaled(200))
def test_the_token_is_that_of_the_algorithm(
    logits: list[float],
    temperature: float | None,
    top_k: int | None,
    min_p: float | None,
    probability: float,
    threshold: float | None,
    step: int,
) -> None:
    params = GenerationParams(
        temperature=temperature,
        top_k=top_k,
        min_p=min_p,
        xtc_probability=probability,
        xtc_threshold=threshold,
        generation_seed=3,
    )
    rows = SamplingRows.build([params], [PROMPT_KEY])
    drawn = draw(torch.tensor([logits]), rows, torch.tensor([step]), width=8)
    assert drawn.tokens.tolist() == [expected_token(logits, params, step)]


def test_only_the_least_probable_top_choice_stays(device: torch.device) -> None:
    logits = torch.tensor([[2.0, 5.0, 4.0, 5.0, 1.5, 4.0]], device=device)
    steps = torch.arange(200, device=device)

    def tokens(**values: Any) -> set[int]:
        params = GenerationParams(xtc_threshold=0.1, **values)
        rows = SamplingRows.build([params] * 200, [0] * 200, device)
        return set(draw(logits.expand(200, -1), rows, steps).tokens.tolist())

    # The two tokens with 5.0 and the first with 4.0 are removed. The second with 4.0 stays, as it comes last.
    assert tokens(xtc_probability=1.0) == {0, 4, 5}
    assert tokens(xtc_probability=1.0, top_k=4) == {5}
    assert tokens(xtc_probability=1.0, top_k=2) == {3}
    assert tokens(xtc_probability=0.5, top_k=4) == {1, 2, 3, 5}


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.9, 1.0])
def test_it_happens_as_often_as_it_should(probability: float) -> None:
    """Independently for each step, seed and prompt."""
    count = 20_000
    rows = SamplingRows.build(
        [
            GenerationParams(temperature=1.0, xtc_probability=probability, generation_seed=row % 7)
            for row in range(count)
        ],
        [row % 11 for row in range(count)],
    )
    happens = xtc_thresholds(rows, torch.arange(count)).isfinite()
    assert abs(happens.double().mean() - probability) <= 4 * math.sqrt(probability * (1 - probability) / count)


def test_greedy_decoding_excludes_nothing() -> None:
    params = GenerationParams(do_sample=False, xtc_probability=1.0)
    rows = SamplingRows.build([params], [0])
    assert draw(torch.tensor([[2.0, 1.9, 0.0]]), rows, torch.tensor([0])).tokens.tolist() == [0]
    assert "xtc_probability" not in params.canonical.to_dict()
    assert not GenerationParams(xtc_probability=0.5).greedy


def test_what_it_cannot_go_with_is_refused() -> None:
    with pytest.raises(ParameterError, match="`xtc_probability` cannot go with `num_beams` > 1"):
        GenerationParams(xtc_probability=0.5, num_beams=2)
    with pytest.raises(ParameterError, match="`xtc_probability` cannot go with `mirostat_tau`"):
        GenerationParams(xtc_probability=0.5, mirostat_tau=2.0)
    assert GenerationParams(temperature=1.0, xtc_threshold=0.3).canonical.xtc_threshold is None
