"""The cost of tokens: as an objective, as a limit, and in all that shows a study."""

import json
import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
from fake_server import FakeServer
from hand_made_studies import refused
from interruptions import interrupted
from study_files import STUDY, write_model_and_rows
from tiny_studies import ROWS, SPACE, ending_tuner, everything, make_tuner, scorer, search

from llmsearch_optuna import Categorical, OpenAIServer, SearchSpace, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.dashboard.markdown import study_note, trial_note
from llmsearch_optuna.errors import ConfigurationError, FingerprintError, StudyFileError
from llmsearch_optuna.export import trace
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.report import plot_quality, read_study, render_report
from llmsearch_optuna.report.outcomes import cost
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, TokenCounts, open_storage
from llmsearch_optuna.study.attributes import PRICE, REUSED_FROM
from llmsearch_optuna.study.price import Price, stored_price
from llmsearch_optuna.study.ranking import expense, expense_of, pareto_front
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import reused_counts
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.verdict.finalists import finalists
from llmsearch_optuna.verdict.verdict import Verdict, stored_verdict

TABLE = {"input": 2.0, "output": 30.0}
RATES = Price.of(TABLE).rates_of(GenerationParams())
BOTH = ["score", "cost"]


def store_of(path: Path) -> CompletionStore:
    return CompletionStore(open_storage(f"sqlite:///{path}"))


def spent(study: optuna.Study, path: Path) -> float:
    """The cost of what was generated, not copied from another trial, from the stored completions."""
    store, key, total = store_of(path), study_key(study), 0.0
    for trial in study.trials:
        copied = len(store.load(key, trial.user_attrs[REUSED_FROM])) if REUSED_FROM in trial.user_attrs else 0
        total += RATES.cost(TokenCounts.of(store.load(key, trial.number)[copied:]))
    return total


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuner, optuna.Study, Path]:
    path = tmp_path_factory.mktemp("cost") / "x.db"
    tuner = ending_tuner(holdout_size=6)
    study = search(tuner, path, 12, objectives=BOTH, price=TABLE)
    tuner.confirm(study, show_progress=False)
    return tuner, study, path


class TestObjective:
    def test_the_values_are_the_costs_of_the_stored_tokens(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        tuner, study, path = searched
        assert study.metric_names == BOTH
        prompts = {sample.row: len(sample.token_ids) for sample in tuner.task.samples}
        for trial in study.trials:
            rows = store_of(path).load(study_key(study), trial.number)
            assert [row.prompt_token_count for row in rows] == [prompts[row.row] for row in rows]
            tokens = sum(len(row.token_ids) for row in rows)
            dollars = (2.0 * sum(prompts[row.row] for row in rows) + 30.0 * tokens) / 1e6
            assert trial.values[1] == pytest.approx(1000.0 * dollars / len(rows))
        front = pareto_front(study)
        assert len(front) > 2
        assert {tuple(trial.values) for trial in front} == {tuple(trial.values) for trial in study.best_trials}

    def test_a_search_that_is_resumed_ends_the_same(self, tmp_path: Path) -> None:
        arguments: dict[str, Any] = {"objectives": BOTH, "price": TABLE, "concurrency": 2}
        whole = search(ending_tuner(), tmp_path / "whole.db", 7, **arguments)
        with pytest.raises(KeyboardInterrupt):
            search(interrupted(ending_tuner(), 5), tmp_path / "parts.db", 7, **arguments)
        parts = search(ending_tuner(), tmp_path / "parts.db", 7, **arguments)
        assert everything(parts, tmp_path / "parts.db") == everything(whole, tmp_path / "whole.db")

    def test_another_price_is_another_study_only_if_the_cost_is_an_objective(self, tmp_path: Path) -> None:
        tuner, dearer = ending_tuner(), {**TABLE, "output": 60.0}
        search(tuner, tmp_path / "two.db", 2, objectives=BOTH, price=TABLE)
        with pytest.raises(FingerprintError, match=r"made with another price \(price..output: 30.0 then, 60.0 now"):
            search(tuner, tmp_path / "two.db", 2, objectives=BOTH, price=dearer)
        with pytest.raises(FingerprintError, match="other objectives"):
            search(tuner, tmp_path / "two.db", 2, price=TABLE)
        path = tmp_path / "one.db"
        costs = []
        for price in (None, TABLE, dearer):
            study = search(tuner, path, 2, price=price)
            costs.append(cost(read_study(study, str(path))).spent)
        assert costs[0] is None
        counts = TokenCounts.of(
            row for trial in study.trials for row in store_of(path).load(study_key(study), trial.number)
        )
        assert costs[1:] == [
            pytest.approx(Price.of(price).rates_of(GenerationParams()).cost(counts)) for price in (TABLE, dearer)
        ]
        assert PRICE in study.user_attrs
        assert stored_price(search(tuner, path, 2)) is None

    def test_anybodys_study_can_minimise_the_cost(self) -> None:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(0))
        study.optimize(ending_tuner().objective(SPACE, rungs=8, objectives=BOTH, price=TABLE), n_trials=2)
        assert all(trial.values[1] > 0.0 for trial in study.trials)
        with pytest.raises(ConfigurationError, match="`cost` cannot be an objective without a price of tokens"):
            ending_tuner().objective(SPACE, objectives=BOTH)

    def test_a_function_has_no_price(self) -> None:
        tuner = make_tuner(model=None, custom_pred_function=lambda prompts, params: prompts)
        text = refused(ConfigurationError, lambda: search(tuner, None, 1, price=TABLE))
        assert text.startswith("`price` has no effect with custom_pred_function")

    def test_models_have_prices_only_on_a_server(self, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigurationError, match=r"`price` must be \{ input = ..., output = ... \}, or name the serv"
        ):
            search(make_tuner(), tmp_path / "x.db", 1, price={"m": TABLE})
        assert not (tmp_path / "x.db").exists()


