"""The names of all attributes that the package keeps on Optuna's studies and trials."""

__all__ = [
    "BASELINE",
    "CONCURRENCY",
    "ENDED",
    "ENVIRONMENT",
    "ERROR",
    "FINGERPRINT",
    "FIXED_PARAMS",
    "KEY",
    "PARAMS",
    "PRUNED_AT",
    "REPLAYED",
    "REUSED_FROM",
    "REUSED_TOKENS",
    "ROUND",
    "SAMPLER_STATE",
    "SCORES",
    "STUDY_FILE",
    "TIMINGS",
    "TOKENS_PER_S",
    "VERDICT",
]


PARAMS = "generation_params"
"""User attribute of every trial: all its parameters, fixed ones included, as JSON."""

FIXED_PARAMS = "fixed_generation_params"
"""User attribute of a trial whose parameters are given and not sampled: baselines, and presets outside the space."""

BASELINE = "baseline"
"""User attribute of a baseline trial: its name. Baselines are never pruned."""

ERROR = "error"
"""User attribute of a failed trial: why."""

ROUND = "round"
"""User attribute of a trial: the round of the search in which it began; in a study that several workers share, the
number of trials that had finished by then."""

ENDED = "ended"
"""User attribute of a finished trial that several workers share: the number of trials that had finished, and itself."""

PRUNED_AT = "pruned_at"
"""User attribute of a pruned trial: the number of samples that it was scored on."""

REPLAYED = "replayed"
"""User attribute of a trial: the share of its tokens that needed no forward pass, of those generated since it was last
taken up."""

TOKENS_PER_S = "tokens_per_s"
"""User attribute of a trial: its own tokens per second in flight, beside the others, since it was last taken up."""

TIMINGS = (REPLAYED, TOKENS_PER_S)
"""User attributes of a trial that depend on the clock, or on what a process remembers: all others are the same whether
a search was interrupted or not."""

REUSED_FROM = "reused_from"
"""User attribute of a trial whose parameters cannot differ in effect from those of an evaluated one: its number. Its
completions and scores are taken over as far as they go."""

REUSED_TOKENS = "reused_tokens"
"""User attribute of such a trial when it is finished: the tokens that were not generated again."""

KEY = "llmsearch_key"
"""User attribute of a study: the random key under which its completions are stored."""

FINGERPRINT = "llmsearch_fingerprint"
"""User attribute of a study: what its scores depend on, by name."""

CONCURRENCY = "llmsearch_concurrency"

STUDY_FILE = "llmsearch_study_file"
"""User attribute of a study: the study file that it was last searched with."""

VERDICT = "llmsearch_verdict"
"""User attribute of a study: its verdict."""

ENVIRONMENT = "llmsearch_environment"
"""User attribute of a study: the versions and the hardware that it was begun with, by name."""

SCORES = "llmsearch_scores"
"""User attribute of a trial: its scores, sample by sample."""

SAMPLER_STATE = "sampler_state"
"""User attribute of a trial: what its sampler noted on it, and must find there again."""
