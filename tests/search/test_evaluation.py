"""The objective: rungs, reports, pruning, storing and restoring."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Completion, Stopping
from llmsearch_optuna.engine.function import FunctionEngine
from llmsearch_optuna.errors import TrialError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.search.evaluation import GenerationObjective
from llmsearch_optuna.search.paired_pruner import PairedPruner
from llmsearch_optuna.search.rungs import rung_sizes
from llmsearch_optuna.space.dimensions import Float
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.attributes import BASELINE, FIXED_PARAMS, PARAMS

N = 20
SPACE = SearchSpace(temperature=Float(0.5, 1.0), max_new_tokens=4)
SAMPLES = tuple(
    Sample(row=100 + i, prompt=f"prompt {i}", token_ids=(i + 1,), reference={"answer": str(i % 2)}) for i in range(N)
)


def ones(prompts: list[str], params: dict[str, Any]) -> list[str]:
    """A function that always answers 1, which is right for every second sample."""
    return [" 1 " for _ in prompts]


class Recorder(FunctionEngine):
    """Records the prompts of every pass."""

    def __init__(self) -> None:
        super().__init__(ones)
        self.passes: list[list[str]] = []

    def generate(self, requests: Any, on_tokens: Any = None, upcoming: Any = ()) -> list[Completion]:
        self.passes.append([request.prompt for request in requests])
        return super().generate(requests, on_tokens, upcoming)


def objective(**changes: Any) -> GenerationObjective:
    arguments: dict[str, Any] = {
        "engine": FunctionEngine(ones),
        "samples": SAMPLES,
        "metric": make_metric("exact_match"),
        "space": SPACE,
        "stopping": Stopping(),
        "rungs": rung_sizes(8, N),
    }
    return GenerationObjective(**{**arguments, **changes})


def study(**arguments: Any) -> optuna.Study:
    return optuna.create_study(direction="maximize", **arguments)


class PruneAt(optuna.pruners.BasePruner):
    """Prunes every trial at one step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return trial.last_step == self.step


def test_works_in_anybodys_optimize_and_reports_the_running_mean() -> None:
    mine = study()
    mine.optimize(objective(), n_trials=2)
    trial = mine.trials[1]
    assert trial.value == 0.5
    assert trial.intermediate_values == {8: 0.5, 16: 0.5, 20: 0.5}
    assert set(trial.params) == {"temperature"}
    params = GenerationParams.from_json(trial.user_attrs[PARAMS])
    assert params == GenerationParams(temperature=trial.params["temperature"], max_new_tokens=4)
    assert trial.user_attrs["finish_reasons"] == {"stop": N}


def test_generates_each_sample_once_rung_by_rung_in_the_shared_order() -> None:
    engine = Recorder()
    study().optimize(objective(engine=engine), n_trials=1)
    assert [len(prompts) for prompts in engine.passes] == [8, 8, 4]
    assert [prompt for prompts in engine.passes for prompt in prompts] == [sample.prompt for sample in SAMPLES]


def test_a_pruned_trial_generates_no_further() -> None:
    engine = Recorder()
    mine = study(pruner=PruneAt(8))
    mine.optimize(objective(engine=engine), n_trials=1)
    assert mine.trials[0].state == TrialState.PRUNED
    assert mine.trials[0].intermediate_values == {8: 0.5}
    assert len(engine.passes) == 1


def test_baselines_are_never_pruned_and_use_their_given_parameters() -> None:
    mine = study(pruner=PruneAt(8))
    given = GenerationParams(do_sample=False, max_new_tokens=3)
    mine.enqueue_trial({}, user_attrs={BASELINE: "greedy", FIXED_PARAMS: given.to_json()})
    mine.optimize(objective(), n_trials=1)
    assert mine.trials[0].state == TrialState.COMPLETE
    assert mine.trials[0].params == {}
    assert GenerationParams.from_json(mine.trials[0].user_attrs[PARAMS]) == given


def test_a_scorer_of_the_whole_corpus_sees_all_samples_so_far() -> None:
    seen: list[int] = []

    def corpus(references: list[dict[str, str]], predictions: list[str]) -> float:
        seen.append(len(predictions))
        return len(predictions) / 100

    store = CompletionStore(open_storage(None))
    mine = study()
    mine.optimize(objective(metric=make_metric(corpus), store=store, study_key="k"), n_trials=1)
    assert seen == [8, 16, 20]
    assert mine.trials[0].intermediate_values == {8: 0.08, 16: 0.16, 20: 0.2}
    assert {completion.score for completion in store.load("k", 0)} == {None}


def test_stores_every_completion_with_its_score() -> None:
    store = CompletionStore(open_storage(None))
    study().optimize(objective(store=store, study_key="k"), n_trials=1)
    stored = store.load("k", 0)
    assert [completion.position for completion in stored] == list(range(N))
    assert [completion.row for completion in stored] == [sample.row for sample in SAMPLES]
    assert {completion.text for completion in stored} == {"1"}
    assert [completion.score for completion in stored] == [float(i % 2) for i in range(N)]


