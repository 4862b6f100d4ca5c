"""The notes of optuna-dashboard on trials and studies: Markdown in which no foreign text is interpreted."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from llmsearch_optuna.identity import without_hashes
from llmsearch_optuna.report.turns import Turn, chat_turns
from llmsearch_optuna.statistics.intervals import difference_intervals
from llmsearch_optuna.storage import StoredCompletion, StoredSample, TokenCounts
from llmsearch_optuna.study.attributes import BASELINE, ERROR, PARAMS
from llmsearch_optuna.study.constraints import is_feasible
from llmsearch_optuna.study.objectives import Expense
from llmsearch_optuna.study.price import Price
from llmsearch_optuna.study.ranking import expense_of, score_of
from llmsearch_optuna.study.trials import describe_params, trial_params
from llmsearch_optuna.terminal import excerpt, printable
from llmsearch_optuna.verdict.finalists import Finalist, measure_cells
from llmsearch_optuna.verdict.table import GAIN_HEADING, further_headings, verdict_rows
from llmsearch_optuna.verdict.verdict import Verdict

__all__ = ["SIGNATURE", "completion_lines", "study_note", "trial_note"]

SIGNATURE = "*Written by llmsearch_optuna. Delete this line to keep words of your own.*"
"""The last line of every note. A note without it was edited by a user, or is incomplete. It never changes: stored notes
end with it."""

# A note is short; the database holds the complete texts.
_MAXIMUM_COMPLETION = 700
_MAXIMUM_REFERENCE = 300
_MAXIMUM_PROMPT = 300
_MAXIMUM_CELL = 120
_MAXIMUM_TURNS = 4
_MAXIMUM_ROLE = 40
_MAXIMUM_LINES = 15
_WIDTH = 72  # two trials stand side by side

_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_BACKTICKS = re.compile(r"`+")


def trial_note(
    trial: FrozenTrial,
    completions: Sequence[StoredCompletion],
    samples: Mapping[int, StoredSample],
    *,
    greater_is_better: bool,
    price: Price | None = None,
) -> str:
    """Return the note of a finished trial: score, parameters, tokens, and up to five completions.

    Each completion stands between its prompt, as the turns of a chat, and its reference.

    Args:
        trial: The trial.
        completions: Its completions, in the order of their positions.
        samples: The study's samples by position.
        greater_is_better: Whether the metric is maximised.
        price: The price of tokens; ``None`` if there is none.
    """
    baseline = f" ({_inline(str(trial.user_attrs[BASELINE]))})" if BASELINE in trial.user_attrs else ""
    lines = [f"## Trial {trial.number}{baseline}: {_outcome(trial, completions)}", ""]
    lines += _table(("", ""), _facts(trial, completions, price))
    for rank, completion in _selection(completions, 1.0 if greater_is_better else -1.0):
        sample = samples[completion.position]
        score = "no score of its own" if completion.score is None else f"score {completion.score:.4g}"
        lines += [
            "",
            f"### {rank}: {score}",
            "",
            f"row {completion.row}, {completion.token_count} tokens, ended by {completion.finish_reason}",
            "",
            *_prompt(sample.prompt),
            *_block(completion.shown_text, _MAXIMUM_COMPLETION),
            "",
            "reference",
            "",
            *_block(sample.reference_text, _MAXIMUM_REFERENCE),
        ]
    return "\n".join([*lines, "", SIGNATURE])


def study_note(
    finalists: Sequence[Finalist],
    verdict: Verdict | None,
    report: str = "",
    second: Expense | None = None,
    *,
    measures: Sequence[str] = (),
    caution: str | None = None,
) -> str:
    """Return the note of a study: its verdict, and the scores of the baselines and the best (or the Pareto front).

    Args:
        finalists: The result of `verdict.finalists.finalists`: the baselines and the best trial; with several
            objectives, the baselines and the Pareto front.
        verdict: The verdict on them; ``None`` if there is none yet.
        report: The path of the report on the dashboard's server; no link if empty.
        second: The second objective; ``None`` without one.
        measures: The headings of further columns; see `measure_headings`.
        caution: A sentence on the finalists, such as `infeasibility`; ``None`` if there is none.
    """
    headline = "no verdict yet: `llmsearch-optuna confirm` makes one" if verdict is None else _inline(verdict.sentence)
    lines = [f"## {headline}", ""]
    if report:
        lines += [f"[The report]({report}), if `llmsearch-optuna dashboard` shows this page.", ""]
        lines += ["Elsewhere, `llmsearch-optuna report` writes it.", ""]
    if verdict is not None:
        for sentence in verdict.details:
            lines += [_inline(sentence), ""]
        lines += [f"Scores on {verdict.samples} held-out samples ({_inline(without_hashes(verdict.metric))}):", ""]
        lines += _table(
            ("", "score", "trial", GAIN_HEADING, *further_headings(verdict)),
            [
                (_inline(row.name), f"{row.score:.4f}", str(row.trial), _inline(row.gain), *map(_inline, row.further))
                for row in verdict_rows(verdict)
            ],
        )
        lines.append("")
    lines += ["Scores on the search split:", ""] if caution is None else [f"{_inline(caution)}:", ""]
    lines += _table(
        ("", "score", *([] if second is None else [second.name]), *map(_inline, measures), "trial", "parameters"),
        [
            (
                *(_inline(name), f"{score_of(trial):.4f}"),
                *([] if second is None else [_inline(second.shown(expense_of(trial)))]),
                *map(_inline, measure_cells(trial, measures)),
                *(str(trial.number), _inline(describe_params(params))),
            )
            for name, trial, params in finalists
        ],
    )
    return "\n".join([*lines, "", SIGNATURE])


def completion_lines(completions: Sequence[StoredCompletion], samples: Mapping[int, StoredSample]) -> str:
    """Return the completions of a trial as JSON Lines in ASCII, one per line, for the dashboard's table.

    Every text is on one line and shortened, so that a row of the table has one line; the database has the whole texts.
    """
    return "".join(
        json.dumps(
            {
                "row": completion.row,
                "score": completion.score,
                **{f"metric.{label}": value for label, value in completion.metric_scores.items()},
                "completion": _cell(completion.shown_text),
                "reference": _cell(_reference(samples[completion.position])),
                "prompt": _cell(_last_question(samples[completion.position].prompt)),
                "finish_reason": completion.finish_reason,
                "tokens": completion.token_count,
            }
        )
        + "\n"
        for completion in completions
    )


def _cell(text: str) -> str:
    return excerpt(_on_one_line(text), _MAXIMUM_CELL)


def _on_one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _reference(sample: StoredSample) -> str:
    """Return the reference as text: its only column, or ``column: value`` for several."""
    values = [_value(value) for value in sample.reference.values()]
    if len(values) == 1:
        return values[0]
    return ", ".join(f"{name}: {value}" for name, value in zip(sample.reference, values, strict=True))


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_value(item)}" for name, item in value.items())
    return ", ".join(map(_value, value)) if isinstance(value, list) else json.dumps(value)


def _last_question(prompt: str) -> str:
    """Return the last turn of a chat's user; any other prompt as it is."""
    turns = chat_turns(prompt)
    return next((turn.text for turn in reversed(turns) if turn.role == "user"), turns[-1].text)


