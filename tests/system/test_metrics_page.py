"""The page of metrics and the command that shows them. `python tests/system/test_metrics_page.py` updates the page."""

from pathlib import Path

import pytest

from llmsearch_optuna.cli import main
from llmsearch_optuna.metrics import BUILT_IN_METRICS, describe_metric, metric_text, metrics_page

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_made_from_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == metrics_page(), "run python tests/system/test_metrics_page.py"


@pytest.mark.parametrize("name", BUILT_IN_METRICS)
def test_every_metric_is_described(name: str) -> None:
    metric = describe_metric(name)
    assert metric.summary.endswith(".")
    assert metric.reference
    assert "``" not in metric_text(name)
    for argument in metric.arguments:
        assert argument.meaning.endswith(".") or argument.meaning.endswith("...")
        assert f"- `{argument.name}` ({argument.kinds}, {argument.default}): {argument.meaning}" in metric_text(name)


def test_defaults_are_written_as_in_a_study_file() -> None:
    arguments = {argument.name: argument for argument in describe_metric("regex").arguments}
    assert (arguments["pattern"].kinds, arguments["pattern"].default) == ("str", "required")
    assert (arguments["group"].kinds, arguments["group"].default) == ("int or str", "optional")
    assert arguments["first"].default == "default: false"
    assert describe_metric("choice").arguments[0].default == 'default: "ABCD"'


def test_the_command_lists_and_describes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(BUILT_IN_METRICS)
    assert main(["metrics", "bleu"]) == 0
    text = capsys.readouterr().out
    assert '- `tokenize` (str, default: "13a"): ' in text
    assert "- scores all samples together, from 0 to 1" in text
    assert main(["metrics", "rogue1"]) == 1
    assert capsys.readouterr().err == "llmsearch-optuna: unknown metric `rogue1`: did you mean `rouge1`?\n"


if __name__ == "__main__":
    PAGE.write_text(metrics_page(), encoding="utf-8")
