"""Quality and tokens together: from the search to the verdict, and in all that shows a study."""

import dataclasses
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from backends import replace_backend
from documentation import PAGES, blocks
from interruptions import WriteCounter, interrupted
from optuna.study import StudyDirection
from optuna.trial import TrialState
from optuna_dashboard import get_note
from optuna_dashboard._note import get_note_from_system_attrs
from study_files import STUDY, write_model_and_rows
from tiers import partly_full
from tiny_studies import ROWS, SPACE, ending_tuner, everything, make_tuner, search

from llmsearch_optuna import Categorical, SearchSpace, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.dashboard.annotations import _FIGURES, Annotations
from llmsearch_optuna.errors import ConfigurationError, FingerprintError, StudyFileError, TrialError
from llmsearch_optuna.export import trace
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.report import plot_quality, read_study, render_report
from llmsearch_optuna.statistics.intervals import adjusted_alpha, difference_intervals
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.fingerprint import study_fingerprint
from llmsearch_optuna.study.objectives import EXPENSES
from llmsearch_optuna.study.ranking import expense_of, pareto_front, score_of
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.verdict.finalist_scores import held_out_key
from llmsearch_optuna.verdict.finalists import finalists, find_trial, select_finalists
from studies.benchmarks import record_landscape

BOTH = ["score", "tokens"]


def search_both(tuner: Tuner, path: Path | None, n_trials: int = 9, **changes: Any) -> optuna.Study:
    return search(tuner, path, n_trials, objectives=BOTH, **changes)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuner, optuna.Study, Path]:
    path = tmp_path_factory.mktemp("two") / "x.db"
    tuner = ending_tuner(holdout_size=6)
    study = search_both(tuner, path, 14)
    tuner.confirm(study, show_progress=False)
    return tuner, study, path


