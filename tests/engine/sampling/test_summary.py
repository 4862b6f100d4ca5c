import pytest
import torch
from cuts import cut_choices
from host_completions import GivenBreakers
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from torch import Tensor

from llmsearch_optuna.engine.sampling import (
    SamplingRows,
    draw,
    penalise,
    penalise_summary,
    prompt_key,
    sample_summary,
    summarise,
)
from llmsearch_optuna.space.params import GenerationParams


def model_logits(rows: int, vocab: int, seed: int, spread: float = 1.5) -> Tensor:
    """Falling with the logarithm of the rank, ties included."""
    generator = torch.Generator().manual_seed(seed)
    ranks = torch.rand(rows, vocab, generator=generator).argsort(-1)
    noise = torch.randn(rows, vocab, generator=generator)
    return ((10.0 - spread * torch.log1p(ranks) + noise) * 64).round() / 64


_SETTINGS = st.builds(
    GenerationParams,
    temperature=st.sampled_from([0.0, 1e-6, 0.2, 0.5, 0.7, 1.0, 1.3, 2.0, 3.0]),
    **cut_choices(
        top_k=[None, None, 3, 200, 255],
        top_p=[None, None, 0.3, 0.8, 0.95, 0.999],
        min_p=[None, None, 0.01, 0.2],
        tfs=[None, None, 0.5, 0.95],
        top_a=[None, None, 0.1, 0.5],
        top_n_sigma=[None, None, None, 1.0, 3.0],
        top_h=[None, None, None, 0.4, 0.9],
        mirostat_tau=[None, None, 2.0, 4.0],
    ),
    repetition_penalty=st.sampled_from([None, None, 0.8, 1.1, 1.5]),
    encoder_repetition_penalty=st.sampled_from([None, None, None, 0.9, 1.3]),
    presence_penalty=st.sampled_from([None, None, -1.0, 0.7]),
    frequency_penalty=st.sampled_from([None, None, -0.4, 0.3]),
    no_repeat_ngram_size=st.sampled_from([None, None, 1, 2]),
    generation_seed=st.integers(0, 3),
) | st.builds(
    GenerationParams,
    temperature=st.sampled_from([None, 0.2, 0.7, 1.3, 3.0]),
    top_p=st.sampled_from([None, None, 0.8, 0.999]),
    min_p=st.sampled_from([None, None, 0.01, 0.2]),
    xtc_probability=st.sampled_from([0.5, 1.0]),
    xtc_threshold=st.sampled_from([None, 0.001, 0.02, 0.3]),
    repetition_penalty=st.sampled_from([None, None, 0.8, 1.5]),
    frequency_penalty=st.sampled_from([None, None, -0.4, 0.3]),
    dry_multiplier=st.sampled_from([None, None, 1.0]),
    dry_allowed_length=st.sampled_from([None, 1]),
    dry_sequence_breakers=st.sampled_from([None, ("ab", "abc"), ()]),
    generation_seed=st.integers(0, 3),
)


