"""Choose tokens from logits: penalties, cuts and seeded noise, with separate parameters for every row.

A row's token depends only on its logits, parameters, prompt, earlier tokens and step. Probabilities are added up as
integers, so that sums do not depend on the order of their terms: neither the other rows nor the size of the batch can
change a single bit.
"""

from llmsearch_optuna.engine.sampling.noise import gumbel_noise, prompt_key
from llmsearch_optuna.engine.sampling.parameter_table import SlotContents
from llmsearch_optuna.engine.sampling.penalties import penalise, penalise_summary
from llmsearch_optuna.engine.sampling.rows import SamplingRows
from llmsearch_optuna.engine.sampling.sampler import (
    DeviceDraw,
    check_logits,
    draw,
    draw_completely,
    filtered_logits,
    leave_tokens,
    mirostat_eta,
    mirostat_mu,
)
from llmsearch_optuna.engine.sampling.summary import (
    SUMMARY_WIDTH,
    LogitSummary,
    SummaryParts,
    sample_summary,
    summarise,
    summary_of,
    summary_parts,
)
from llmsearch_optuna.engine.sampling.tables import SlotTables

__all__ = [
    "SUMMARY_WIDTH",
    "DeviceDraw",
    "LogitSummary",
    "SamplingRows",
    "SlotContents",
    "SlotTables",
    "SummaryParts",
    "check_logits",
    "draw",
    "draw_completely",
    "filtered_logits",
    "gumbel_noise",
    "leave_tokens",
    "mirostat_eta",
    "mirostat_mu",
    "penalise",
    "penalise_summary",
    "prompt_key",
    "sample_summary",
    "summarise",
    "summary_of",
    "summary_parts",
]
