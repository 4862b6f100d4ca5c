"""Pages that are made from the code. ``python tests/helpers/reference_pages.py`` updates them."""

import re
import tomllib

import pytest
from documentation import PAGES, blocks
from reference_pages import LLMS, SECTIONS, llms_txt, with_parts

import llmsearch_optuna
from llmsearch_optuna import errors
from llmsearch_optuna.cli import main
from llmsearch_optuna.cli.arguments import make_parser
from llmsearch_optuna.metrics import BUILT_IN_METRICS, describe_metric, metric_text
from llmsearch_optuna.search.pruners import PRUNERS
from llmsearch_optuna.search.samplers import SAMPLERS
from llmsearch_optuna.space.params import PARAMETERS
from llmsearch_optuna.study_file.sections import _options

STUDY_FILE, PARAMETERS_PAGE, COMMANDS, PYTHON = (
    PAGES[f"docs/reference/{name}.md"] for name in ("study_file", "parameters", "commands", "python")
)


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if "<!-- made from the code" in page])
def test_a_page_is_up_to_date(name: str) -> None:
    assert with_parts(PAGES[name]) == PAGES[name], "run python tests/helpers/reference_pages.py"


def test_llms_txt_is_up_to_date() -> None:
    assert LLMS.read_text(encoding="utf-8") == llms_txt(), "run python tests/helpers/reference_pages.py"
    assert re.match(r"# .+\n\n> .+\n\n## .+\n\n- \[.+\]\(.+\.md\): .+", llms_txt())


def test_the_examples_have_all_keys() -> None:
    text = re.sub(r"^# (?=\w+ = )", "", "\n".join(blocks("toml", STUDY_FILE)[:2]), flags=re.MULTILINE)
    example = tomllib.loads(text)
    (track,) = blocks("toml", PAGES["docs/how-to/tracking.md"])
    example |= tomllib.loads(track)
    others = {"prompt_template", "prompt_jinja", "messages_col"}  # in place of messages
    tasks = {"task", "task_seed", "size", "task_args", "include_path", "num_fewshot", "apply_chat_template"}
    for section, kind in SECTIONS.items():
        assert set(_options(kind)) - set(example[section]) <= others | tasks | {"task_metric", "task_filter"}, section


def test_every_name_is_described() -> None:
    for name in (*SAMPLERS, *PRUNERS):
        assert f"- `{name}`" in STUDY_FILE
    for name in PARAMETERS:
        assert f"| `{name}` |" in PARAMETERS_PAGE
    for name in llmsearch_optuna.__all__:
        assert f"### {name}\n" in PYTHON
    for name in errors.__all__:
        assert f"- `{name}`" in PYTHON or name.islower()
    for name in re.findall(r"^    (\w+)(?: +\w|$)", make_parser().format_help(), re.MULTILINE):
        assert f"## {name}\n" in COMMANDS


@pytest.mark.parametrize("name", BUILT_IN_METRICS)
def test_every_metric_is_described(name: str) -> None:
    choice = re.search(rf"^\|.+\| .*`{name}`", PAGES["docs/how-to/own_metric.md"], re.MULTILINE)
    assert choice or name == "judge", f"the table of docs/how-to/own_metric.md lacks {name}"
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
