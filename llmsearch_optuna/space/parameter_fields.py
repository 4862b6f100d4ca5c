"""The declarations of the generation parameters: one field holds the type, rule, meaning and place of each."""

import functools
from dataclasses import dataclass

from llmsearch_optuna.space import rules
from llmsearch_optuna.space.parameter import parameter

__all__ = ["ParameterFields"]

_cut = functools.partial(parameter, stage="cut")
_exclusion = functools.partial(parameter, stage="exclusion")
_penalty = functools.partial(parameter, stage="penalty")
_beams = functools.partial(parameter, stage="beams")


@dataclass(frozen=True, kw_only=True, repr=False)
class ParameterFields:
    """The fields of `GenerationParams`, which checks and uses them.

    To add a parameter, add a field. Cuts are applied in the order of the fields. A new cut also needs its formula in
    `llmsearch_optuna.engine.sampling.warpers`.
    """

    do_sample: bool | None = parameter(
        rules.TRUE_OR_FALSE,
        "False is greedy decoding. If unset, setting `temperature`, a cut or XTC turns sampling on.",
    )
    temperature: float | None = parameter(
        rules.NOT_NEGATIVE, "Divides the logits; 0 is greedy.", off=1.0, stage="temperature"
    )
    top_n_sigma: float | None = _cut(
        rules.POSITIVE,
        "Keeps the tokens whose logit is at most this many standard deviations of all logits below the maximum, at any "
        "temperature. Banned tokens do not count (Tang et al. 2024, as in llama.cpp).",
        in_transformers=False,
    )
    top_h: float | None = _cut(
        rules.UNIT_OPEN_LOW,
        "Keeps, of the 100 most probable tokens, the first ones that together make up at most this share of their "
        "entropy (Potraghloo et al. 2025); 1 keeps all 100.",
    )
    p_less: bool | None = _cut(
        rules.TRUE_OR_FALSE,
        "p-less: keeps the tokens whose probability is at least the sum of the squares of all probabilities (Tan et "
        "al. 2026).",
        off=False,
        in_transformers=False,
    )
    top_k: int | None = _cut(
        rules.NOT_NEGATIVE,
        "Keeps the k most probable tokens and those tied with the last of them; 0 is off, and 1 is greedy.",
        off=0,
    )
    top_p: float | None = _cut(
        rules.UNIT_OPEN_LOW,
        "Keeps the smallest set of most probable tokens with at least this mass (Holtzman et al. 2020).",
        off=1.0,
    )
    min_p: float | None = _cut(
        rules.UNIT,
        "Keeps the tokens with at least this fraction of the maximum probability (Nguyen et al. 2024).",
        off=0.0,
    )
    typical_p: float | None = _cut(
        rules.UNIT_OPEN_LOW,
        "Keeps the tokens whose surprisal is nearest to the entropy, up to this mass (Meister et al. 2023).",
        off=1.0,
    )
    epsilon_cutoff: float | None = _cut(
        rules.UNIT_OPEN_HIGH, "Keeps the tokens with at least this probability (Hewitt et al. 2022).", off=0.0
    )
    eta_cutoff: float | None = _cut(
        rules.UNIT_OPEN_HIGH,
        "As epsilon_cutoff, with a threshold that falls with the entropy (Hewitt et al. 2022).",
        off=0.0,
    )
    tfs: float | None = _cut(
        rules.UNIT,
        "Tail-free sampling: keeps the head of the sorted probabilities that holds this share of the absolute second "
        "differences (Bricken 2019); 1 is off.",
        off=1.0,
        in_transformers=False,
    )
    top_a: float | None = _cut(
        rules.UNIT,
        "Keeps the tokens with a probability of at least ``top_a * p_max ** 2`` (RWKV-LM); 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    mirostat_tau: float | None = _cut(
        rules.POSITIVE,
        "Mirostat 2.0 (Basu et al. 2021), as in llama.cpp: keeps the tokens with a surprise of at most mu bits. After "
        "each step mu moves so that the surprise of the drawn tokens, among those kept, tends to this target. Each "
        "completion has its own mu, which starts at twice the target.",
        in_transformers=False,
    )
    mirostat_eta: float | None = parameter(
        rules.NOT_NEGATIVE,
        "The learning rate of mirostat: mu falls by this times the excess of each surprise over the target; 0.1 if "
        "unset. Without mirostat_tau it has no effect.",
        off=rules.MIROSTAT_ETA,
        requires="mirostat_tau",
        in_transformers=False,
    )
    xtc_probability: float | None = _exclusion(
        rules.UNIT,
        "XTC, exclude top choices (Weidmann 2024, as in llama.cpp): the probability of keeping, in a step, only the "
        "least probable of the tokens that have at least the probability xtc_threshold after the cuts; 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    xtc_threshold: float | None = parameter(
        rules.UP_TO_HALF,
        "The probability from which on XTC removes tokens; 0.1 if unset. Without xtc_probability it has no effect.",
        off=rules.XTC_THRESHOLD,
        requires="xtc_probability",
        in_transformers=False,
    )
    repetition_penalty: float | None = _penalty(
        rules.POSITIVE,
        "Divides positive and multiplies negative logits of every token that the prompt or the completion already "
        "contains (Keskar et al. 2019); 1 is off.",
        off=1.0,
    )
    encoder_repetition_penalty: float | None = _penalty(
        rules.POSITIVE, "Favours (> 1) tokens of the prompt; 1 is off.", off=1.0
    )
    presence_penalty: float | None = _penalty(
        rules.UP_TO_TWO,
        "Is subtracted from the logit of every token that the completion already contains, after the factors above "
        "(OpenAI's definition; tokens of the prompt do not count); 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    frequency_penalty: float | None = _penalty(
        rules.UP_TO_TWO,
        "Is subtracted from the logit of a token once for each time that the completion already contains it (OpenAI's "
        "definition); 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    dry_multiplier: float | None = _penalty(
        rules.NOT_NEGATIVE,
        "DRY (Weidmann 2024, as in llama.cpp): subtracts this times ``dry_base ** (length - dry_allowed_length)`` from "
        "the logit of a token that would prolong a repetition of this length, at most 64; 0 is off.",
        off=0.0,
        in_transformers=False,
    )
    dry_base: float | None = parameter(
        rules.AT_LEAST_ONE,
        "The base of DRY; 1.75 if unset. Without dry_multiplier it has no effect.",
        off=rules.DRY_BASE,
        requires="dry_multiplier",
        in_transformers=False,
    )
    dry_allowed_length: int | None = parameter(
        rules.AT_LEAST_ONE,
        "The length from which on DRY penalises repetitions; 2 if unset. Without dry_multiplier it has no effect.",
        off=rules.DRY_ALLOWED_LENGTH,
        requires="dry_multiplier",
        in_transformers=False,
    )
    dry_sequence_breakers: tuple[str, ...] | None = parameter(
        rules.BREAKERS,
        "The strings that end repetitions for DRY, as in llama.cpp; a line end, colon, quotation mark and asterisk if "
        "unset, none if empty. Fixed in a search. Their order has no effect.",
        off=rules.DRY_SEQUENCE_BREAKERS,
        requires="dry_multiplier",
        in_transformers=False,
    )
    no_repeat_ngram_size: int | None = _penalty(
        rules.NOT_NEGATIVE, "Bans tokens that would repeat an n-gram of prompt and completion; 0 is off.", off=0
    )
    generation_seed: int = parameter(
        rules.SEED,
        "The seed of the noise, an unsigned 32-bit integer. Greedy completions do not depend on it.",
        default=0,
        stage="noise",
        in_transformers=False,
    )
    samples_per_prompt: int | None = parameter(
        rules.AT_LEAST_ONE,
        "The number of completions of each sample, whose scores the metric's `reducer` makes one score. Greedy "
        "decoding has one.",
        off=1,
        stage="noise",
        in_transformers=False,
    )
    max_new_tokens: int = parameter(rules.AT_LEAST_ONE, "The length limit of the completion in tokens.", default=128)
    num_beams: int | None = _beams(
        rules.AT_LEAST_ONE,
        "Beam search with this number of beams, as in ``transformers``: returns the completion with the highest sum of "
        "log-probabilities over ``length ** length_penalty``; 1 is off. With sampling, beams continue with tokens that "
        "are drawn without replacement. Beams run in ``model.generate``, one prompt at a time.",
        off=1,
    )
    length_penalty: float | None = _beams(
        rules.LENGTH_PENALTY,
        "Favours long (> 0) or short (< 0) completions among beams; 1 if unset.",
        off=1.0,
        requires="num_beams",
    )
    early_stopping: bool | None = _beams(
        rules.TRUE_OR_FALSE,
        "Whether beam search ends as soon as there are as many finished completions as beams. If false or unset, it "
        "ends when no better one is likely.",
        off=False,
        requires="num_beams",
    )
