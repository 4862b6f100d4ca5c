"""The cuts against the processors of transformers, and against plain Python where transformers has none."""

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import get_args

import pytest
import torch
from cuts import CUT_VALUES
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from laws import scaled
from torch import Tensor
from transformers import (
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopHLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from llmsearch_optuna.engine.sampling import SamplingRows, filtered_logits
from llmsearch_optuna.engine.sampling.candidates import Candidates, RowSum, most_probable
from llmsearch_optuna.engine.sampling.warpers import SUMS_OF_CUTS, apply_cuts, leading_candidates
from llmsearch_optuna.space.params import CUTS, GenerationParams

WARPERS = {
    "temperature": TemperatureLogitsWarper,
    "top_h": TopHLogitsWarper,
    "top_k": TopKLogitsWarper,
    "top_p": TopPLogitsWarper,
    "min_p": MinPLogitsWarper,
    "typical_p": TypicalLogitsWarper,
    "epsilon_cutoff": EpsilonLogitsWarper,
    "eta_cutoff": EtaLogitsWarper,
}
OFF = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}
NO_IDS = torch.LongTensor([[]])

RANGES: dict[str, st.SearchStrategy[float]] = {
    "top_n_sigma": st.sampled_from([1e-30, 1e-3, 1e3]) | st.floats(0.01, 4.0),
    "top_h": st.sampled_from([1e-30, 1e-3, 0.999, 1.0]) | st.floats(0.01, 1.0),
    "p_less": st.booleans(),
    "top_k": st.sampled_from([0, 2, 10**30]) | st.integers(2, 60),
    "top_p": st.sampled_from([1e-30, 1e-3, 0.999, 1.0]) | st.floats(0.01, 1.0),
    "min_p": st.sampled_from([0.0, 1e-30, 1e-6, 1.0]) | st.floats(0.0, 1.0),
    "typical_p": st.sampled_from([1e-30, 1e-3, 0.999, 1.0]) | st.floats(0.01, 1.0),
    "epsilon_cutoff": st.sampled_from([0.0, 1e-30, 1e-6, 0.999]) | st.floats(1e-5, 0.1),
    "eta_cutoff": st.sampled_from([0.0, 1e-30, 1e-6, 0.999]) | st.floats(1e-5, 0.1),
    "tfs": st.sampled_from([0.0, 1e-6, 0.999, 1.0]) | st.floats(0.0, 1.0),
    "top_a": st.sampled_from([0.0, 1e-6, 1.0]) | st.floats(0.0, 1.0),
    "mirostat_tau": st.sampled_from([1e-30, 1e-3, 100.0]) | st.floats(0.01, 6.0),
}
TEMPERATURES = st.sampled_from([1.0, 0.01, 100.0]) | st.floats(0.1, 3.0)


@st.composite
def some_logits(draw: st.DrawFn) -> list[float]:
    """Smooth, tied, all equal, far apart, and partly banned logits; float16 values, so that no two nearly tie."""
    size = draw(st.sampled_from([1, 2, 3]) | st.integers(1, 300))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    spread = draw(st.sampled_from([0.0, 0.3, 1.0, 3.0, 10.0, 1000.0]))
    logits = torch.randn(size, generator=generator) * spread
    logits = logits.round() if draw(st.booleans()) else logits.half().float()
    banned = torch.rand(size, generator=generator) < draw(st.sampled_from([0.0, 0.3, 0.9]))
    banned[int(torch.randint(size, (), generator=generator))] = False
    return logits.masked_fill(banned, -torch.inf).tolist()


def some_params(*names: str) -> st.SearchStrategy[GenerationParams]:
    few = st.sets(st.sampled_from(names), min_size=1, max_size=3)
    return few.flatmap(
        lambda chosen: st.builds(
            GenerationParams,
            do_sample=st.just(True),
            temperature=TEMPERATURES,
            **{name: RANGES[name] for name in names if name in chosen},
        )
    )


def filtered(logits: Sequence[float], params: GenerationParams, device: torch.device | str = "cpu") -> Tensor:
    rows = SamplingRows.build([params], [0], device)
    return filtered_logits(torch.tensor([logits], device=device), rows)[0].cpu()


def counts(scores: Tensor) -> Counter[float]:
    """How many tokens of each score are kept: which of several tied tokens a cut keeps is no matter of the oracle."""
    return Counter(scores[scores > -torch.inf].tolist())