class TestSearch:
    def test_the_study_has_two_directions_and_the_tokens_that_are_stored(
        self, searched: tuple[Tuner, optuna.Study, Path]
    ) -> None:
        _, study, path = searched
        assert study.directions == [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
        assert study.metric_names == BOTH
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
        store = CompletionStore(open_storage(f"sqlite:///{path}"))
        for trial in study.trials:
            stored = store.load(study_key(study), trial.number)
            scores = [completion.score or 0.0 for completion in stored]
            assert trial.values == [
                pytest.approx(sum(scores) / len(scores)),
                sum(completion.token_count for completion in stored) / len(stored),
            ]
            assert trial.intermediate_values == {size: pytest.approx(sum(scores[:size]) / size) for size in (4, 8, 10)}
        assert len({trial.values[1] for trial in study.trials}) > 4
        assert len(pareto_front(study)) > 2

    @pytest.mark.full
    @pytest.mark.parametrize("sampler", partly_full(["tpe", "gp", "nsga2", "qmc"], fast=["nsga2"]))
    def test_an_interrupted_study_ends_as_the_uninterrupted_one(self, sampler: str, tmp_path: Path) -> None:
        arguments: dict[str, Any] = {"sampler": sampler, "concurrency": 2, "n_trials": 9, "rungs": 8}
        arguments["sampler_args"] = {
            "tpe": {"n_startup_trials": 4},
            "gp": {"n_startup_trials": 5},
            "nsga2": {"population_size": 3},
        }.get(sampler)
        tuner = ending_tuner()
        whole = search_both(tuner, tmp_path / "whole.db", **arguments)
        cut = tmp_path / "cut.db"
        for at in (1, 5):
            with pytest.raises(KeyboardInterrupt):
                search_both(interrupted(tuner, at), cut, **arguments)
        resumed = search_both(tuner, cut, **arguments)
        assert everything(resumed, cut) == everything(whole, tmp_path / "whole.db")
        if sampler == "nsga2":
            generations = [trial.user_attrs["sampler_state"]["NSGAIISampler:generation"] for trial in whole.trials[2:]]
            assert max(generations) >= 1  # which has parents

    @pytest.mark.full
    def test_a_study_interrupted_at_any_write_ends_as_the_uninterrupted_one(self, tmp_path: Path) -> None:
        tuner = ending_tuner()
        arguments: dict[str, Any] = {"concurrency": 3, "n_trials": 6}
        with WriteCounter() as counter:
            expected = everything(search_both(tuner, tmp_path / "whole.db", **arguments), tmp_path / "whole.db")
        for at in range(14, counter.writes, 67):
            cut = tmp_path / f"cut{at}.db"
            with WriteCounter(at), pytest.raises(KeyboardInterrupt):
                search_both(tuner, cut, **arguments)
            assert everything(search_both(tuner, cut, **arguments), cut) == expected, f"interrupted at write {at}"

    @pytest.mark.full
    def test_a_grid_is_searched_to_its_end(self) -> None:
        space = SearchSpace(temperature=Categorical([0.5, 1.5]), generation_seed=Categorical([0, 1]), max_new_tokens=4)
        tuner = ending_tuner()
        study = tuner.search(space, objectives=BOTH, sampler="grid", show_progress=False)
        assert len(study.trials) == 2 + 4

    def test_other_objectives_are_refused_under_the_same_name(self, tmp_path: Path) -> None:
        tuner = ending_tuner()
        search_both(tuner, tmp_path / "two.db", 1)
        search(tuner, tmp_path / "one.db", 1)
        assert study_fingerprint(search(tuner, tmp_path / "one.db", 1))["objectives"] == ["score"]
        with pytest.raises(FingerprintError, match=r"other objectives \(objectives: score, tokens then, score now\)"):
            search(tuner, tmp_path / "two.db", 1)
        with pytest.raises(FingerprintError, match=r"other objectives \(objectives: score then, score, tokens now\)"):
            search_both(tuner, tmp_path / "one.db", 1)

    @pytest.mark.parametrize("changes", [{"sampler": "cmaes"}, {"pruner": "median"}, {"patience": 3}])
    def test_what_is_for_one_objective_is_refused_before_there_is_a_database(
        self, changes: dict[str, Any], tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigurationError, match="with several objectives"):
            search_both(ending_tuner(), tmp_path / "x.db", **changes)
        assert not (tmp_path / "x.db").exists()

    def test_tokens_that_are_not_known_are_no_objective(self) -> None:
        tuner = make_tuner(model=None, custom_pred_function=lambda prompts, params: prompts)
        with pytest.raises(ConfigurationError, match="`tokens` cannot be an objective with custom_pred_function"):
            search_both(tuner, None)

        class Silent:
            def __init__(self, engine: Any) -> None:
                self.engine = engine

            def generate(self, *arguments: Any) -> Any:
                return [
                    dataclasses.replace(completion, token_ids=()) for completion in self.engine.generate(*arguments)
                ]

        tuner = make_tuner()
        replace_backend(tuner, engine=Silent(tuner._backend.engine))
        with pytest.raises(TrialError, match="the engine reports no token counts"):
            search_both(tuner, None, 3)
        assert len(search(tuner, None, 3).trials) == 3

    def test_anybodys_study_can_optimise_both(self) -> None:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(0))
        objective = ending_tuner().objective(SPACE, rungs=8, objectives=BOTH)
        study.optimize(objective, n_trials=3)
        assert [len(trial.values) for trial in study.trials] == [2, 2, 2]
        assert [list(trial.intermediate_values) for trial in study.trials] == [[8, 16]] * 3

    def test_tokens_end_the_search(self, tmp_path: Path) -> None:
        tuner = ending_tuner()
        search_both(tuner, tmp_path / "x.db", max_tokens_total=100)
        study = search_both(tuner, tmp_path / "x.db", max_tokens_total=100)
        assert len(study.trials) < 9