def _mean(scores: Sequence[float | None]) -> str:
    """Return the mean score with its interval; ``"-"`` if a score is missing."""
    present = [score for score in scores if score is not None]
    return f"{sum(present) / len(present):.4f}{_interval(present)}" if len(present) == len(scores) else "-"


def _interval(scores: Sequence[float]) -> str:
    """Return the 95 % confidence interval of the mean score, after a space; empty for fewer than two scores.

    The mean is that of the population from which the samples were drawn.
    """
    if len(scores) < 2:
        return ""
    interval = difference_intervals(np.array(scores, dtype=np.float64)[:, None])
    return f" \\[{float(interval.low):.3f}, {float(interval.high):.3f}\\]"


def _outcome(trial: FrozenTrial, completions: Sequence[StoredCompletion]) -> str:
    if trial.state == TrialState.FAIL:
        return "failed"
    score = score_of(trial)
    text = "no score" if score is None else f"{score:.4f}"
    scores = [completion.score for completion in completions if completion.score is not None]
    if len(scores) == len(completions):
        text += _interval(scores)
    return text if trial.state == TrialState.COMPLETE else f"{text}, pruned"


def _facts(
    trial: FrozenTrial, completions: Sequence[StoredCompletion], price: Price | None
) -> Iterator[tuple[str, str]]:
    if ERROR in trial.user_attrs:
        yield "error", _inline(excerpt(str(trial.user_attrs[ERROR]), _MAXIMUM_COMPLETION))
    if PARAMS in trial.user_attrs:
        yield "parameters", _inline(describe_params(trial_params(trial)))
    yield "samples", str(len(completions))
    if completions:
        counts = [completion.token_count for completion in completions]
        thinking = sum(completion.thinking_token_count for completion in completions)
        apart = f", of which thinking {thinking:,}" if thinking else ""
        yield "tokens", f"{sum(counts):,} ({sum(counts) / len(counts):.1f} per sample){apart}"
        if price is not None and PARAMS in trial.user_attrs:
            yield "cost", f"{price.rates_of(trial_params(trial)).cost(TokenCounts.of(completions)):.4g}"
        reasons = [completion.finish_reason for completion in completions]
        for label in completions[0].metric_scores:
            yield _inline(label), _mean([completion.metric_scores.get(label) for completion in completions])
        if trial.constraints:
            yield "constraints", "kept" if is_feasible(trial) else "broken"
        yield "ended by", ", ".join(f"{reason} {reasons.count(reason)}" for reason in sorted(set(reasons)))