def oracle_bounds(name: str, value: float, scores: Tensor) -> tuple[Counter[float], Counter[float]]:
    """What transformers keeps of these float32 scores at least and at most, up to the rounding of our float32.

    The processor runs in float64, with the parameter moved a little to either side: all cuts only grow with it.
    """
    exact = scores.double()[None]

    def kept(moved: float) -> Tensor:
        mask: Tensor = WARPERS[name](moved)(NO_IDS, exact)[0] > -torch.inf
        return scores.masked_fill(~mask, -torch.inf)

    if name == "top_k":
        least = most = kept(min(int(value), len(scores)))
    elif name == "top_p":
        least = kept(max(value - 1e-6, 0.0))
        most = kept(value + 1e-6) if value + 1e-6 < 1.0 else scores
    elif name == "min_p":
        least, most = kept(min(value * (1 + 1e-9), 1.0)), kept(value * (1 - 1e-9))
    elif name == "typical_p":
        log_p = exact[0].log_softmax(-1)
        distance = (-log_p + (log_p * log_p.exp()).nansum()).abs()
        low, high = kept(max(value - 1e-6, 1e-15)), (kept(value + 1e-6) if value + 1e-6 < 1.0 else scores)
        least = low.masked_fill(distance > distance[low > -torch.inf].max() - 1e-5, -torch.inf)
        most = scores.masked_fill(distance > distance[high > -torch.inf].max() + 1e-5, -torch.inf)
    elif name == "top_h":
        hundred = scores.masked_fill(scores < scores.topk(min(100, len(scores))).values[-1], -torch.inf)
        p = hundred.double().softmax(-1)
        least, most = kept(max(value - 1e-6, 1e-15)), (kept(value + 1e-6) if value + 1e-6 < 1.0 else hundred)
        # What weighs nothing in integers has no share of the entropy.
        least = least.masked_fill(p < 1e-12, -torch.inf)
        if -(p * p.log()).nansum() < 1e-6:
            least, most = scores.new_empty(0), hundred
    else:
        least, most = kept(min(value * (1 + 1e-5), 0.9999999)), kept(value * (1 - 1e-5))
    return counts(least), counts(most)


@pytest.mark.no_cover
@given(some_logits(), some_params("top_h", *OFF))
@settings(max_examples=scaled(300))
def test_every_cut_keeps_what_transformers_keeps(logits: list[float], params: GenerationParams) -> None:
    # Cut by cut, each on what ours kept before, so that every single one is held against its own rounding alone.
    so_far = GenerationParams(do_sample=True, temperature=params.temperature)
    scores = filtered(logits, so_far)
    assert torch.equal(scores, WARPERS["temperature"](params.temperature)(NO_IDS, torch.tensor([logits]))[0])
    for name in CUTS:
        if (value := getattr(params, name)) is None:
            continue
        so_far = dataclasses.replace(so_far, **{name: value})
        ours = filtered(logits, so_far)
        kept = ours > -torch.inf
        assert kept.any()
        assert torch.equal(ours[kept], scores[kept])
        if value == OFF.get(name):
            assert torch.equal(ours, scores)
        else:
            least, most = oracle_bounds(name, value, scores)
            assert least <= counts(ours) <= most
        scores = ours


def test_whole_chains_equal_those_of_transformers(device: torch.device) -> None:
    # Continuous logits, for which no cut falls on a rounding boundary: equality without exceptions, in float32.
    generator = torch.Generator().manual_seed(7)
    cases = 400
    logits = torch.randn(cases, 500, generator=generator) * torch.linspace(0.1, 8.0, cases)[:, None]

    def params(row: int) -> GenerationParams:
        draw = torch.rand(14, generator=generator).tolist()
        values: dict[str, float] = {
            "top_k": int(draw[0] * 100) + 1,
            "top_p": draw[1],
            "min_p": draw[2] ** 4,
            "typical_p": draw[3],
            "epsilon_cutoff": draw[4] ** 6,
            "eta_cutoff": draw[5] ** 6,
            "top_h": draw[6],
        }
        chosen = {name: value for name, value in values.items() if draw[7 + list(values).index(name)] < 0.5}
        return GenerationParams.from_dict({"do_sample": True, "temperature": 0.2 + 2 * draw[0], **chosen})

    batch = [params(row) for row in range(cases)]
    ours = filtered_logits(logits.to(device), SamplingRows.build(batch, [0] * cases, device)).cpu()
    for row, row_params in enumerate(batch):
        names = [name for name in WARPERS if getattr(row_params, name) is not None]
        chain = LogitsProcessorList([WARPERS[name](getattr(row_params, name)) for name in names])
        theirs = chain(NO_IDS, logits[row : row + 1])[0]
        assert torch.equal(ours[row] > -torch.inf, theirs > -torch.inf), row_params
        torch.testing.assert_close(ours[row].softmax(-1), theirs.softmax(-1))
    assert len(set((ours > -torch.inf).sum(-1).tolist())) > 50  # they are not all alike