class TestVerdict:
    def test_the_finalists_are_of_the_front(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, _ = searched
        front = {trial.number for trial in pareto_front(study)}
        selection = select_finalists(study)
        names = [finalist.name for finalist in selection.selected]
        assert names == ["model default", "best", "front 1", "front 2"]
        assert selection.selected[1].trial.number == pareto_front(study)[0].number == find_trial(study, None).number
        assert {finalist.trial.number for finalist in selection.selected[1:]} <= front
        shown = finalists(study)
        assert [finalist.name for finalist in shown[:2]] == ["model default", "greedy"]
        assert [finalist.trial for finalist in shown[2:]] == pareto_front(study)[::-1]
        assert [finalist.name for finalist in shown[2:]] == ["front"] * (len(front) - 1) + ["best"]

    def test_tokens_are_compared_on_the_hold_out_split(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        tuner, study, path = searched
        verdict = tuner.confirm(study, show_progress=False)
        store = CompletionStore(open_storage(f"sqlite:///{path}"))
        counts = {}
        outlines = store.load_held_out_outlines(study_key(study))
        for finalist in verdict.finalists:
            assert finalist.params is not None
            key = held_out_key(finalist.params)
            counts[finalist.name] = np.array(
                [[row.token_count for row in rows] for (name, _), rows in sorted(outlines.items()) if name == key],
                dtype=np.float64,
            ).T
            assert finalist.tokens == pytest.approx(counts[finalist.name].mean())
        assert [saving.name for saving in verdict.savings] == [comparison.name for comparison in verdict.comparisons]
        alpha = adjusted_alpha(0.05, 2 * len(verdict.comparisons))
        for saving in verdict.savings:
            differences = counts["model default"] - counts[saving.name]
            exact = difference_intervals(differences, alpha=alpha, max_difference=4.0)
            assert (saving.gain, saving.low, saving.high) == pytest.approx(tuple(map(float, exact[:3])))
        assert type(verdict).from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict

    def test_the_front_is_told_sentence_by_sentence(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        tuner, study, _ = searched
        verdict = tuner.confirm(study, show_progress=False)
        assert [sentence.split(" (")[0] for sentence in verdict.front_sentences] == ["`front 1`", "`front 2`"]
        assert "tokens" in verdict.sentence

    def test_a_study_of_the_score_alone_says_nothing_of_tokens(self) -> None:
        tuner = ending_tuner(holdout_size=6)
        verdict = tuner.confirm(search(tuner, None, 6), show_progress=False)
        assert (verdict.savings, verdict.front_sentences, verdict.expense) == ((), (), None)
        assert "tokens" not in verdict.sentence


class TestWhatShowsAStudy:
    @pytest.mark.full
    def test_every_command(
        self, searched: tuple[Tuner, optuna.Study, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, study, path = searched
        front, best = pareto_front(study), pareto_front(study)[0]
        assert main(["best", str(path)]) == 0
        shown = capsys.readouterr().out
        assert "tokens" in shown
        assert "`front 1`" in shown
        assert main(["best", str(path), "--json"]) == 0
        output = json.loads(capsys.readouterr().out)
        assert [output["trial"], output["score"], output["tokens_per_sample"]] == [best.number, *best.values]
        assert [point["trial"] for point in output["front"]] == [trial.number for trial in front[::-1]]
        assert output["verdict"]["savings"]
        assert main(["show", str(path)]) == 0
        assert f"trial {best.number}, complete, {best.values[0]:.4f}, {best.values[1]:.1f} tokens per" in (
            capsys.readouterr().out
        )
        assert main(["fsck", str(path)]) == 0
        assert main(["report", str(path), "-o", str(tmp_path / "r.html")]) == 0
        capsys.readouterr()
        for arguments, expected in (([], best), (["--trial", str(front[-1].number)], front[-1])):
            assert main(["export", str(path), "--to", "json", *arguments]) == 0
            provenance = json.loads(capsys.readouterr().out)["provenance"]
            assert [provenance["trial"], provenance["score"]] == [expected.number, score_of(expected)]
            assert provenance["tokens_per_sample"] == expense_of(expected)
            assert provenance["samples"] == 10
        assert trace(study).trial == best.number

    def test_the_report_shows_the_front_that_the_study_searched_for(
        self, searched: tuple[Tuner, optuna.Study, Path]
    ) -> None:
        _, study, path = searched
        figure = plot_quality(study, str(path))
        (line,) = [trace for trace in figure.data if trace.name == "Pareto front"]
        front = pareto_front(study)
        assert list(line.x) == [expense_of(trial) for trial in reversed(front)]
        assert list(line.y) == [score_of(trial) for trial in reversed(front)]
        (complete,) = [trace for trace in figure.data if trace.name == "complete"]
        assert "tokens" in complete.hovertemplate
        assert "temperature=" in complete.customdata[0][1]
        page = render_report(study, str(path))
        assert "The Pareto front" in page
        assert "The study searched for this front" in page
        assert page.count(">tokens held out</th>") == 1
        record = read_study(study, str(path))
        assert record.minimized == record.expense == EXPENSES["tokens"]
        assert [tuple(trial.reported) for trial in record.trials] == [(4, 8, 10)] * 14

    def test_notes_and_figures_for_the_dashboard(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, path = searched
        storage = open_storage(f"sqlite:///{path}")
        annotations = Annotations(study, storage, None)
        annotations.write_missing_notes()
        annotations.write_study_note()
        annotations.draw()
        assert not annotations._reported
        note = get_note(study)
        assert "| tokens |" in note
        assert "front 1" in note.replace("\\", "")
        kept = storage.get_study_system_attrs(storage.get_study_id_from_name(study.study_name))
        drawn = {name for name in _FIGURES if any(name in key for key in kept)}
        assert drawn >= {"Quality-and-tokens", "History", "Learning-curves", "Importances", "Baselines-and-best"}
        trial = study.trials[3]
        kept_note = get_note_from_system_attrs(kept, storage.get_trial_id_from_study_id_trial_number(1, 3))["body"]
        assert f"Trial 3: {trial.values[0]:.4f}" in kept_note

    def test_fsck_finds_a_number_of_tokens_that_was_changed(
        self, searched: tuple[Tuner, optuna.Study, Path], tmp_path: Path
    ) -> None:
        _, _, path = searched
        for statement, expected in (
            ("UPDATE trial_values SET value = value + 1 WHERE trial_id = 3 AND objective = 1", "tokens per sample are"),
            ("DELETE FROM trial_values WHERE trial_id = 3 AND objective = 1", "its value is None, but"),
            ("DELETE FROM study_directions WHERE objective = 1", "its direction is maximize, but it was created to"),
        ):
            copy = tmp_path / "copy.db"
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
                target.execute(statement)
                target.commit()
            problems = [str(problem) for problem in check_database(f"sqlite:///{copy}").problems]
            assert any(expected in problem for problem in problems), problems

    @pytest.mark.full
    def test_progress_and_events(self, capfd: pytest.CaptureFixture[str]) -> None:
        events: list[dict[str, Any]] = []
        study = search_both(ending_tuner(), None, 3, show_progress=True, on_event=events.append)
        last = study.trials[2]
        shown = capfd.readouterr().err
        assert f"trial 2: {last.values[0]:.4f}, {last.values[1]:.1f} tokens" in shown
        assert f"front of {len(pareto_front(study))})" in shown
        assert [event["score"] for event in events if event["event"] == "trial_finished"] == [
            score_of(trial) for trial in study.trials
        ]


class TestStudyFile:
    TEXT = STUDY.format(trials=5).replace("rungs = 4", 'rungs = 4\nobjectives = ["score", "tokens"]')

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('"tokens"]', '"latency"]', "`latency` cannot be an objective"),
            ("[space]", '[sampler]\nname = "cmaes"\n[space]', "cmaes sampler does not work with several objectives"),
            ("[space]", "[pruner]\nalpha = 0.1\n[space]", "paired pruner does not work with several objectives"),
            ("rungs = 4", "patience = 3", r"`patience` in \[study\] does not work with several objectives"),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, old: str, new: str, message: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=message):
            StudyFile.parse(self.TEXT.replace(old, new), name="x", directory=tmp_path)
        with pytest.raises(StudyFileError, match=r"`objectives` in \[study\] must be a list"):
            StudyFile.parse(self.TEXT.replace('["score", "tokens"]', '"tokens"'), name="x", directory=tmp_path)

    @pytest.mark.full
    def test_a_file_is_searched_and_recorded(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_model_and_rows(tmp_path, ROWS)
        (tmp_path / "x.toml").write_text(f'{self.TEXT}\n[generation]\nstop = ["e", "a"]\n')
        assert main(["run", str(tmp_path / "x.toml"), "--quiet", "--json"]) == 0
        (end,) = [
            event
            for line in capsys.readouterr().out.splitlines()
            if (event := json.loads(line))["event"] == "search_finished"
        ]
        assert end["best"] == end["front"][-1]
        assert main(["run", str(tmp_path / "x.toml"), "--quiet"]) == 0
        assert record_landscape.main([str(tmp_path / "x.toml"), "--configs", "3", "--quiet"]).scores.shape[0] == 3


@pytest.mark.full
def test_the_code_of_the_documentation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = [
        block for block in blocks("python", PAGES["docs/how-to/objectives_and_cost.md"]) if "objectives=" in block
    ]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"tuner": ending_tuner(holdout_size=6), "space": SPACE}
    exec(block.replace("n_trials=24", "n_trials=9, show_progress=False"), names)
    assert len(names["both"].trials) == 9
    assert "`front 1` (trial " in capsys.readouterr().out
