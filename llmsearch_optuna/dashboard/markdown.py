"""What optuna-dashboard shows of a trial and of a study in words: Markdown in which texts of others stay texts."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.statistics import difference_intervals
from llmsearch_optuna.storage import StoredCompletion, StoredSample
from llmsearch_optuna.study.attributes import BASELINE, ERROR, PARAMS
from llmsearch_optuna.study.ranking import score_of, tokens_of
from llmsearch_optuna.study.trials import describe_params, trial_params
from llmsearch_optuna.terminal import excerpt, printable
from llmsearch_optuna.verdict.finalists import Finalist
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["SIGNATURE", "completion_lines", "score_interval", "study_note", "trial_note"]

SIGNATURE = "*Written by llmsearch_optuna. Delete this line to keep words of your own.*"
"""The last line of every note: what lacks it is somebody else's, or was cut off."""

# A note is read at a glance; all there is lies in the artifact.
_LONGEST_COMPLETION = 700
_LONGEST_REFERENCE = 300
_LONGEST_PROMPT = 300
_MOST_LINES = 15
_WIDTH = 100

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_BACKTICKS = re.compile(r"`+")


def trial_note(
    trial: FrozenTrial,
    completions: Sequence[StoredCompletion],
    samples: Mapping[int, StoredSample],
    *,
    greater_is_better: bool,
) -> str:
    """A finished trial: score, parameters, tokens, and five completions beside their references.

    Args:
        trial: The trial.
        completions: Its completions, by position.
        samples: The study's samples by position.
        greater_is_better: Whether the metric is maximised.
    """
    lines = [f"## Trial {trial.number}{_baseline(trial)}: {_outcome(trial, completions)}", ""]
    lines += _table(("", ""), _facts(trial, completions))
    for rank, completion in _chosen(completions, 1.0 if greater_is_better else -1.0):
        sample = samples[completion.position]
        score = "no score of its own" if completion.score is None else f"score {completion.score:.4g}"
        lines += [
            "",
            f"### {rank}: {score}",
            "",
            f"row {completion.row}, {completion.token_count} tokens, ended by {completion.finish_reason}",
            "",
            *_block(completion.text, _LONGEST_COMPLETION),
            "",
            "reference",
            "",
            *_block(sample.reference_text, _LONGEST_REFERENCE),
        ]
    return "\n".join([*lines, "", SIGNATURE])


def study_note(finalists: Sequence[Finalist], verdict: Verdict | None) -> str:
    """The verdict, or that there is none yet, and the best (with several objectives, the front) beside the baselines.

    Args:
        finalists: The baselines and the best on the search split.
        verdict: The verdict on them, if there is one.
    """
    told = "no verdict yet: `llmsearch-optuna confirm` makes it"
    if verdict is not None:
        told = _inline(verdict.sentence)
    lines = [f"## {told}", ""]
    if verdict is not None:
        for sentence in verdict.front_sentences:
            lines += [_inline(sentence), ""]
        if verdict.seed_sentence is not None:
            lines += [_inline(verdict.seed_sentence), ""]
        gains = {one.name: str(one) for one in verdict.comparisons} | {str(verdict.reference): "reference"}
        lines += [f"Scores on {verdict.samples} held-out samples ({_inline(verdict.metric)}):", ""]
        savings = {one.name: str(one) for one in verdict.savings}
        lines += _table(
            (
                *("", "score", "trial", "gain [95 % interval]"),
                *(("tokens", "saved [95 % interval]") if verdict.counts_tokens else ()),
            ),
            [
                (
                    *(_inline(one.name), f"{one.score:.4f}", str(one.trial), _inline(gains.get(one.name, ""))),
                    *(() if one.tokens is None else (f"{one.tokens:.1f}", _inline(savings.get(one.name, "")))),
                )
                for one in verdict.finalists
            ],
        )
        lines.append("")
    lines += ["Scores on the search split:", ""]
    counts_tokens = any(tokens_of(one.trial) is not None for one in finalists)
    lines += _table(
        ("", "score", *(["tokens"] if counts_tokens else []), "trial", "parameters"),
        [
            (
                *(_inline(name), f"{score_of(trial):.4f}", *([f"{tokens_of(trial):.1f}"] if counts_tokens else [])),
                *(str(trial.number), _inline(describe_params(params))),
            )
            for name, trial, params in finalists
        ],
    )
    return "\n".join([*lines, "", SIGNATURE])


