import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from allocations import Allocations
from cuts import CUT_VALUES
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled
from scipy import stats
from torch import Tensor
from transformers import (
    EncoderRepetitionPenaltyLogitsProcessor,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from llmsearch_optuna.engine.sampling import SamplingRows, candidates, draw, filtered_logits, penalise
from llmsearch_optuna.engine.sampling.sampler import draw_completely, draw_on_device, leave_tokens
from llmsearch_optuna.errors import LogitsError
from llmsearch_optuna.space.params import CUTS, PARAMETERS, GenerationParams

MIXED = [
    GenerationParams(),
    GenerationParams(temperature=1.0, generation_seed=1),
    GenerationParams(temperature=0.3, generation_seed=2),
    GenerationParams(temperature=0.7, top_k=5, generation_seed=3),
    GenerationParams(top_p=0.9, generation_seed=4),
    GenerationParams(temperature=2.0, top_p=0.95, generation_seed=5),
    GenerationParams(min_p=0.05, generation_seed=6),
    GenerationParams(typical_p=0.9, tfs=0.95, generation_seed=7),
    GenerationParams(eta_cutoff=3e-4, generation_seed=8),
    GenerationParams(epsilon_cutoff=1e-3, top_a=0.1, generation_seed=9),
    GenerationParams(tfs=0.97, temperature=1.2, generation_seed=10),
    GenerationParams(top_a=0.3, generation_seed=2**32 - 1),
]
"""Greedy, uncut, decided by few candidates, and not."""


def logits_like_a_models(rows: int, vocab: int) -> Tensor:
    """Falling with the logarithm of the rank."""
    noise = torch.rand(rows, vocab, generator=torch.Generator().manual_seed(rows * vocab))
    return 10.0 - 1.5 * torch.log1p(noise.argsort(-1)) + noise / 100


def steps_of(rows: int, device: torch.device | str = "cpu", start: int = 0) -> Tensor:
    return torch.arange(start, start + rows, device=device)


def repeated(params: GenerationParams, count: int, device: torch.device | str) -> SamplingRows:
    """The same row `count` times, with seeds 0, 1, 2, ..."""
    rows = SamplingRows.build([params], [77], device).select([0] * count)
    return dataclasses.replace(rows, seeds=torch.arange(count, device=device))


def sample(logits: Tensor, rows: SamplingRows, steps: Tensor, **options: Any) -> Tensor:
    return draw(logits, rows, steps, **options).tokens


def test_a_row_draws_the_same_token_in_any_batch(device: torch.device) -> None:
    count, vocab = len(MIXED), 49_152
    logits, steps = logits_like_a_models(count, vocab).to(device), steps_of(count, device)
    rows = SamplingRows.build(MIXED, list(range(count)), device)
    tokens = sample(logits, rows, steps)
    assert tokens.dtype == torch.int64
    for row in range(count):
        part = slice(row, row + 1)
        assert sample(logits[part].clone(), rows.select([row]), steps[part])[0] == tokens[row]
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    for chosen in (order, torch.cat([order, order])):
        on_device = chosen.to(device)
        again = sample(logits[on_device], rows.select(on_device), steps[on_device])
        assert torch.equal(again, tokens[chosen])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("elements", [2**24, 2_000])
@pytest.mark.parametrize("cut", CUTS)
def test_the_host_never_waits_for_a_draw(cut: str, elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with this cut first, after others, and without it; greedy and free rows among them; at once or in slices."""
    monkeypatch.setattr(candidates, "_GPU_ELEMENTS", elements)
    rows = [GenerationParams(temperature=0.9, **{cut: CUT_VALUES[cut]}, generation_seed=seed) for seed in range(3)]
    params = [*rows, *MIXED, *(dataclasses.replace(row, **{cut: CUT_VALUES[cut]}) for row in MIXED if not row.greedy)]
    logits, steps = logits_like_a_models(len(params), 3_000), steps_of(len(params))
    on_cpu = SamplingRows.build(params, list(range(len(params))))
    on_device = SamplingRows.build(params, list(range(len(params))), "cuda")
    expected = draw_on_device(logits, on_cpu, steps, width=256)
    inputs = logits.cuda(), steps.cuda()
    draw_on_device(inputs[0], on_device, inputs[1], width=256)
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = draw_on_device(inputs[0], on_device, inputs[1], width=256)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    undecided = drawn.undecided.cpu()
    assert torch.equal(undecided, expected.undecided)
    assert torch.equal(drawn.tokens.cpu()[~undecided], expected.tokens[~undecided])
    torch.testing.assert_close(drawn.surprises.cpu()[~undecided], expected.surprises[~undecided])
    assert not undecided.all()


ALL_CUTS = [
    *MIXED,
    *(GenerationParams(temperature=0.9, **{cut: value}, generation_seed=7) for cut, value in CUT_VALUES.items()),
]


def test_slices_of_rows_draw_the_same_tokens(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, steps = logits_like_a_models(len(ALL_CUTS), 3_000).to(device), steps_of(len(ALL_CUTS), device)
    rows = SamplingRows.build(ALL_CUTS, list(range(len(ALL_CUTS))), device)
    expected = draw_on_device(logits, rows, steps, width=3_000)
    assert not expected.undecided.any()
    for elements in (1, 10_000):
        monkeypatch.setattr(candidates, "_CORE_ELEMENTS", elements)
        monkeypatch.setattr(candidates, "_GPU_ELEMENTS", elements)
        drawn = draw_on_device(logits, rows, steps, width=3_000)
        assert all(torch.equal(*columns) for columns in zip(drawn, expected, strict=True))


def test_memory_of_a_draw_from_all_tokens_is_that_of_the_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their order, masses and noise are wider numbers, which only a slice of the rows has at a time."""
    logits, steps = logits_like_a_models(len(ALL_CUTS), 3_000), steps_of(len(ALL_CUTS))
    rows = SamplingRows.build(ALL_CUTS, list(range(len(ALL_CUTS))))
    monkeypatch.setattr(candidates, "_CORE_ELEMENTS", 1)
    with Allocations() as allocations:
        draw_completely(logits, rows, steps, may_wait=False)
    assert allocations.largest == logits.nbytes


@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 10**6))
@settings(max_examples=scaled(100))
def test_the_width_never_changes_a_token(width: int, vocab: int, step: int) -> None:
    logits = logits_like_a_models(len(MIXED), vocab)
    rows = SamplingRows.build(MIXED, [step] * len(MIXED))
    steps = steps_of(len(MIXED), start=step)
    assert torch.equal(sample(logits, rows, steps, width=width), sample(logits, rows, steps, width=vocab))


