"""The pictures of the pages in docs/explanations, drawn from data of this repository.

``python -m studies.pictures.explanations`` writes them. They are the same on every machine.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import create_trial

from llmsearch_optuna.search.early_stop import EarlyStop
from llmsearch_optuna.search.score_readers import reported_scores
from llmsearch_optuna.statistics.evidence import log_evidence_below
from llmsearch_optuna.study.attributes import BASELINE, SCORES
from studies.benchmarks.places import recorded
from studies.pictures.drawing import AMBER, BLUE, GREEN, GREY, INK, PALE, RED, Axes, Drawing
from studies.pictures.flows import durability, untrusted_input, verdict

__all__ = ["PICTURES"]

_Floats = npt.NDArray[np.float64]

_ROOT = Path(__file__).parents[2]
_TRIAL_COLOURS = (BLUE, AMBER, GREEN)


class _Run(NamedTuple):
    """The decode steps of a completion in one row of the device: from `start` to before `end`."""

    trial: int
    row: int
    start: int
    end: int


def exactness() -> Drawing:
    """Batches and slots, with the lengths of real completions of three trials (`sums.parquet`)."""
    rows, samples = 8, 16
    lengths = recorded("sums").tokens[8:11, :samples]
    batches: list[_Run] = []
    slots: list[_Run] = []
    steps, free = 0, [0] * rows
    for trial, trial_lengths in enumerate(lengths):
        for batch in trial_lengths.reshape(-1, rows):
            batches += [_Run(trial, row, steps, steps + int(length)) for row, length in enumerate(batch)]
            steps += int(batch.max())
            for length in batch:
                row = int(np.argmin(free))
                slots.append(_Run(trial, row, free[row], free[row] + int(length)))
                free[row] += int(length)
    picture = Drawing(
        width=760,
        height=400,
        title="48 completions of three trials: in batches, and in slots that are soon taken again",
    )
    scale = 670 / steps
    for top, title, runs in ((40, "Batches: each row waits for the longest", batches), (214, "Slots", slots)):
        last = max(run.end for run in runs)
        picture.text((24, top - 12), title, bold=True)
        picture.text((62 + scale * last, top - 12), f"{last} decode steps", fill=GREY, anchor="end")
        picture.text((24, top + 70), "rows", size=12, fill=GREY)
        for row in range(rows):
            picture.rect((62, top + 16 * row), (scale * last, 13), fill=PALE)
        for run in runs:
            place, size = (62 + scale * run.start, top + 16 * run.row), (scale * (run.end - run.start) - 1.5, 13)
            stroke = INK if run == runs[35] else "none"
            picture.rect(place, size, fill=_TRIAL_COLOURS[run.trial], stroke=stroke, weight=2.5, radius=2)
    for trial, colour in enumerate(_TRIAL_COLOURS):
        picture.rect((62 + 72 * trial, 366), (13, 13), fill=colour, radius=2)
        picture.text((80 + 72 * trial, 377), f"trial {trial + 8}", size=12, fill=GREY)
    picture.rect((300, 366), (13, 13), stroke=INK, weight=2.5, radius=2)
    picture.text((320, 377), "one completion in two batches: the same logits, noise and tokens", size=12, fill=GREY)
    return picture


# The tokens of the demo's model on the demo's first prompt, generation seed 0, 14 tokens (2026-11-30).
_WALKS = {
    "trial A: temperature 0.5, top_p 0.9": " spinach|,| eggplant|,| tomatoes|,| z|ucchini|,| z|ucchini|,| eggplant|,",
    "trial B: temperature 0.8, top_p 0.9": " spinach|,| eggplant|,| lettuce|,| tomatoes|,| z|ucchini|,| z|ucchini|,",
    "trial C: temperature 0.33, top_p 0.85, repetition penalty 1.13": (
        " spinach|,| eggplant|,| tomatoes|,| z|ucchini|,| carrots|,| potatoes|,| beets"
    ),
}


def replay() -> Drawing:
    """The tree of one prompt after three trials, and what each of them found in it."""
    picture = Drawing(width=930, height=320, title="Three trials follow the tree of one prompt until they leave it")
    walks = [tuple(text.split("|")) for text in _WALKS.values()]
    heights = (170.0, 70.0, 240.0)
    walked: set[tuple[str, ...]] = set()
    picture.box((20, 149), (78, 34), "prompt")
    for trial, (name, walk, height) in enumerate(zip(_WALKS, walks, heights, strict=True)):
        shared = next(count for count in range(len(walk), -1, -1) if count == 0 or walk[:count] in walked)
        for count in range(shared, len(walk)):
            left, middle = 112.0 + 57 * count, height - 4
            start = (left - 6, heights[0] - 4) if count == shared else (left - 6, middle)
            picture.path([start, (left, middle)], stroke=GREY)
            picture.rect((left, height - 18), (51, 28), stroke=_TRIAL_COLOURS[trial], radius=4, weight=1.8)
            picture.text((left + 25.5, height), walk[count].strip(), size=11, anchor="middle")
        walked |= {walk[:count] for count in range(1, len(walk) + 1)}
        # The logits after a prefix give the next token. Those after the prompt come with the prompt's own pass.
        passes = len(walk) - 1 - shared
        stored = f"{shared + 1} tokens from stored logits, " if shared else "1 token from the prompt's logits, "
        place, anchor = (((112, 200), "start"), ((339, 28), "start"), ((905, 270), "end"))[trial]
        picture.text(place, name, bold=True, size=12, fill=_TRIAL_COLOURS[trial], anchor=anchor)
        words = f"{stored}{passes} forward passes"
        picture.text((place[0], place[1] + 16), words, size=12, fill=GREY, anchor=anchor)
    return picture


def pruning() -> Drawing:
    """The gambler's largest capital so far, for four trials of `lists.parquet` beside the best of eight before them."""
    landscape = recorded("lists")
    before, population = landscape.scores[:8], landscape.scores.shape[1]
    best = float(before.mean(axis=1).max())
    picture = Drawing(
        width=760, height=410, title="The capital of the gambler over the samples, for trials of the recorded landscape"
    )
    picture.text((24, 28), "Largest capital so far of the gambler who bets against four trials", bold=True)
    picture.text((24, 47), f"The best complete trial has a mean of {best:.3f}.", size=12, fill=GREY)
    axes = Axes(drawing=picture, corner=(64, 66), size=(460, 280), x=(0, population), y=(-0.7, 6.0))
    threshold = math.log(20)
    marks = [(math.log(capital), f"{capital:g}") for capital in (1, 2, 5, 20, 100, 400)]
    axes.ticks(range(0, population + 1, 16), marks, x_label="samples scored")
    axes.line([(0, threshold), (population, threshold)], stroke=INK, weight=1.5, dashes="5 4")
    picture.text((534, axes.at(0, threshold)[1] + 4), "1 / alpha = 20: pruned", size=12)
    for trial, colour, height in ((25, RED, 112), (27, AMBER, 160), (18, BLUE, 296), (15, GREEN, 332)):
        scores = landscape.scores[trial]
        evidence = log_evidence_below(scores, mean=best, population=population, low=0.0, high=1.0, covariates=before)
        passed = next((seen for seen, value in enumerate(evidence, start=1) if value >= threshold), population)
        rung = next((size for size in range(8, population, 8) if size >= passed), population)
        axes.line(
            [(0.0, 0.0), *((seen, float(value)) for seen, value in enumerate(evidence[:rung], start=1))], stroke=colour
        )
        fate = "complete" if rung == population else f"pruned at {rung}"
        picture.text((534, height), f"mean {scores.mean():.3f}: {fate}", size=12, fill=colour, bold=True)
        if rung < population:
            picture.dot(axes.at(rung, float(evidence[rung - 1])), fill=colour)
    return picture