def completion_lines(completions: Sequence[StoredCompletion], samples: Mapping[int, StoredSample]) -> str:
    """All completions of a trial as JSON Lines in ASCII, by position; prompts are shortened."""
    return "".join(
        json.dumps(
            {
                "row": completion.row,
                "score": completion.score,
                "completion": completion.text,
                "reference": samples[completion.position].reference_text,
                "prompt": excerpt(samples[completion.position].prompt, _LONGEST_PROMPT),
                "finish_reason": completion.finish_reason,
                "tokens": completion.token_count,
            }
        )
        + "\n"
        for completion in completions
    )


def score_interval(scores: Sequence[float]) -> tuple[float, float] | None:
    """A 95 % interval of the mean over samples like these; ``None`` for fewer than two.

    Args:
        scores: The samples' own scores.
    """
    if len(scores) < 2:
        return None
    found = difference_intervals(np.array(scores, dtype=np.float64)[:, None])
    return float(found.low), float(found.high)


def _outcome(trial: FrozenTrial, completions: Sequence[StoredCompletion]) -> str:
    if trial.state == TrialState.FAIL:
        return "failed"
    scores = [one.score for one in completions if one.score is not None]
    interval = score_interval(scores) if len(scores) == len(completions) else None
    score = score_of(trial)
    text = "no score" if score is None else f"{score:.4f}"
    if interval is not None:
        text += f" \\[{interval[0]:.3f}, {interval[1]:.3f}\\]"
    return text if trial.state == TrialState.COMPLETE else f"{text}, pruned"


def _baseline(trial: FrozenTrial) -> str:
    return f" ({_inline(str(trial.user_attrs[BASELINE]))})" if BASELINE in trial.user_attrs else ""


def _facts(trial: FrozenTrial, completions: Sequence[StoredCompletion]) -> Iterator[tuple[str, str]]:
    if ERROR in trial.user_attrs:
        yield "error", _inline(excerpt(str(trial.user_attrs[ERROR]), _LONGEST_COMPLETION))
    if PARAMS in trial.user_attrs:
        yield "parameters", _inline(describe_params(trial_params(trial)))
    yield "samples", str(len(completions))
    if completions:
        counts = [one.token_count for one in completions]
        yield "tokens", f"{sum(counts):,} ({sum(counts) / len(counts):.1f} per completion)"
        reasons = [one.finish_reason for one in completions]
        yield "ended by", ", ".join(f"{reason} {reasons.count(reason)}" for reason in sorted(set(reasons)))


def _chosen(completions: Sequence[StoredCompletion], sign: float) -> list[tuple[str, StoredCompletion]]:
    """Five at most, from the worst to the best; where they have no scores, from the first to the last."""
    if any(one.score is None for one in completions):
        ranked, names = list(completions), ("First", "Second quarter", "Middle", "Last quarter", "Last")
    else:
        ranked = sorted(completions, key=lambda one: (sign * (one.score or 0.0), one.position))
        names = ("Worst", "Lower quartile", "Median", "Upper quartile", "Best")
    last = len(ranked) - 1
    # Of few completions, some are two of these at once: the worst counts first, then the best, then the median.
    places = {round(last * quarter / 4): names[quarter] for quarter in (1, 3, 2, 4, 0)}
    return [(places[place], ranked[place]) for place in sorted(places)] if ranked else []


def _inline(text: str) -> str:
    """A text on one line in which nothing is Markdown: every mark of punctuation is escaped."""
    return _PUNCTUATION.sub(r"\\\g<0>", printable(text))


def _block(text: str, most: int) -> list[str]:
    """A text between fences that are longer than any run of backticks in it."""
    lines = excerpt(printable(text, newlines=True), most).split("\n")
    shown = [part for line in lines for part in _wrapped(line)]
    if len(shown) > _MOST_LINES:
        shown = [*shown[:_MOST_LINES], f"... ({len(shown) - _MOST_LINES} more lines)"]
    longest = max((len(run) for line in shown for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *shown, fence]


def _wrapped(line: str) -> list[str]:
    """A line broken where there is a space, as the dashboard does not break it; nothing of it is lost."""
    parts = textwrap.wrap(
        line, _WIDTH, expand_tabs=False, replace_whitespace=False, drop_whitespace=False, break_on_hyphens=False
    )
    return parts or [line]


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
