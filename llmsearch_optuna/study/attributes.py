"""The names of the user attributes that the package stores on Optuna's studies and trials."""

__all__ = [
    "BASELINE",
    "CONCURRENCY",
    "CONSTRAINTS",
    "ENDED",
    "ENVIRONMENT",
    "ERROR",
    "FINGERPRINT",
    "FINISH_REASONS",
    "FIXED_PARAMS",
    "JUDGE",
    "KEY",
    "METRIC",
    "MODEL_DEFAULT",
    "PARAMS",
    "PRICE",
    "PRUNED_AT",
    "QUEUED_PARAMS",
    "RENDERED_AT",
    "REPEATS",
    "REPLAYED",
    "RESTED",
    "RESTING",
    "REUSED_FROM",
    "REUSED_PROMPT_TOKENS",
    "REUSED_THINKING_TOKENS",
    "REUSED_TOKENS",
    "ROUND",
    "SAMPLER_STATE",
    "SCORER_FAULT",
    "SCORES",
    "STOPPED",
    "STUDY_FILE",
    "THINKING_TOKENS",
    "TIED_VOTES",
    "TOKENS_PER_S",
    "TRACK",
    "TRIAL_TOKENS",
    "VERDICT",
]

# User attributes of a study.

KEY = "llmsearch_key"
"""The random key under which the study's completions are stored."""

FINGERPRINT = "llmsearch_fingerprint"
"""Everything that the study's scores depend on; see `study.fingerprint`."""

ENVIRONMENT = "llmsearch_environment"
"""The versions and the hardware that the study was begun with, by name."""

CONCURRENCY = "llmsearch_concurrency"
"""The number of trials in flight; not stored if several workers may share the study."""

STOPPED = "llmsearch_stopped"
"""Why the latest search ended before its number of trials, or left trials unfinished, in one sentence. Else None."""

STUDY_FILE = "llmsearch_study_file"
"""The study file of the latest search: its ``text``, and its ``directory`` as an absolute path."""

RENDERED_AT = "llmsearch_rendered_at"
"""The time that the chat template wrote when the study was created; only stored if the template writes the time."""

VERDICT = "llmsearch_verdict"
"""The verdict on the study; see `Verdict.to_dict`."""

PRICE = "llmsearch_price"
"""The price of tokens in the latest search; see `Price.to_dict`. None, or not stored, if it had none."""

JUDGE = "llmsearch_judge"
"""The name and the price of the judge in the latest search. None, or not stored, if the metric has none."""

TRACK = "llmsearch_track"
"""Where the latest search showed its runs, as the fields of `TrackOptions`. None, or not stored, if nowhere."""

# User attributes of a trial.

PARAMS = "generation_params"
"""All generation parameters of the trial, including fixed ones, as JSON."""

FIXED_PARAMS = "fixed_generation_params"
"""The parameters of a trial that were not sampled: those of a baseline, or of a preset outside the space. As JSON."""

QUEUED_PARAMS = "queued_params"
"""The parameters of a trial that was queued before the sampler's proposals, so that it is queued once. As JSON."""

BASELINE = "baseline"
"""The name of a baseline. Baselines are never pruned."""

MODEL_DEFAULT = "model default"
"""The name of the baseline with the model's own parameters, and of that with temperature 1 if the model does not decode
greedily. A study may have both."""

ERROR = "error"
"""The reason why a trial failed."""

SCORER_FAULT = "scorer_fault"
"""Whether a trial failed by a fault of the scorer, so that the next search repeats it."""

REPEATS = "repeats"
"""The number of the failed trial that this trial repeats."""

ROUND = "round"
"""The number of rounds that the search had passed when the trial began. With several workers, the number of trials that
had finished by then."""

ENDED = "ended"
"""With several workers: the number of finished trials when this one ended, including itself."""

RESTING = "resting"
"""Whether a running trial rests: no process evaluates it until a race takes it up again."""

RESTED = "rested"
"""The number of rounds in which the trial rested. Not stored if several workers may share the study."""

PRUNED_AT = "pruned_at"
"""The number of samples that a pruned trial was scored on."""

TRIAL_TOKENS = "tokens"
"""The number of generated tokens in all completions of an evaluated or resting trial."""

THINKING_TOKENS = "thinking_tokens"
"""The number of these tokens up to the ends of thoughts; only stored if there are any."""

TIED_VOTES = "tied_votes"
"""The number of samples of an evaluated trial whose vote is tied; only stored if there are any."""

METRIC = "metric."
"""The beginning of the names of attributes that hold the mean score of an evaluated trial under a further metric."""

FINISH_REASONS = "finish_reasons"
"""The number of completions of an evaluated trial, by finish reason."""

REPLAYED = "replayed"
"""The share of the tokens generated since the trial was last begun or resumed that needed no forward pass."""

TOKENS_PER_S = "tokens_per_s"
"""The trial's generated tokens per second, since it was last begun or resumed. Other trials may have run meanwhile."""

REUSED_FROM = "reused_from"
"""The number of an evaluated trial whose parameters have the same effect. Its completions and scores are reused."""

REUSED_TOKENS = "reused_tokens"
"""The number of tokens that were reused instead of generated so far. It is stored before the completions are."""

REUSED_THINKING_TOKENS = "reused_thinking_tokens"
"""The number of these tokens up to the ends of thoughts; only stored if there are any."""

REUSED_PROMPT_TOKENS = "reused_prompt_tokens"
"""The number of tokens in the prompts of reused completions."""

SCORES = "llmsearch_scores"
"""The scores of a trial so far, one per sample; see `report_scores`."""

SAMPLER_STATE = "sampler_state"
"""The attributes that the sampler set on the trial and needs when the study is resumed."""

# System attributes of a trial, which Optuna defines.

CONSTRAINTS = "constraints"
"""The amounts by which a trial violates its constraints, over its samples so far; at most 0 if it keeps them."""
