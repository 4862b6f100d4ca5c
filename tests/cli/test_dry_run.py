"""``run --dry-run``: samples as the model sees them, what to expect, and nothing stored."""

from pathlib import Path
from typing import Any

import pytest
from study_files import QUESTIONS, STUDY, write_model_and_rows

from llmsearch_optuna.cli import main
from llmsearch_optuna.data.task import Sample
from llmsearch_optuna.engine.base import Stopping
from llmsearch_optuna.engine.function import FunctionEngine
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.search.evaluation import GenerationObjective
from llmsearch_optuna.search.preview import preview
from llmsearch_optuna.space.dimensions import Float
from llmsearch_optuna.space.search_space import SearchSpace


def test_it_shows_samples_and_what_to_expect_and_stores_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model_and_rows(tmp_path, QUESTIONS)
    path = tmp_path / "x.toml"
    path.write_text(STUDY.format(trials=9).replace("search_size = 8", "search_size = 8\nholdout_size = 6"))
    before = sorted(file.name for file in tmp_path.iterdir())
    price = "study.price={ input = 1000, output = 2000 }"
    assert main(["run", str(path), "--dry-run", "--max-tokens", "200", "--set", price]) == 0
    output = capsys.readouterr().out
    assert output.count("prompt: ") == output.count("completion: ") == 3
    assert "Is 1" in output
    assert '{"answer": "yes"}' in output
    assert "9 trials x 8 samples = 72 evaluations, about 288 tokens" in output
    assert "`max_tokens_total` ends it at 200 tokens" in " ".join(output.split())
    assert "cost at most" in output
    assert sorted(file.name for file in tmp_path.iterdir()) == before


def objective(answers: list[str], metric: Any) -> GenerationObjective:
    samples = tuple(
        Sample(row=row, prompt=f"{row}", token_ids=(1,), reference={"answer": "1"}, max_new_tokens=None)
        for row in range(40)
    )
    return GenerationObjective(
        engine=FunctionEngine(lambda prompts, params: [answers[int(prompt) % len(answers)] for prompt in prompts]),
        metric=make_metric(metric),
        stopping=Stopping(),
        samples=samples,
        space=SearchSpace(temperature=Float(0.5, 1.5), max_new_tokens=4),
        rungs=(40,),
    )


def test_what_the_hold_out_shows_follows_from_the_scores() -> None:
    shown = preview(objective(["1", "0"], "exact_match"), trials=5, held_out=200, seed=1).expectations
    # The standard deviation of the scores is 0.516, and (1.96 + 0.84) x 0.516 / sqrt(200) is 0.102.
    assert shown["hold-out"].startswith(
        "200 samples show gains from about 0.1, as far as the scores of 16 samples tell"
    )
    assert shown["at most"].startswith("5 trials x 40 samples = 200 evaluations")
    assert shown["at most"].endswith("take from it")
    fewer = preview(objective(["1", "0"], "exact_match"), trials=5, held_out=50, seed=1, named_baselines=1).expectations
    assert fewer["hold-out"].startswith("50 samples show gains from about 0.2")
    assert shown["verdict"].startswith("3 to 17 passes over 200 held-out samples")
    assert fewer["verdict"].startswith("3 to 21 passes over 50 held-out samples")


def test_without_a_hold_out_or_a_spread_of_scores_nothing_is_claimed() -> None:
    assert (
        "without a verdict"
        in preview(objective(["1"], "exact_match"), trials=5, held_out=0, seed=1).expectations["hold-out"]
    )
    assert "hold-out" not in preview(objective(["1"], "exact_match"), trials=5, held_out=50, seed=1).expectations
    assert "hold-out" not in preview(objective(["1"], "bleu"), trials=5, held_out=50, seed=1).expectations