@pytest.mark.parametrize(
    "params",
    [
        GenerationParams(temperature=1.5),
        GenerationParams(temperature=0.5, top_p=0.8),
        GenerationParams(typical_p=0.7),
        GenerationParams(top_k=10, tfs=0.9, top_a=0.01),
    ],
)
def test_frequencies_are_the_filtered_distribution(params: GenerationParams, device: torch.device) -> None:
    draws, vocab = 20_000, 40
    logits = torch.randn(1, vocab, generator=torch.Generator().manual_seed(5)).to(device)
    rows = repeated(params, draws, device)
    tokens = sample(logits.expand(draws, vocab), rows, torch.full((draws,), 3, device=device), width=16)
    expected = filtered_logits(logits, rows.select([0]))[0].double().softmax(-1).cpu()
    observed = torch.bincount(tokens.cpu(), minlength=vocab)
    kept = expected > 0
    assert observed[~kept].sum() == 0
    assert kept.sum() > 1
    assert stats.chisquare(observed[kept].numpy(), (expected[kept] * draws).numpy()).pvalue > 1e-3


def test_frequencies_along_the_steps_are_the_distribution_too() -> None:
    draws, vocab = 20_000, 40
    logits = torch.randn(1, vocab, generator=torch.Generator().manual_seed(6))
    rows = SamplingRows.build([GenerationParams(temperature=1.0)], [1]).select([0] * draws)
    observed = torch.bincount(sample(logits.expand(draws, vocab), rows, steps_of(draws)), minlength=vocab)
    expected = logits[0].double().softmax(-1) * draws
    assert stats.chisquare(observed.numpy(), expected.numpy()).pvalue > 1e-3


NEARLY_IDLE = st.fixed_dictionaries(
    {},
    optional={
        "do_sample": st.booleans(),
        "temperature": st.sampled_from([0.0, 1.0, 0.7]),
        **{
            name: st.sampled_from([value] if PARAMETERS[name].off is None else [PARAMETERS[name].off, value])
            for name, value in CUT_VALUES.items()
        },
        "top_k": st.sampled_from([0, 1, 4]),
        "mirostat_eta": st.sampled_from([0.1, 0.3]),
        "repetition_penalty": st.sampled_from([1.0, 1.2]),
        "encoder_repetition_penalty": st.sampled_from([1.0, 1.2]),
        "presence_penalty": st.sampled_from([0.0, 0.5]),
        "frequency_penalty": st.sampled_from([0.0, -0.5]),
        "no_repeat_ngram_size": st.sampled_from([0, 2]),
        "generation_seed": st.integers(0, 2),
    },
)


