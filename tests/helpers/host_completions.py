"""Completions that are drawn on the host, token by token, as the oracle of draws on a device and in vLLM."""

import dataclasses

import numpy as np
import torch
from cuts import cut_choices
from hypothesis import strategies as st
from torch import Tensor

from llmsearch_optuna.engine.sampling import SamplingRows, SlotContents, draw, penalise, prompt_key
from llmsearch_optuna.engine.sampling.breakers import NO_BREAKERS, Breakers
from llmsearch_optuna.engine.vllm.breakers import ModelBreakers
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import MIROSTAT_ETA

PARAMS = st.one_of(
    st.builds(GenerationParams),
    st.builds(
        GenerationParams,
        temperature=st.sampled_from([0.3, 1.0, 1.7]),
        generation_seed=st.integers(0, 2**32 - 1),
        **cut_choices(
            top_k=[None, 3, 20],
            top_p=[None, 0.5, 0.9],
            min_p=[None, 0.1],
            tfs=[None, 0.9],
            mirostat_tau=[None, 1.0, 4.0],
        ),
        mirostat_eta=st.sampled_from([None, 2.0]),
        repetition_penalty=st.sampled_from([None, 0.8, 1.3]),
        encoder_repetition_penalty=st.sampled_from([None, 1.2]),
        presence_penalty=st.sampled_from([None, -0.5, 1.5]),
        frequency_penalty=st.sampled_from([None, -0.3, 0.7]),
        no_repeat_ngram_size=st.sampled_from([None, 1, 2, 3]),
    ),
    st.builds(
        GenerationParams,
        temperature=st.sampled_from([None, 0.5, 1.7]),
        generation_seed=st.integers(0, 2**32 - 1),
        min_p=st.sampled_from([None, 0.02]),
        top_p=st.sampled_from([None, 0.9]),
        xtc_probability=st.sampled_from([0.5, 1.0]),
        xtc_threshold=st.sampled_from([None, 0.03]),
        repetition_penalty=st.sampled_from([None, 1.3]),
        presence_penalty=st.sampled_from([None, -0.5]),
    ),
    st.builds(
        GenerationParams,
        temperature=st.sampled_from([0.0, 0.5, 1.7]),
        generation_seed=st.integers(0, 2**32 - 1),
        dry_multiplier=st.sampled_from([0.8, 5.0]),
        dry_base=st.sampled_from([None, 1.1]),
        dry_allowed_length=st.sampled_from([None, 1, 3]),
        dry_sequence_breakers=st.sampled_from([None, ("ab", "abc"), ()]),
        presence_penalty=st.sampled_from([None, -0.5]),
        no_repeat_ngram_size=st.sampled_from([None, 3]),
    ),
)

_SINGLE = np.isin(np.arange(50), [3, 7])
_HEADS = np.arange(50) % 3 == 1

BREAKERS: dict[tuple[str, ...] | None, Breakers] = {
    None: Breakers(heads=_SINGLE[:, None], tails=((),)),
    ("ab", "abc"): Breakers(heads=np.stack([_SINGLE, _HEADS, _HEADS], axis=1), tails=((), (2,), (2, 5))),
    (): NO_BREAKERS,
}
"""The breakers for each value of `dry_sequence_breakers`. There is no tokenizer."""


class GivenBreakers(ModelBreakers):
    """Gives those of `BREAKERS` to vLLM's processors."""

    def __init__(self) -> None:
        super().__init__(None)

    def of(self, params: GenerationParams) -> Breakers:
        return BREAKERS[params.dry_sequence_breakers] if params.dry_multiplier else NO_BREAKERS


@dataclasses.dataclass
class HostCompletion:
    """A completion as the host keeps it."""

    params: GenerationParams
    prompt: list[int]
    generated: list[int] = dataclasses.field(default_factory=list)
    mu: float = 0.0

    def __post_init__(self) -> None:
        self.mu = 2.0 * (self.params.mirostat_tau or 0.0)

    @property
    def key(self) -> int:
        return prompt_key(self.prompt)

    def contents(self) -> SlotContents:
        context = [*self.prompt, *self.generated]
        breakers = GivenBreakers().of(self.params)
        return SlotContents(self.params, self.key, self.prompt, context, len(self.generated), self.mu, breakers)

    def draw(self, logits: Tensor) -> int:
        """Append the next token, drawn on the host."""
        rows = SamplingRows.build([self.params], [self.key])
        rows = dataclasses.replace(rows, mirostat_mu=torch.tensor([self.mu], dtype=torch.float64))
        step, context = len(self.generated), [*self.prompt, *self.generated]
        breakers = [GivenBreakers().of(self.params)]
        penalised = penalise(logits[None], [self.params], [self.prompt], [context], [step], breakers=breakers)
        drawn = draw(penalised, rows, torch.tensor([step]))
        if self.params.mirostat_tau is not None:
            eta = MIROSTAT_ETA if self.params.mirostat_eta is None else self.params.mirostat_eta
            self.mu -= eta * (float(drawn.surprises[0]) - self.params.mirostat_tau)
        self.generated.append(int(drawn.tokens[0]))
        return self.generated[-1]