@pytest.mark.no_cover
@given(st.lists(_SETTINGS, min_size=1, max_size=6), st.sampled_from([40, 300, 2000]), st.integers(0, 10**6))
@settings(max_examples=scaled(300))
def test_what_a_summary_decides_is_what_all_logits_give(params: list[GenerationParams], vocab: int, seed: int) -> None:
    logits = model_logits(len(params), vocab, seed)
    generator = torch.Generator().manual_seed(seed)
    prompts = torch.randint(vocab, (len(params), 20), generator=generator).tolist()
    # Some of the likely tokens are in the context, so that penalties and bans bite.
    contexts = [
        [*prompt, *best, *best[:1]] for prompt, best in zip(prompts, logits.topk(12).indices.tolist(), strict=True)
    ]
    rows = SamplingRows.build(params, [prompt_key(prompt) for prompt in prompts])
    steps = torch.arange(len(params)) + seed
    generated = [13] * len(params)
    breakers = [GivenBreakers().of(row) for row in params]
    expected = draw(penalise(logits, params, prompts, contexts, generated, breakers=breakers), rows, steps)
    summary = penalise_summary(summarise(logits), params, prompts, contexts, generated, breakers=breakers)
    for search_noise in (True, False):
        drawn = sample_summary(summary, rows, steps, search_noise=search_noise)
        assert torch.equal(drawn.tokens[drawn.decided], expected.tokens[drawn.decided])
        assert torch.equal(drawn.surprises[drawn.decided], expected.surprises[drawn.decided])
        if vocab == 40:
            assert drawn.decided.all()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("params", "least"),
    [
        (GenerationParams(), 1.0),
        (GenerationParams(repetition_penalty=1.2), 0.99),
        (GenerationParams(presence_penalty=0.5, frequency_penalty=0.5), 0.99),
        (GenerationParams(temperature=0.5, top_p=0.9, presence_penalty=0.5), 0.95),
        (GenerationParams(xtc_probability=0.5), 0.99),
        (GenerationParams(temperature=1.0, min_p=0.02, xtc_probability=0.5), 1.0),
        (GenerationParams(temperature=0.7, top_k=40, tfs=0.95, top_a=0.1), 1.0),
        (GenerationParams(temperature=0.5, top_p=0.9), 1.0),
        (GenerationParams(temperature=0.5, top_p=0.9, repetition_penalty=1.2), 0.95),
        (GenerationParams(temperature=1.0, min_p=0.02), 1.0),
        (GenerationParams(temperature=1.0, tfs=0.9), 0.95),
        (GenerationParams(temperature=0.3), 0.95),
        (GenerationParams(top_h=0.6), 1.0),
        (GenerationParams(temperature=1.0, p_less=True), 1.0),
        (GenerationParams(temperature=0.6, p_less=True, repetition_penalty=1.2), 0.95),
        (GenerationParams(mirostat_tau=3.0), 1.0),
        (GenerationParams(temperature=0.6, mirostat_tau=2.0, repetition_penalty=1.2), 0.95),
    ],
    ids=repr,
)
def test_most_tokens_are_decided(params: GenerationParams, least: float) -> None:
    count, vocab = 200, 20_000
    logits = model_logits(count, vocab, 0, spread=3.0)
    prompts = logits.topk(40).indices[:, ::5].tolist()
    rows = SamplingRows.build([params] * count, list(range(count)))
    summary = penalise_summary(
        summarise(logits), [params] * count, prompts, prompts, [len(prompt) for prompt in prompts]
    )
    assert sample_summary(summary, rows, torch.arange(count)).decided.double().mean() >= least


def test_p_less_allows_for_the_squares_of_what_a_summary_leaves_out() -> None:
    """The threshold is among 200 similar tokens, and depends on 3000 others that weigh as much together."""
    count = 2000
    noise = torch.rand(count, 3200, generator=torch.Generator().manual_seed(0))
    logits = torch.cat([noise[:, :200], noise[:, 200:] - 4.0], dim=1)
    rows = SamplingRows.build([GenerationParams(p_less=True)] * count, list(range(count)))
    steps = torch.arange(count)
    drawn = sample_summary(summarise(logits), rows, steps)
    assert drawn.decided.double().mean() > 0.5
    assert torch.equal(drawn.tokens[drawn.decided], draw(logits, rows, steps).tokens[drawn.decided])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_decide_nothing(value: float) -> None:
    logits = model_logits(2, 1000, 2)
    logits[1, 3] = value
    for params in (GenerationParams(), GenerationParams(temperature=1.0), GenerationParams(top_p=0.9)):
        rows = SamplingRows.build([params] * 2, [0, 1])
        assert sample_summary(summarise(logits), rows, torch.zeros(2, dtype=torch.int64)).decided.tolist()[1] is False


def test_a_bound_of_0_bounds_nothing_that_a_penalty_raises() -> None:
    """Below it, a token of the prompt may have risen: what lies outside the summary weighs more than the bound says."""
    logits = torch.zeros(1, 2000)
    logits[0, :300] = torch.linspace(5.0, 0.0, 300)
    logits[0, 300:] = -0.001
    params = [GenerationParams(encoder_repetition_penalty=1.3)]
    prompts = [list(range(1500, 1900))]
    summary = penalise_summary(summarise(logits), params, prompts, prompts, [0])
    assert summary.raised.tolist() == [800]
    unpaid = [GenerationParams(encoder_repetition_penalty=1.0, repetition_penalty=1.2)]
    assert penalise_summary(summarise(logits), unpaid, prompts, prompts, [0]).raised.tolist() == [0]