def probabilities(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(logit - top) for logit in logits]
    return [weight / math.fsum(weights) for weight in weights]


def kept_by_tfs(logits: Sequence[float], tfs: float) -> set[int]:
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    if tfs >= 1.0:
        return {token for token in order if logits[token] > -math.inf}
    unsorted = probabilities(logits)
    p = [unsorted[token] for token in order]
    curvature = [abs((p[i + 2] - p[i + 1]) - (p[i + 1] - p[i])) for i in range(len(p) - 2)]
    kept, sum_so_far, whole = [order[0]], 0.0, math.fsum(curvature)
    for token, change in zip(order[1:-1], curvature, strict=True):
        sum_so_far += change
        if sum_so_far <= tfs * whole and logits[token] > -math.inf:
            kept.append(token)
    return set(kept)


def kept_by_top_a(logits: Sequence[float], top_a: float) -> set[int]:
    p = probabilities(logits)
    return {token for token, logit in enumerate(logits) if logit > -math.inf and p[token] >= top_a * max(p) ** 2}


def kept_by_top_n_sigma(logits: Sequence[float], n: float) -> set[int]:
    finite = [logit for logit in logits if logit > -math.inf]
    return {token for token, logit in enumerate(logits) if logit >= max(finite) - n * statistics.pstdev(finite)}


def kept_by_p_less(logits: Sequence[float], on: float, slack: float = 0.0) -> set[int]:
    p = probabilities(logits)
    floor = math.fsum(q * q for q in p) * (1 + slack) if on else 0.0
    return {token for token, logit in enumerate(logits) if logit > -math.inf and p[token] >= min(floor, max(p))}


def kept_by_mirostat(logits: Sequence[float], mu: float) -> set[int]:
    p = probabilities(logits)
    return {token for token in range(len(p)) if p[token] == max(p) or (p[token] > 0 and -math.log2(p[token]) <= mu)}


ORACLES: dict[str, Callable[[Sequence[float], float], set[int]]] = {
    "top_n_sigma": kept_by_top_n_sigma,
    "p_less": kept_by_p_less,
    "tfs": kept_by_tfs,
    "top_a": kept_by_top_a,
    "mirostat_tau": lambda logits, tau: kept_by_mirostat(logits, 2 * tau),
}
"""The token ids that each cut keeps, in plain Python, for the cuts that transformers lacks."""


def support(scores: Tensor) -> set[int]:
    return set((scores > -torch.inf).nonzero()[:, 0].tolist())


def test_every_cut_has_a_formula() -> None:
    assert tuple(SUMS_OF_CUTS) == CUTS, "add the cut to _CUTS in engine/sampling/warpers.py, in the order of the fields"


@pytest.mark.parametrize("name", CUTS)
def test_every_cut_names_the_sums_that_it_needs(name: str) -> None:
    logits = torch.randn(40, 2000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.01, 3.0, 40)[:, None]
    rows = SamplingRows.build([GenerationParams.from_dict({name: CUT_VALUES[name]})] * 40, [0] * 40)

    def sizes(*sums: RowSum) -> list[int]:
        kept: list[int] = apply_cuts(most_probable(logits, 256, sums), rows).size.tolist()
        return kept

    needs = SUMS_OF_CUTS[name]
    whole = sizes(*get_args(RowSum))
    assert sizes(*needs) == whole, f"{name} needs further sums: name them under `needs` in _CUTS"
    for spare in needs:
        assert sizes(*needs - {spare}) != whole, f"{name} does not need {spare}: remove it from `needs` in _CUTS"


@pytest.mark.parametrize("name", CUTS)
def test_the_tables_of_this_test_hold_every_cut(name: str) -> None:
    assert name in {**WARPERS, **ORACLES}, "write a function that shares no code with the cut, and add it to ORACLES"
    assert name in RANGES, "add the cut to RANGES, with its boundaries"
    assert any(getattr(params, name) is not None for params in SINGLE_CUTS), "add the cut to SINGLE_CUTS"


