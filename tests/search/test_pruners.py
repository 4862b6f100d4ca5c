from typing import Any

import optuna
import pytest
from optuna import pruners

from llmsearch_optuna.errors import ConfigurationError
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.pruners import PRUNERS, make_pruner

RUNGS = (8, 16, 24, 32)

CLASSES = {
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "hyperband": pruners.HyperbandPruner,
    "successive-halving": pruners.SuccessiveHalvingPruner,
    "none": pruners.NopPruner,
}


def test_names() -> None:
    assert set(PRUNERS) == {"paired", "race", *CLASSES}


def test_the_default_is_paired() -> None:
    pruner = make_pruner(None, RUNGS, {"alpha": 0.1, "margin": 0.02}, score_range=(0, 1))
    assert isinstance(pruner, PairedPruner)
    assert (pruner.alpha, pruner.margin) == (0.1, 0.02)
    assert type(make_pruner("paired", RUNGS)) is PairedPruner


def test_where_no_sample_is_scored_the_default_is_median() -> None:
    assert type(make_pruner(None, RUNGS, corpus_only=True)) is pruners.MedianPruner
    for name, arguments in (("paired", None), (None, {"margin": 0.1})):
        with pytest.raises(ConfigurationError, match="the paired pruner needs scores of single samples"):
            make_pruner(name, RUNGS, arguments, corpus_only=True)


@pytest.mark.parametrize(("name", "expected"), [(None, [None] * 4 + [8]), ("paired", [None] * 5)])
def test_what_is_pruned_when_it_turns_out_that_no_sample_is_scored(
    name: str | None, expected: list[int | None], caplog: pytest.LogCaptureFixture
) -> None:
    assert prunings(make_pruner(name, RUNGS), [0.9, 0.8, 0.7, 0.6, 0.1]) == expected
    instead = "nothing is pruned" if name else "MedianPruner prunes in its place"
    assert [record.message for record in caplog.records] == [
        f"trials have no scores of single samples, which paired pruning needs: {instead}"
    ]


def prunings(pruner: pruners.BasePruner, scores: list[float]) -> list[int | None]:
    """The rung at which each trial of constant score is pruned."""
    study = optuna.create_study(pruner=pruner, direction="maximize", study_name="s")
    pruned: list[int | None] = []
    for score in scores:
        trial = study.ask()
        state = optuna.trial.TrialState.COMPLETE
        for rung in RUNGS:
            trial.report(score, rung)
            if rung < RUNGS[-1] and trial.should_prune():
                state = optuna.trial.TrialState.PRUNED
                break
        pruned.append(None if state == optuna.trial.TrialState.COMPLETE else rung)
        study.tell(trial, score if state == optuna.trial.TrialState.COMPLETE else None, state=state)
    return pruned


@pytest.mark.parametrize("rungs", [RUNGS, (8,), (1, 5), tuple(range(8, 801, 8))])
@pytest.mark.parametrize("name", CLASSES)
def test_every_pruner_spares_the_best_trial_so_far(name: str, rungs: tuple[int, ...]) -> None:
    pruner = make_pruner(name, rungs)
    assert type(pruner) is CLASSES[name]
    assert prunings(pruner, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])[-1] is None


@pytest.mark.parametrize("name", ["median", "percentile"])
def test_the_first_four_trials_and_the_first_quarter_are_spared(name: str) -> None:
    scores = [0.9, 0.1, 0.8, 0.8, 0.0, 0.7]  # the median is 0.8
    spared: list[int | None] = [None] * 4
    assert prunings(make_pruner(name, RUNGS), scores) == [*spared, 8, 8]
    assert prunings(make_pruner(name, (8, 16, 24, 48)), scores) == [
        *spared,
        16,
        16,
    ]  # nothing is pruned in the first 12 samples


def test_none_never_prunes() -> None:
    assert prunings(make_pruner("none", RUNGS), [1.0] + [0.0] * 9) == [None] * 10


@pytest.mark.parametrize("name", ["hyperband", "successive-halving"])
def test_halving_begins_at_the_first_rung(name: str) -> None:
    pruned = prunings(make_pruner(name, RUNGS), [0.9] + [0.1] * 11)
    assert 8 in pruned
    assert pruned[0] is None


@pytest.mark.parametrize(
    ("name", "arguments", "scores", "expected"),
    [
        ("median", {"n_startup_trials": 1}, [0.9, 0.1], [None, 8]),
        ("median", {"n_startup_trials": 1, "n_warmup_steps": 17}, [0.9, 0.1], [None, 24]),
        ("percentile", {"percentile": 100.0}, [0.9, 0.1, 0.8, 0.8, 0.0, 0.7], [None, None, None, None, 8, None]),
        ("successive-halving", {"min_resource": 16, "reduction_factor": 2}, [0.9, 0.1], [None, 16]),
        ("hyperband", {"min_resource": 16, "max_resource": 16}, [0.9] + [0.1] * 4, [None, 16, 16, 16, 16]),
    ],
)
def test_arguments_come_first(
    name: str, arguments: dict[str, Any], scores: list[float], expected: list[int | None]
) -> None:
    assert prunings(make_pruner(name, RUNGS, arguments), scores) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (None, {"alpa": 0.1}, r"^unknown argument of the paired pruner `alpa`: did you mean `alpha`\?$"),
        ("paired", {"population": 4}, r"^unknown argument of the paired pruner `population`: known are alpha, margin$"),
        ("paired", {"alpha": 2}, r"^`alpha` must be in \(0, 1\), got 2$"),
        ("medain", {}, r"^unknown pruner `medain`: did you mean `median`\?$"),
        (
            "median",
            {"n_startup": 3},
            r"^unknown argument of the median pruner `n_startup`: did you mean `n_startup_trials`\?$",
        ),
        ("none", {"x": 3}, "^unknown argument of the none pruner `x`: there is none$"),
        ("percentile", {"percentile": 101.0}, "^the percentile pruner refuses its arguments: .*101.0"),
        ("median", {"n_startup_trials": -1}, "^the median pruner refuses its arguments: .*-1"),
        ("median", {"n_startup_trials": "4"}, "^the median pruner refuses its arguments: "),
        (
            "hyperband",
            {"max_resource": 4},
            r"^the hyperband pruner refuses its arguments: max_resource must be >= min_resource \(8\), got 4$",
        ),
        ("hyperband", {"reduction_factor": 1}, "^the hyperband pruner refuses its arguments: "),
        ("hyperband", {"max_resource": "all"}, "^the hyperband pruner refuses its arguments: "),
        ("hyperband", {"min_resource": "8"}, "^the hyperband pruner refuses its arguments: "),
        ("successive-halving", {"reduction_factor": 1}, "^the successive-halving pruner refuses its arguments: "),
    ],
)
def test_bad_input_is_refused(name: str | None, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refusal:
        make_pruner(name, RUNGS, arguments)
    assert len(str(refusal.value).splitlines()) == 1
