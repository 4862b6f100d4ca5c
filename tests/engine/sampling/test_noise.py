import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from llmsearch_optuna.engine.sampling import gumbel_noise, prompt_key

WORDS = st.integers(0, 2**32 - 1)


def noise(seed: int, key: int, step: int, token_ids: Tensor) -> Tensor:
    columns = [torch.tensor([value], device=token_ids.device) for value in (seed, key, step)]
    return gumbel_noise(columns[0], columns[1], columns[2], token_ids)[0]


def uniforms(gumbel: Tensor) -> Tensor:
    return torch.exp(-torch.exp(-gumbel))


def hashes(gumbel: Tensor) -> Tensor:
    return (uniforms(gumbel) * 2.0**32 - 0.5).round().to(torch.int64)


def reference_hash(seed: int, key: int, step: int, token_id: int) -> int:
    def mixed(word: int) -> int:
        word ^= word >> 16
        word = word * 0x7FEB352D % 2**32
        word ^= word >> 15
        word = word * 0x846CA68B % 2**32
        return word ^ word >> 16

    return mixed(mixed(mixed(mixed(seed ^ 0x9E3779B9) ^ key) ^ step) ^ mixed(token_id))


def test_the_noise_never_changes(device: torch.device) -> None:
    # Stored completions are replayed with this noise: a change here breaks every study that was ever made.
    drawn = noise(42, 2534417627, 7, torch.tensor([0, 1, 2, 49151, 255999], device=device))
    assert hashes(drawn).tolist() == [2006999709, 4203496246, 958251333, 3394393300, 3719539389]
    assert drawn.tolist() == pytest.approx(
        [0.27338080364071915, 3.8384323448073108, -0.40552452240644005, 1.4468136645034768, 1.939025202130108],
        rel=1e-14,
    )


@pytest.mark.parametrize(
    ("token_ids", "key"), [([], 634351890), ([0], 3594686616), ([1, 2, 3], 2534417627), ([3, 2, 1], 1397375459)]
)
def test_prompt_keys_never_change(token_ids: list[int], key: int) -> None:
    assert prompt_key(token_ids) == key


@given(st.lists(st.integers(0, 300_000), max_size=20), st.lists(st.integers(0, 300_000), max_size=20))
def test_prompt_keys_tell_prompts_apart(prompt: list[int], other: list[int]) -> None:
    assert 0 <= prompt_key(prompt) < 2**32
    assert (prompt_key(prompt) == prompt_key(other)) == (prompt == other)


@given(WORDS, WORDS, WORDS, st.lists(WORDS, min_size=1, max_size=5))
def test_noise_is_the_documented_hash(seed: int, key: int, step: int, token_ids: list[int]) -> None:
    drawn = noise(seed, key, step, torch.tensor(token_ids))
    expected = [-math.log(-math.log((reference_hash(seed, key, step, t) + 0.5) / 2**32)) for t in token_ids]
    assert drawn.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert drawn.isfinite().all()


def test_a_row_does_not_depend_on_the_batch(device: torch.device) -> None:
    rows, vocab = 7, 1003
    seeds, keys, steps = torch.randint(0, 2**32, (3, rows), generator=torch.Generator().manual_seed(0)).to(device)
    token_ids = torch.arange(vocab, device=device)
    batch = gumbel_noise(seeds, keys, steps, token_ids)
    assert batch.shape == (rows, vocab)
    assert batch.dtype == torch.float64
    for row in range(rows):
        part = slice(row, row + 1)
        assert torch.equal(gumbel_noise(seeds[part], keys[part], steps[part], token_ids)[0], batch[row])
        few = token_ids[row::97].flip(0)
        assert torch.equal(gumbel_noise(seeds[part], keys[part], steps[part], few[None])[0], batch[row, few])


def test_noise_has_no_global_state() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = noise(1, 2, 3, torch.arange(10))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(noise(1, 2, 3, torch.arange(10)), first)


@pytest.mark.parametrize("varied", ["seed", "key", "step", "token"])
def test_noise_is_uniform_and_independent_along_every_argument(varied: str) -> None:
    count = 50_000
    counter, fixed = torch.arange(count), torch.full((count,), 5)
    if varied == "token":
        drawn = noise(5, 5, 5, counter)
    else:
        columns = [counter if name == varied else fixed for name in ("seed", "key", "step")]
        drawn = gumbel_noise(columns[0], columns[1], columns[2], torch.tensor([11]))[:, 0]
    uniform = uniforms(drawn)
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-3
    assert stats.chisquare(torch.histc(uniform, 1000, 0.0, 1.0).numpy()).pvalue > 1e-3
    for lag in (1, 2, 3, 256):
        assert stats.pearsonr(uniform[:-lag].numpy(), uniform[lag:].numpy()).pvalue > 1e-3


@pytest.mark.parametrize("changed", ["seed", "key", "step"])
def test_vocabularies_of_neighbouring_rows_are_independent(changed: str) -> None:
    vocab = torch.arange(49_152)
    arguments = {"seed": 3, "key": 2534417627, "step": 20}
    first = noise(**arguments, token_ids=vocab)
    arguments[changed] += 1
    other = noise(**arguments, token_ids=vocab)
    difference = torch.remainder(uniforms(first) - uniforms(other), 1.0)
    assert stats.kstest(difference.numpy(), "uniform").pvalue > 1e-3
    assert stats.pearsonr(uniforms(first).numpy(), uniforms(other).numpy()).pvalue > 1e-3
    # Nor is one the other in another order.
    assert len(set(hashes(first).tolist()) & set(hashes(other).tolist())) < 10


@pytest.mark.parametrize("argument", range(4))
def test_every_input_bit_flips_half_of_the_output_bits(argument: int) -> None:
    trials = 1024
    generator = torch.Generator().manual_seed(argument)
    inputs = torch.randint(0, 2**32, (4, trials), generator=generator)
    before = hashes(gumbel_noise(inputs[0], inputs[1], inputs[2], inputs[3][:, None])[:, 0])
    for bit in range(32):
        flipped = inputs.clone()
        flipped[argument] ^= 1 << bit
        changed = before ^ hashes(gumbel_noise(flipped[0], flipped[1], flipped[2], flipped[3][:, None])[:, 0])
        share = torch.stack([(changed >> out & 1).double().mean() for out in range(32)])
        # Six standard deviations of a fair coin.
        assert (share - 0.5).abs().max() < 6 * 0.5 / math.sqrt(trials)