@pytest.mark.parametrize("name", ORACLES)
def test_cuts_that_transformers_lacks_keep_what_plain_python_keeps(name: str) -> None:
    # Continuous logits, for which no cut falls on a rounding boundary.
    for row in peaked_logits(20, 300) * torch.linspace(0.3, 3.0, 20)[:, None]:
        kept = support(filtered(row.tolist(), GenerationParams.from_dict({name: CUT_VALUES[name]})))
        assert kept == ORACLES[name](row.tolist(), CUT_VALUES[name])


@given(some_logits(), RANGES["tfs"])
@settings(max_examples=scaled(300))
@example([0.5], 0.3)
@example([0.5, 0.4], 0.3)
@example([0.0, 0.0], 0.3)
@example([0.0] * 5, 0.0)
@example([15.40625, -2.93359375, -21.78125, 5.68359375, -10.84375, -13.984375], 1 - 2e-9)
def test_tfs_is_that_of_llmsearch(logits: list[float], tfs: float) -> None:
    assume(tfs == 1.0 or tfs < 1 - 1e-9)  # nearer to 1, the oracle's sums are not exact enough
    kept = support(filtered(logits, GenerationParams(tfs=tfs)))
    exactly = tfs in (0.0, 1.0)
    assert kept <= kept_by_tfs(logits, tfs if exactly else min(tfs + 1e-6, math.nextafter(1.0, 0.0)))
    assert kept >= kept_by_tfs(logits, tfs if exactly else max(tfs - 1e-6, 0.0))


@given(some_logits(), RANGES["top_a"])
@settings(max_examples=scaled(200))
def test_top_a_is_that_of_llmsearch(logits: list[float], top_a: float) -> None:
    kept = support(filtered(logits, GenerationParams(top_a=top_a)))
    assert kept_by_top_a(logits, top_a * (1 + 1e-6)) <= kept <= kept_by_top_a(logits, top_a * (1 - 1e-6))


@pytest.mark.no_cover
@given(some_logits(), RANGES["top_n_sigma"], TEMPERATURES)
@settings(max_examples=scaled(200))
@example([0.0] * 5, 1.0, 0.7)
@example([0.5], 1.0, 0.7)
def test_top_n_sigma_is_that_of_llama_cpp_at_any_temperature(logits: list[float], n: float, heat: float) -> None:
    kept = support(filtered(logits, GenerationParams(top_n_sigma=n, temperature=heat)))
    spread = max(logits) - min(logit for logit in logits if logit > -math.inf)
    slack = 1e-6 * max(abs(logit) for logit in logits if logit > -math.inf) / (spread or 1.0)
    assert kept_by_top_n_sigma(logits, n * (1 - 1e-6) - slack) <= kept
    assert kept <= kept_by_top_n_sigma(logits, n * (1 + 1e-6) + slack * len(logits) + 1e-5)


@given(some_logits(), TEMPERATURES)
@settings(max_examples=scaled(200))
@example([0.0] * 5, 1.0)
@example([0.5], 1.0)
def test_p_less_is_that_of_plain_python(logits: list[float], heat: float) -> None:
    scores = [logit / heat for logit in logits]
    kept = support(filtered(logits, GenerationParams(p_less=True, temperature=heat)))
    assert kept_by_p_less(scores, True, 1e-6) <= kept <= kept_by_p_less(scores, True, -1e-6)
    assert support(filtered(logits, GenerationParams(p_less=False))) == support(torch.tensor(logits))


@given(some_logits(), RANGES["mirostat_tau"])
@settings(max_examples=scaled(200))
def test_mirostat_begins_at_twice_its_target(logits: list[float], tau: float) -> None:
    kept = support(filtered(logits, GenerationParams(mirostat_tau=tau)))
    assert (
        kept_by_mirostat(logits, 2 * tau * (1 - 1e-6)) <= kept <= kept_by_mirostat(logits, 2 * tau * (1 + 1e-6) + 1e-6)
    )


@given(some_logits(), st.integers(1, 20), RANGES["tfs"], RANGES["top_a"])
@settings(max_examples=scaled(200))
def test_tfs_and_top_a_come_last(logits: list[float], top_k: int, tfs: float, top_a: float) -> None:
    cut = filtered(logits, GenerationParams(top_k=top_k))
    with_tfs = filtered(logits, GenerationParams(top_k=top_k, tfs=tfs))
    assert support(with_tfs) == support(filtered(cut.tolist(), GenerationParams(tfs=tfs)))
    both = filtered(logits, GenerationParams(top_k=top_k, tfs=tfs, top_a=top_a))
    assert support(both) == support(filtered(with_tfs.tolist(), GenerationParams(top_a=top_a)))


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        (GenerationParams(top_k=2), {0, 1, 3}),
        (GenerationParams(top_p=0.3), {0}),
        (GenerationParams(top_p=0.5), {0, 1}),
        (GenerationParams(tfs=0.0), {0, 1}),
    ],
)
def test_the_lowest_of_tied_tokens_stay(params: GenerationParams, kept: set[int], device: torch.device) -> None:
    assert support(filtered([2.0, 2.0, 0.5, 2.0, -1.0], params, device)) == kept