@given(NEARLY_IDLE, st.sampled_from([3, 40, 400]), st.integers(0, 10**6))
@settings(max_examples=scaled(300))
def test_the_canonical_form_draws_the_same_tokens(values: dict[str, float], vocab: int, seed: int) -> None:
    params = GenerationParams.from_dict(values)
    generator = torch.Generator().manual_seed(seed)
    # Coarse logits, so that there are ties everywhere.
    logits = (torch.randn(20, vocab, generator=generator) * 2).round()
    context = torch.randint(vocab, (4,), generator=generator).tolist()
    drawn = [
        draw(
            penalise(logits, [variant] * 20, [context[:2]] * 20, [context] * 20, [2] * 20),
            SamplingRows.build([variant] * 20, [seed] * 20),
            steps_of(20),
        )
        for variant in (params, params.canonical)
    ]
    assert torch.equal(drawn[0].tokens, drawn[1].tokens)
    if not params.greedy:
        assert torch.equal(drawn[0].surprises, drawn[1].surprises)


@pytest.mark.parametrize("params", MIXED[1:])
def test_noise_belongs_to_tokens(params: GenerationParams, device: torch.device) -> None:
    # Removing any token but the chosen one leaves the choice alone, whichever path computes it.
    count, vocab = 50, 60
    logits = logits_like_a_models(1, vocab).to(device).expand(count, vocab)
    rows, steps = repeated(params, count, device), steps_of(count, device)
    free = repeated(GenerationParams(temperature=1.0), count, device)
    tokens = sample(logits, rows, steps, width=8)
    kept = filtered_logits(logits, rows)
    assert torch.equal(sample(kept, free, steps), tokens)
    for removed in range(vocab):
        less = kept.index_fill(1, torch.tensor(removed, device=device), -torch.inf)
        alive = less.isfinite().any(-1).cpu()
        unaffected = torch.where(alive & (tokens != removed))[0]
        redrawn = torch.where(alive & (tokens == removed))[0]
        kept_rows, changed_rows = unaffected.to(device), redrawn.to(device)
        again = sample(less[kept_rows], free.select(kept_rows), steps[kept_rows])
        assert torch.equal(again, tokens[unaffected])
        assert (sample(less[changed_rows], free.select(changed_rows), steps[changed_rows]) != removed).all()
    assert len(set(tokens.tolist())) > 1


def test_greedy_rows_take_the_first_of_the_most_probable(device: torch.device) -> None:
    logits = torch.tensor([[0.0, 3.0, 3.0, -math.inf], [-5.0, -5.0, -5.0, -5.0]], device=device)
    rows = SamplingRows.build([GenerationParams(), GenerationParams(temperature=0.0, top_k=2)], [1, 2], device)
    assert sample(logits, rows, steps_of(2, device)).tolist() == [1, 0]
    assert filtered_logits(logits, rows).isfinite().nonzero().tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("params", MIXED)
@pytest.mark.parametrize("vocab", [1, 2, 3])
def test_tiny_vocabularies(params: GenerationParams, vocab: int, device: torch.device) -> None:
    logits = torch.linspace(1.0, 0.0, vocab, device=device)[None]
    rows = SamplingRows.build([params], [0], device)
    token = int(sample(logits, rows, steps_of(1, device)))
    assert filtered_logits(logits, rows)[0, token] > -torch.inf