@pytest.mark.parametrize("corpus_metric", [False, True])
@pytest.mark.parametrize("reported", [1, 2])
def test_takes_up_an_interrupted_trial_where_it_was_stored(corpus_metric: bool, reported: int) -> None:
    """Also if the process died between storing a rung and reporting it."""
    metric = make_metric("bleu") if corpus_metric else make_metric("exact_match")
    store = CompletionStore(open_storage(None))
    mine = study()
    trial = mine.ask()
    evaluation = objective(metric=metric, store=store, study_key="k").start(trial)
    evaluation.advance()
    evaluation.advance()
    storage = mine._storage
    again = optuna.create_study(direction="maximize")
    second = again.ask({"temperature": SPACE.dimensions["temperature"].distribution()})
    for step, value in list(storage.get_trial(trial._trial_id).intermediate_values.items())[:reported]:
        second.report(value, step)

    engine = Recorder()
    resumed = objective(metric=metric, store=store, study_key="k", engine=engine).start(second)
    assert resumed.scored == 16
    assert resumed.value == evaluation.value
    while not resumed.finished:
        resumed.advance()
    assert [len(prompts) for prompts in engine.passes] == [4]
    frozen = again.get_trials()[0]
    assert list(frozen.intermediate_values) == [8, 16, 20]
    assert frozen.user_attrs["finish_reasons"] == {"stop": N}


def test_asks_the_pruner_again_for_a_rung_that_was_stored_but_not_judged() -> None:
    store = CompletionStore(open_storage(None))
    mine = study()
    objective(store=store, study_key="k").start(mine.ask()).advance()
    resumed = objective(store=store, study_key="k").start(study(pruner=PruneAt(8)).ask())
    assert resumed.pruned
    assert resumed.finished


def test_a_trial_that_died_after_its_last_rung_is_summed_up() -> None:
    store = CompletionStore(open_storage(None))
    first = objective(store=store, study_key="k").start(study().ask())
    while not first.finished:
        first.advance()
    mine = study()
    resumed = objective(store=store, study_key="k").start(mine.ask())
    assert resumed.finished
    assert resumed.value == first.value
    assert mine.trials[0].user_attrs["tokens"] == 0
    assert mine.trials[0].user_attrs["finish_reasons"] == {"stop": N}


def test_a_stored_completion_of_other_rungs_is_used_all_the_same() -> None:
    store = CompletionStore(open_storage(None))
    mine = study()
    objective(store=store, study_key="k", rungs=(5, N)).start(mine.ask()).advance()
    engine = Recorder()
    resumed = objective(store=store, study_key="k", engine=engine).start(study().ask())
    resumed.advance()
    assert [len(prompts) for prompts in engine.passes] == [3]
    assert resumed.scored == 8


def test_tells_the_study_every_score_where_there_is_no_store() -> None:
    mine = study(pruner=PruneAt(16))
    mine.optimize(objective(), n_trials=1)
    assert mine.trials[0].user_attrs["llmsearch_scores"] == [float(i % 2) for i in range(16)]
    for changes in ({"metric": make_metric("bleu")}, {"store": CompletionStore(open_storage(None))}):
        mine = study()
        mine.optimize(objective(**changes), n_trials=1)
        assert "llmsearch_scores" not in mine.trials[0].user_attrs


def test_the_paired_pruner_prunes_in_anybodys_optimize() -> None:
    def answer(prompts: list[str], params: dict[str, Any]) -> list[str]:
        return ["1" if params["temperature"] < 0.75 else "2" for _ in prompts]

    mine = study(pruner=PairedPruner(score_range=(0.0, 1.0)))
    for temperature in (0.5, 1.0, 0.6):
        mine.enqueue_trial({"temperature": temperature})
    mine.optimize(objective(engine=FunctionEngine(answer), metric=make_metric("contains")), n_trials=3)
    assert [trial.state.name for trial in mine.trials] == ["COMPLETE", "PRUNED", "COMPLETE"]


class TestFailures:
    def fails(self, **changes: Any) -> str:
        mine = study()
        mine.optimize(objective(**changes), n_trials=1, catch=(TrialError,))
        assert mine.trials[0].state == TrialState.FAIL
        with pytest.raises(TrialError) as caught:
            study().optimize(objective(**changes), n_trials=1)
        return str(caught.value)

    def test_a_scorer_that_raises_names_the_dataset_row(self) -> None:
        def scorer(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            return [1 / (int(reference["answer"]) or 1) if predictions else 0.0 for reference in references]

        def broken(references: list[dict[str, str]], predictions: list[str]) -> list[float]:
            return [1 / int(reference["answer"]) for reference in references]

        study().optimize(objective(metric=make_metric(scorer)), n_trials=1)
        assert "raised ZeroDivisionError" in self.fails(metric=make_metric(broken))
        assert "on sample 100" in self.fails(metric=make_metric(broken))

    def test_an_output_preproc_that_raises_or_gives_no_text(self) -> None:
        def broken(text: str) -> str:
            raise KeyError("gone")

        assert "output_preproc raised KeyError" in self.fails(output_preproc=broken)
        assert "on row 100" in self.fails(output_preproc=broken)
        assert "must return a string, got int" in self.fails(output_preproc=len)