@pytest.mark.parametrize("name", ["top_p", "typical_p", "epsilon_cutoff", "min_p"])
@pytest.mark.parametrize("value", [0.25, 0.5, 0.75])
def test_cuts_just_at_a_probability(name: str, value: float, device: torch.device) -> None:
    # Probabilities of 1/4 and thresholds that floating point has exactly.
    scores = torch.zeros(1, 4)
    theirs = WARPERS[name](value)(NO_IDS, scores)
    ours = filtered(scores[0].tolist(), GenerationParams.from_dict({name: value}), device)
    assert counts(ours) == counts(theirs)


@pytest.mark.no_cover
@given(st.lists(some_logits(), min_size=1, max_size=6), st.data())
@settings(max_examples=scaled(200))
def test_a_row_of_decided_candidates_equals_the_whole_row(batch: list[list[float]], data: st.DataObject) -> None:
    vocab = max(map(len, batch))
    logits = torch.tensor([row + [-math.inf] * (vocab - len(row)) for row in batch])
    params = [data.draw(some_params(*CUTS)) for _ in batch]
    width = data.draw(st.integers(1, vocab))
    few, whole = candidates(logits, params, width), candidates(logits, params, vocab)
    assert not whole.undecided.any()
    assert (whole.size >= 1).all()
    for row in (~few.undecided & ~few.open).nonzero()[:, 0].tolist():
        size = int(whole.size[row])
        assert few.size[row] == size
        assert torch.equal(few.token_ids[row, :size], whole.token_ids[row, :size])
        assert torch.equal(few.log_ratios[row, :size], whole.log_ratios[row, :size])


def candidates(logits: Tensor, params: Sequence[GenerationParams], width: int) -> Candidates:
    rows = SamplingRows.build(params, [0] * len(params), logits.device)
    scores = logits / rows.temperature[:, None]
    return apply_cuts(leading_candidates(scores, rows, width), rows)


SINGLE_CUTS: list[GenerationParams] = [
    GenerationParams(top_k=50),
    GenerationParams(top_p=0.9),
    GenerationParams(min_p=0.001),
    GenerationParams(typical_p=0.5),
    GenerationParams(epsilon_cutoff=1e-3),
    GenerationParams(eta_cutoff=0.01),
    GenerationParams(tfs=0.95),
    GenerationParams(top_a=0.001),
    GenerationParams(top_n_sigma=4.0),
    GenerationParams(top_h=0.9),
    GenerationParams(mirostat_tau=4.0),
    GenerationParams(p_less=True),
]


def peaked_logits(rows: int, vocab: int) -> Tensor:
    """Falling with the logarithm of the rank, as those of language models do."""
    noise = torch.rand(rows, vocab, generator=torch.Generator().manual_seed(rows))
    return 3.0 - 1.5 * torch.log1p(noise.argsort(-1)) + noise / 100


@pytest.mark.parametrize("params", SINGLE_CUTS)
def test_few_candidates_decide_peaked_rows(params: GenerationParams, device: torch.device) -> None:
    logits = peaked_logits(4, 20_000).to(device)
    few, whole = candidates(logits, [params] * 4, 256), candidates(logits, [params] * 4, 20_000)
    assert not few.undecided.any()
    assert torch.equal(few.size, whole.size)
    for row, size in enumerate(few.size.tolist()):
        assert torch.equal(few.token_ids[row, :size], whole.token_ids[row, :size])


def test_tied_tokens_are_in_the_order_of_their_ids(device: torch.device) -> None:
    tied = torch.zeros(1, 9, device=device)
    tied[0, 1::2] *= -1.0
    tied[0, 2] = -1.0
    few = candidates(tied, [GenerationParams(top_p=0.2)], 4)
    assert not few.undecided.any()
    assert few.token_ids[0, : few.size].tolist() == [0, 1]
    assert candidates(tied, [GenerationParams(top_k=2)], 7).undecided.all()
    assert candidates(tied, [GenerationParams(top_k=2)], 9).size == 8