def stopping() -> Drawing:
    """What can be expected and what can be shown, over the proposals of two recorded landscapes."""
    picture = Drawing(width=760, height=370, title="The gain that is expected in all, and the gain that can be shown")
    panels = (
        ("addition", 200, 0.08, "Short sums: hardly anything to find", 24),
        ("lists", 96, 0.8, "Lists: a gain of 0.39", 400),
    )
    for name, held_out, top, title, left in panels:
        landscape = recorded(name)
        study = optuna.create_study(direction="maximize")
        early_stop = EarlyStop(scores=reported_scores, n_trials=50, held_out=held_out)
        expected: list[tuple[float, float]] = []
        showable: list[tuple[float, float]] = []
        stopped: float | None = None
        for configuration, scores in zip(landscape.configurations[:50], landscape.scores, strict=False):
            attributes: dict[str, object] = {SCORES: scores.tolist()}
            if configuration.baseline is not None:
                attributes[BASELINE] = configuration.baseline
            study.add_trial(create_trial(value=float(scores.mean()), user_attrs=attributes))
            trials = study.get_trials(deepcopy=False)
            prospects = early_stop.prospects(study, trials)
            if prospects is not None and stopped is None:
                expected.append((prospects.proposals, max(prospects.ahead, 0.0) + prospects.further))
                showable.append((prospects.proposals, prospects.showable))
                if early_stop.reason(study, trials) is not None:
                    stopped = prospects.proposals
        picture.text((left, 28), title, bold=True)
        axes = Axes(drawing=picture, corner=(left + 40, 50), size=(290, 230), x=(0, 48), y=(0, top))
        axes.ticks((0, 12, 24, 36, 48), [(top * n / 4, f"{top * n / 4:g}") for n in range(5)], x_label="proposals")
        axes.line(showable, stroke=GREY)
        axes.line(expected, stroke=BLUE, weight=2.5)
        if stopped is not None:
            place = axes.at(stopped, expected[-1][1])
            picture.dot(place, fill=RED)
            picture.text((place[0] + 10, place[1] + 20), f"stops after {stopped}", size=12, fill=RED, bold=True)
    picture.path([(64, 345), (92, 345)], stroke=BLUE, weight=2.5)
    picture.text((100, 349), "gain over the best baseline that is expected in all", size=12, fill=GREY)
    picture.path([(440, 345), (468, 345)], stroke=GREY, weight=2)
    picture.text((476, 349), "gain that the hold-out can show", size=12, fill=GREY)
    return picture


PICTURES: Mapping[str, Callable[[], Drawing]] = {
    "exactness": exactness,
    "replay": replay,
    "pruning": pruning,
    "stopping": stopping,
    "verdict": verdict,
    "durability": durability,
    "untrusted_input": untrusted_input,
}
"""The functions that draw, by the names of the pages."""


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for page, draw in PICTURES.items():
        draw().save(_ROOT / "docs" / "explanations" / "pictures" / f"{page}.svg")