class TestWhatShowsAStudy:
    def test_the_verdict_compares_costs(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        tuner, study, _ = searched
        verdict = tuner.confirm(study, show_progress=False)
        assert verdict.expense == "cost"
        assert [saving.name for saving in verdict.savings] == [other.name for other in verdict.comparisons]
        by_name = {result.name: result.cost for result in verdict.finalists}
        assert verdict.reference is not None
        for saving in verdict.savings:
            reference, finalist = by_name[verdict.reference], by_name[saving.name]
            assert reference is not None
            assert finalist is not None
            assert saving.gain == pytest.approx(reference - finalist)
        assert {result.tokens for result in verdict.finalists} == {None}
        assert "per 1,000 samples" in " ".join(verdict.front_sentences)
        assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict

    def test_every_command(
        self, searched: tuple[Tuner, optuna.Study, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, study, path = searched
        best = pareto_front(study)[0]
        assert main(["best", str(path)]) == 0
        assert "cost" in capsys.readouterr().out
        assert main(["best", str(path), "--json"]) == 0
        output = json.loads(capsys.readouterr().out)
        assert output["cost_per_1000_samples"] == best.values[1]
        assert "tokens_per_sample" not in output
        assert main(["show", str(path)]) == 0
        assert f"{best.values[1]:.4g} cost per 1,000 samples" in capsys.readouterr().out
        provenance = trace(study)
        assert (provenance.tokens_per_sample, provenance.cost_per_1000_samples) == (None, best.values[1])

    def test_notes(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, path = searched
        assert "| cost |" in study_note(finalists(study), None, second=expense(study))
        rows, store = store_of(path).load(study_key(study), 0), store_of(path)
        samples = {sample.position: sample for sample in store.load_samples(study_key(study))}
        note = trial_note(study.trials[0], rows, samples, greater_is_better=True, price=stored_price(study))
        assert f"| cost | {RATES.cost(TokenCounts.of(rows)):.4g} |" in note

    def test_the_report(self, searched: tuple[Tuner, optuna.Study, Path]) -> None:
        _, study, path = searched
        (line,) = [trace for trace in plot_quality(study, str(path)).data if trace.name == "Pareto front"]
        assert list(line.x) == [pytest.approx(expense_of(trial)) for trial in reversed(pareto_front(study))]
        total = cost(read_study(study, str(path)))
        assert total.spent == pytest.approx(spent(study, path))
        assert total.held_out_spent is not None
        page = render_report(study, str(path))
        for words in ("cost of the search at its price", "cost of the verdict", "cost held out", "as low a cost as"):
            assert words in page
        assert "Quality against cost" in page

    def test_a_price_alone_is_shown_beside_the_scores(self, tmp_path: Path) -> None:
        path, tuner = tmp_path / "x.db", ending_tuner(holdout_size=6)
        study = search(tuner, path, 5, price=TABLE)
        verdict = tuner.confirm(study, show_progress=False)
        assert (verdict.expense, verdict.savings) == (None, ())
        assert all(result.cost is not None for result in verdict.finalists)
        assert "cost" not in verdict.sentence
        assert read_study(study, str(path)).expense.name == "cost"
        assert "cost held out" in render_report(study, str(path))

    def test_the_verdict_follows_the_price(self, tmp_path: Path) -> None:
        path, tuner = tmp_path / "x.db", ending_tuner(holdout_size=6)
        verdict = tuner.confirm(search(tuner, path, 5, price=TABLE), show_progress=False)
        expected = [result.cost for result in verdict.finalists]
        assert None not in expected
        stored: Verdict | None = None
        for factor in (3.0, None, 1.0):
            price = None if factor is None else {name: factor * rate for name, rate in TABLE.items()}
            stored = stored_verdict(search(tuner, path, 5, price=price))
            assert stored is not None
            costs = [result.cost for result in stored.finalists]
            assert costs == [
                None if factor is None or cost is None else pytest.approx(factor * cost) for cost in expected
            ]
            assert (stored.comparisons, stored.sentence) == (verdict.comparisons, verdict.sentence)
        assert stored is not None
        assert stored.finalists == verdict.finalists

    def test_a_value_that_does_not_fit_its_tokens_is_found(
        self, searched: tuple[Tuner, optuna.Study, Path], tmp_path: Path
    ) -> None:
        _, _, path = searched
        assert check_database(f"sqlite:///{path}").whole
        copy = tmp_path / "copy.db"
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("UPDATE trial_values SET value = 7 WHERE objective = 1 AND trial_id = 2")
            target.commit()
        (problem,) = check_database(f"sqlite:///{copy}").problems
        assert "its cost of 1,000 samples is 7.0, but its completions have " in str(problem)


class TestLimit:
    def test_two_runs_share_it(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path, arguments = tmp_path / "x.db", {"price": TABLE, "concurrency": 2, "pruner": "none"}
        whole = search(ending_tuner(), tmp_path / "whole.db", 6, **arguments)
        total = spent(whole, tmp_path / "whole.db")
        with caplog.at_level(logging.INFO):
            study = search(ending_tuner(), path, 6, max_cost=total / 2, **arguments)
        first = spent(study, path)
        assert total / 2 <= first < total
        assert f"{first:.4g} is spent, the limit is {total / 2:g}" in caplog.text
        again = search(ending_tuner(), path, 6, max_cost=total / 2, **arguments)
        assert spent(again, path) == first
        more = search(ending_tuner(), path, 6, max_cost=2 * total, **arguments)
        assert everything(more, path) == everything(whole, tmp_path / "whole.db")

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # threads share the filters
    def test_two_workers_share_it(self, server_url: str) -> None:
        arguments: dict[str, Any] = {"rungs": 4, "price": TABLE, "concurrency": 1, "storage": server_url}
        arguments |= {"n_trials": 200, "show_progress": False, "max_cost": 0.008}
        tuners = [ending_tuner(), ending_tuner()]
        workers = [threading.Thread(target=tuner.search, args=(SPACE,), kwargs=arguments) for tuner in tuners]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        study = optuna.load_study(study_name="llmsearch", storage=server_url)
        counts = CompletionStore(open_storage(server_url)).count_tokens(study_key(study))
        total = sum(RATES.cost(count) for count in counts.values())
        copied = sum(RATES.cost(reused_counts(trial)) for trial in study.trials)
        rung = 4 * RATES.cost(TokenCounts(generated=4, prompt=30))
        assert 0.008 <= total - copied <= 0.008 + 4 * rung
        assert len(study.trials) < 200

    def test_prompts_that_an_earlier_version_did_not_count_are_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "x.db"
        study = search(ending_tuner(), path, 3)
        with closing(sqlite3.connect(path)) as connection:  # back to version 3
            for table in ("llmsearch_completions", "llmsearch_held_out"):
                connection.execute(f"ALTER TABLE {table} DROP COLUMN prompt_token_count")
            connection.execute("UPDATE llmsearch_schema SET version = 3")
            connection.commit()
        study = search(ending_tuner(), path, 5, price=TABLE, max_cost=1000.0)
        assert len(study.trials) == 5
        assert "`max_cost` does not count the prompts of 3 trials" in caplog.text
        record = read_study(study, str(path))
        assert [trial.cost is None for trial in record.trials] == [True] * 3 + [False] * 2
        assert record.expense.name == "tokens"
        assert cost(record).spent is None


class TestServer:
    def tuner(self, server: FakeServer, **changes: Any) -> Tuner:
        remote = OpenAIServer(base_url=server.base_url, model="small", probe=False)
        arguments: dict[str, Any] = {
            "server": remote,
            "dataset": ROWS[:8],
            "scorer": scorer,
            "prompt_template": "{question}",
            "column_mapping": {"input_cols": ["question"], "eval_cols": ["answer"]},
        }
        server.models = ["small", "large"]
        return Tuner(**{**arguments, **changes})

    def test_each_model_costs_its_own_price(self, server: FakeServer, tmp_path: Path) -> None:
        space = SearchSpace.of({"body.model": Categorical(["small", "large"]), "temperature": 0.7, "max_new_tokens": 4})
        large = {"input": 20.0, "output": 100.0, "thinking": 50.0}
        path, price = tmp_path / "x.db", {"small": TABLE, "large": large}
        arguments: dict[str, Any] = {"storage": path, "show_progress": False, "objectives": BOTH, "rungs": 4}
        study = self.tuner(server).search(space, n_trials=5, price=price, **arguments)
        rates = {"small": RATES, "large": Price.of(large).rates_of(GenerationParams())}
        used = set()
        for trial in study.trials:
            rows = store_of(path).load(study_key(study), trial.number)
            assert [row.prompt_token_count for row in rows] == [5] * 8
            model = trial.params.get("body.model", "small")
            used.add(model)
            assert trial.values[1] == pytest.approx(rates[model].per_samples(TokenCounts.of(rows), 8))
        assert used == {"small", "large"}
        assert len(pareto_front(study)) >= 1
        page = render_report(study, str(path))
        assert "Score against cost by variant" in page

    def test_a_server_without_usage_ends_the_search_in_one_line(self, server: FakeServer) -> None:
        server.tells_tokens = False
        space = SearchSpace(temperature=0.7, max_new_tokens=4)
        arguments: dict[str, Any] = {"n_trials": 9, "show_progress": False, "rungs": 4, "concurrency": 1}
        text = refused(ConfigurationError, lambda: self.tuner(server).search(space, price=TABLE, **arguments))
        assert text.startswith("`price` needs numbers of tokens, and the server does not report those of completions")
        assert len(server.requests) == 4
        assert len(self.tuner(server).search(space, **{**arguments, "n_trials": 2}).trials) == 2


class TestStudyFile:
    TEXT = STUDY.format(trials=3).replace(
        "rungs = 4", 'rungs = 4\nobjectives = ["score", "cost"]\nprice = { input = 0.5, output = 2 }\nmax_cost = 0.9'
    )

    def parse(self, text: str) -> StudyFile:
        return StudyFile.parse(text, name="x", directory=Path())

    def test_it_says_what_python_does(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_model_and_rows(tmp_path)
        (tmp_path / "x.toml").write_text(self.TEXT, encoding="utf-8")
        assert main(["run", str(tmp_path / "x.toml"), "--json"]) == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        finished = [event for event in events if event["event"] == "trial_finished"]
        assert all(event["cost"] > 0.0 for event in finished)
        (last,) = [event for event in events if event["event"] == "search_finished"]
        assert last["best"]["cost_per_1000_samples"] > 0.0
        assert self.parse(self.TEXT).with_limits(max_cost=0.1).study.max_cost == 0.1

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (
                "input = 0.5",
                "input = -0.5",
                "`price` in [study] must have numbers >= 0 per million tokens, got input = -0.5",
            ),
            ("output = 2", "outptu = 2", "unknown key in `price` `outptu`: did you mean `output`?"),
            (
                "price = { input = 0.5, output = 2 }\n",
                "",
                "`max_cost` in [study] needs a `price` of tokens, got 0.9 without one",
            ),
            ("max_cost = 0.9", "max_cost = 0", "`max_cost` in [study] must be > 0, got 0"),
            ("{ input = 0.5, output = 2 }", "0.5", "`price` in [study] must be a table, got 0.5"),
        ],
    )
    def test_what_is_wrong_is_refused_in_one_line(self, old: str, new: str, message: str) -> None:
        assert refused(StudyFileError, lambda: self.parse(self.TEXT.replace(old, new))) == message