def test_a_cut_leaves_two_candidates_to_spare(device: torch.device) -> None:
    # Without the zeros after the last probability, tfs would miss some of the second differences.
    logits = torch.linspace(0.0, -3.0, 10, device=device)[None]
    params = [GenerationParams(top_k=4, tfs=0.9)]
    assert [bool(candidates(logits, params, width).undecided) for width in (4, 5, 6)] == [True, True, False]


def test_typical_p_is_undecided_where_the_last_candidate_is_typical(device: torch.device) -> None:
    # Three tokens too probable to be typical, before a hundred tied ones that are: five candidates of eight are kept.
    logits = torch.tensor([[0.1] * 3 + [0.007] * 100], device=device).log()
    assert candidates(logits, [GenerationParams(typical_p=0.03)], 8).undecided.all()


def test_a_cut_outside_the_candidates_is_undecided(device: torch.device) -> None:
    flat = torch.randn(len(SINGLE_CUTS), 20_000, generator=torch.Generator().manual_seed(0)).to(device) * 0.1
    wide = {"top_k": None, "top_h": None, "top_p": 0.9}
    flat_cuts = [
        dataclasses.replace(params, **({"mirostat_tau": 10.0} if params.mirostat_tau else wide))
        for params in SINGLE_CUTS
    ]
    few = candidates(flat, flat_cuts, 256)
    assert few.undecided.all()


def test_cuts_do_not_depend_on_the_batch(device: torch.device) -> None:
    # An odd vocabulary of a realistic size: alone, a row is aligned and reduced differently than in a batch.
    logits = peaked_logits(len(SINGLE_CUTS), 49_153).to(device)
    mixed = [dataclasses.replace(params, temperature=0.5 + row / 10) for row, params in enumerate(SINGLE_CUTS)]
    batch = candidates(logits, mixed, 256)
    for row in range(len(mixed)):
        alone = candidates(logits[row : row + 1].clone(), mixed[row : row + 1], 256)
        for field, value in alone._asdict().items():
            assert torch.equal(value[0], getattr(batch, field)[row]), field


def test_sums_do_not_depend_on_the_order_of_tokens(device: torch.device) -> None:
    # What makes rows independent of kernels, hence of the batch: here the same row in another order.
    logits = peaked_logits(3, 49_153).to(device)
    rows = SamplingRows.build([GenerationParams(typical_p=0.9)] * 3, [0] * 3, device)
    first = leading_candidates(logits, rows, 256)
    assert (first.outside_mass > 0).all()
    for seed in range(5):
        order = torch.randperm(49_153, generator=torch.Generator().manual_seed(seed)).to(device)
        again = leading_candidates(logits[:, order], rows, 256)
        assert torch.equal(again.outside_mass, first.outside_mass)
        assert torch.equal(again.outside_surprise, first.outside_surprise)
        assert torch.equal(again.scores, first.scores)
        sigma = SamplingRows.build([GenerationParams(top_n_sigma=1.0)] * 3, [0] * 3, device)
        deviations = [leading_candidates(ordered, sigma, 256).deviation for ordered in (logits, logits[:, order])]
        assert torch.equal(*deviations)
        torch.testing.assert_close(deviations[0], logits.double().std(-1, correction=0))


@pytest.mark.parametrize("column", ["temperature", "values", "mirostat_mu", "seeds", "prompt_keys", "greedy", "cuts"])
def test_rows_are_selected_by_column(column: str, device: torch.device) -> None:
    params = [*SINGLE_CUTS, GenerationParams(), GenerationParams(temperature=0.5, generation_seed=2**32 - 1)]
    rows = SamplingRows.build(params, list(range(len(params))), device)
    index = [len(params) - 1, 0, 3]
    expected = getattr(SamplingRows.build([params[i] for i in index], index, device), column)
    assert torch.equal(getattr(rows.select(index), column), expected)
    assert torch.equal(getattr(rows.select(torch.tensor(index, device=device)), column), expected)


def test_greedy_rows_have_no_cut() -> None:
    rows = SamplingRows.build([GenerationParams(do_sample=False, top_p=0.5, temperature=0.7)], [0])
    assert rows.greedy.all()
    assert not rows.cuts.any()
    assert rows.temperature == 1.0


def test_every_row_needs_a_prompt_key() -> None:
    with pytest.raises(ValueError, match="got 1 keys for 2 rows"):
        SamplingRows.build([GenerationParams(), GenerationParams()], [0])