def test_no_rows_draw_no_tokens(device: torch.device) -> None:
    rows = SamplingRows.build([], [], device)
    assert sample(torch.zeros(0, 10, device=device), rows, steps_of(0, device)).shape == (0,)
    assert filtered_logits(torch.zeros(0, 10, device=device), rows).shape == (0, 10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_taken_as_float32(dtype: torch.dtype, device: torch.device) -> None:
    logits = logits_like_a_models(len(MIXED), 1000).to(device, dtype)
    rows, steps = SamplingRows.build(MIXED, [0] * len(MIXED), device), steps_of(len(MIXED), device)
    assert torch.equal(sample(logits, rows, steps), sample(logits.float(), rows, steps))
    assert filtered_logits(logits, rows).dtype == torch.float32


@pytest.mark.parametrize("temperature", [1e-300, 1e-40, 1e-6, 1e300])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 65504.0, 3e38])
def test_extreme_temperatures_and_logits(temperature: float, scale: float, device: torch.device) -> None:
    logits = torch.tensor([[-1.0, 0.5, 1.0, 0.0, 1.0, -math.inf]], device=device) * scale
    draws = 200
    for cuts in ({}, {"top_p": 0.99}, {"typical_p": 0.99, "tfs": 0.99}):
        rows = repeated(GenerationParams.from_dict({"temperature": temperature, **cuts}), draws, device)
        tokens = set(sample(logits.expand(draws, 6), rows, steps_of(draws, device)).tolist())
        assert 5 not in tokens
        if scale / temperature > 1e4:
            assert tokens == {2, 4}
    assert not filtered_logits(logits, rows.select([0])).isnan().any()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "row 3 of the logits holds NaN: .*float16.*bfloat16 or float32"),
        (math.inf, r"row 3 of the logits holds \+inf: .*float16"),
        (-math.inf, "row 3 of the logits has no finite value.*no_repeat_ngram_size"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_without_a_distribution_are_refused(
    value: float, message: str, dtype: torch.dtype, device: torch.device
) -> None:
    logits = torch.zeros(5, 100, dtype=dtype, device=device)
    logits[3, slice(None) if value == -math.inf else slice(41, 42)] = value
    for params in MIXED:
        rows = SamplingRows.build([GenerationParams()] * 3 + [params] * 2, [0] * 5, device)
        with pytest.raises(LogitsError, match=message):
            sample(logits, rows, steps_of(5, device))
        with pytest.raises(LogitsError, match=message):
            filtered_logits(logits, rows)
        assert (sample(logits[[0, 4]], rows.select([0, 4]), steps_of(2, device)) >= 0).all()


def test_logits_are_not_modified(device: torch.device) -> None:
    logits = logits_like_a_models(len(MIXED), 600).to(device)
    before = logits.clone()
    rows = SamplingRows.build(MIXED, [0] * len(MIXED), device)
    sample(logits, rows, steps_of(len(MIXED), device))
    filtered_logits(logits, rows)
    params = [GenerationParams(repetition_penalty=2.0, presence_penalty=1.0)] * len(MIXED)
    penalise(logits, params, [[1]] * len(MIXED), [[2]] * len(MIXED), [1] * len(MIXED))
    assert torch.equal(logits, before)


VOCAB = 12
TOKENS = st.lists(st.integers(0, VOCAB - 1), max_size=30)
PENALTY = st.none() | st.sampled_from([1.0, 0.5, 1.3, 10.0])


def expected_penalties(
    logits: Tensor, params: GenerationParams, prompt: Sequence[int], context: Sequence[int], step: int
) -> Tensor:
    """Those of transformers, and OpenAI's in plain Python: "positive values decrease the likelihood".

    The formula is ``logit[token] -= count * frequency_penalty + (count > 0) * presence_penalty``, with the count of the
    token among those sampled before.
    """
    chain = LogitsProcessorList()
    prompt_ids = torch.LongTensor([prompt])
    if params.encoder_repetition_penalty is not None:
        chain.append(EncoderRepetitionPenaltyLogitsProcessor(params.encoder_repetition_penalty, prompt_ids))
    if params.repetition_penalty is not None:
        chain.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    factored: Tensor = chain(torch.LongTensor([context]), logits[None])[0].clone()
    for token, count in Counter(context[len(context) - step :]).items():
        offset = torch.tensor(params.frequency_penalty or 0.0) * count + torch.tensor(params.presence_penalty or 0.0)
        factored[token] -= offset
    if params.no_repeat_ngram_size:
        bans = NoRepeatNGramLogitsProcessor(params.no_repeat_ngram_size)
        result: Tensor = bans(torch.LongTensor([context]), factored[None])[0]
        return result
    return factored


PENALTIES = st.builds(
    GenerationParams,
    encoder_repetition_penalty=PENALTY,
    repetition_penalty=PENALTY,
    presence_penalty=st.none() | st.sampled_from([0.0, -2.0, 0.3, 2.0]),
    frequency_penalty=st.none() | st.sampled_from([0.0, -0.7, 0.1, 2.0]),
    no_repeat_ngram_size=st.none() | st.integers(0, 5),
)


@given(
    st.lists(st.tuples(PENALTIES, TOKENS, TOKENS, st.integers(0, 30)), min_size=1, max_size=5), st.integers(0, 2**20)
)
@settings(max_examples=scaled(200))
def test_penalties_are_those_of_transformers_and_openai(
    batch: list[tuple[GenerationParams, list[int], list[int], int]], seed: int
) -> None:
    params, prompts, contexts, most = (list(column) for column in zip(*batch, strict=True))
    steps = [min(step, len(context)) for step, context in zip(most, contexts, strict=True)]
    logits = torch.randn(len(batch), VOCAB, generator=torch.Generator().manual_seed(seed)).round(decimals=1) * 4
    logits[0, seed % VOCAB] = -torch.inf
    before = logits.clone()
    ours = penalise(logits, params, prompts, contexts, steps)
    assert torch.equal(logits, before)
    for row, (row_params, prompt, context, _) in enumerate(batch):
        assert torch.equal(ours[row], expected_penalties(logits[row], row_params, prompt, context, steps[row]))


def test_penalties_leave_the_logits_alone_where_there_are_none(device: torch.device) -> None:
    logits = torch.zeros(2, VOCAB, device=device)
    off = GenerationParams(repetition_penalty=1.0, presence_penalty=0.0, frequency_penalty=0.0, no_repeat_ngram_size=0)
    assert penalise(logits, [GenerationParams(), off], [[1], [2]], [[], [3]], [0, 1]) is logits
    unused = [GenerationParams(repetition_penalty=2.0), GenerationParams(no_repeat_ngram_size=4)]
    assert penalise(logits, unused, [[], [2]], [[], [3]], [0, 1]) is logits
    in_prompts_only = [GenerationParams(presence_penalty=1.0, frequency_penalty=1.0)] * 2
    assert penalise(logits, in_prompts_only, [[1], [2]], [[1], [2]], [0, 0]) is logits


def test_penalties_ignore_ids_outside_the_vocabulary(device: torch.device) -> None:
    logits = torch.ones(1, VOCAB, device=device)
    penalties = {"repetition_penalty": 2.0, "encoder_repetition_penalty": 4.0, "no_repeat_ngram_size": 1}
    params = [GenerationParams.from_dict({**penalties, "presence_penalty": 1.0})]
    assert penalise(logits, params, [[VOCAB, VOCAB + 7]], [[VOCAB]], [1]) is logits
    kept = penalise(logits, params, [[VOCAB, 3]], [[VOCAB, 3]], [2])[0].isfinite()
    assert kept.tolist() == [token != 3 for token in range(VOCAB)]


def test_penalties_of_a_row_do_not_depend_on_the_batch(device: torch.device) -> None:
    logits = logits_like_a_models(3, 100).to(device)
    params = [
        GenerationParams(repetition_penalty=1.1 + row, encoder_repetition_penalty=0.7, frequency_penalty=0.1 * row)
        for row in range(3)
    ]
    steps = [2, 0, 1]
    prompts, contexts = [[1, 2, 2], [3], [4, 5, 6, 7]], [[1, 2, 2, 8, 9], [3], [10]]
    batch = penalise(logits, params, prompts, contexts, steps)
    for row in range(3):
        part = slice(row, row + 1)
        alone = penalise(logits[part], params[part], prompts[part], contexts[part], steps[part])
        assert torch.equal(alone, batch[part])
    assert (batch != logits).any(-1).all()


def test_a_complete_draw_leaves_nothing_undecided(device: torch.device) -> None:
    """Rows that many candidates do not decide are drawn from all tokens, whether or not the host may wait."""
    logits = torch.randn(6, 5000, generator=torch.Generator().manual_seed(0)).to(device)
    params = [GenerationParams(temperature=temperature, top_p=0.95) for temperature in (0.1, 1.0, 2.0)] * 2
    rows, steps = SamplingRows.build(params, range(6), device), torch.arange(6, device=device)
    assert draw_on_device(logits, rows, steps, width=1024).undecided.tolist() == [False, True, True] * 2
    expected = draw(logits, rows, steps)
    for may_wait in (True, False):
        drawn = draw_completely(logits, rows, steps, may_wait=may_wait)
        assert not drawn.undecided.any()
        assert torch.equal(drawn.tokens.cpu(), expected.tokens)
        assert torch.equal(drawn.surprises.cpu(), expected.surprises)


def test_one_token_is_left_in_the_rows_of_a_mask(device: torch.device) -> None:
    """Infinite logits do not survive in these rows, and the other rows keep theirs, numbers or not."""
    logits = torch.tensor([[1.0, torch.inf, -torch.inf], [-3.0, 2.0, -torch.inf], [torch.nan, 1.0, torch.inf]])
    given = logits.to(device)
    mask = torch.tensor([True, True, False], device=device)
    left = leave_tokens(given, torch.tensor([0, 2, 1], device=device), mask)
    assert left is given
    assert left[:2].tolist() == [[0.0, -torch.inf, -torch.inf], [-torch.inf, -torch.inf, 0.0]]
    assert torch.equal(left[2].cpu().nan_to_num(9.0), logits[2].nan_to_num(9.0))