def _selection(completions: Sequence[StoredCompletion], sign: float) -> list[tuple[str, StoredCompletion]]:
    """Select at most five completions from worst to best, or from first to last if any has no score."""
    if any(completion.score is None for completion in completions):
        ranked, names = list(completions), ("First", "Second quarter", "Middle", "Last quarter", "Last")
    else:
        ranked = sorted(completions, key=lambda completion: (sign * (completion.score or 0.0), completion.position))
        names = ("Worst", "Lower quartile", "Median", "Upper quartile", "Best")
    last = len(ranked) - 1
    # With few completions, ranks coincide. Later entries win: the worst, then the best, then the median.
    places = {round(last * quarter / 4): names[quarter] for quarter in (1, 3, 2, 4, 0)}
    return [(places[place], ranked[place]) for place in sorted(places)] if ranked else []


def _inline(text: str) -> str:
    """Put a string on one line and escape all punctuation, so that nothing in it is Markdown."""
    return _PUNCTUATION.sub(r"\\\g<0>", printable(text))


def _prompt(prompt: str) -> Iterator[str]:
    """Yield the turns of a prompt as paragraphs, which any width wraps; of a long chat the first and the last ones."""
    turns = chat_turns(prompt)
    shown: Sequence[Turn | None] = turns
    if len(turns) > _MAXIMUM_TURNS:
        shown = (turns[0], None, *turns[1 - _MAXIMUM_TURNS :])
    for turn in shown:
        if turn is None:
            yield f"... ({len(turns) - _MAXIMUM_TURNS} more turns)"
        else:
            role = f"**{_inline(excerpt(turn.role or 'prompt', _MAXIMUM_ROLE))}** "
            yield role + _inline(excerpt(_on_one_line(turn.text), _MAXIMUM_PROMPT))
        yield ""


def _block(text: str, maximum_length: int) -> list[str]:
    """Return a fenced code block whose fences are longer than any run of backticks in the text."""
    lines = excerpt(printable(text, newlines=True), maximum_length).split("\n")
    shown = [part for line in lines for part in _wrapped(line)]
    if len(shown) > _MAXIMUM_LINES:
        shown = [*shown[:_MAXIMUM_LINES], f"... ({len(shown) - _MAXIMUM_LINES} more lines)"]
    longest_run = max((len(run) for line in shown for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest_run + 1)
    return [f"{fence}text", *shown, fence]


def _wrapped(line: str) -> list[str]:
    """Break a line at spaces, and inside too long words, because the dashboard does not. No character is lost."""
    parts = textwrap.wrap(
        line, _WIDTH, expand_tabs=False, replace_whitespace=False, drop_whitespace=False, break_on_hyphens=False
    )
    return parts or [line]


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
