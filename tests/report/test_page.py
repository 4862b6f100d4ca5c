"""One self-contained page: complete, and deaf to what the texts in it say."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hostile_texts import EVIL, HOSTILE
from optuna.trial import TrialState, create_trial
from pages import HOSTILE_PLAN, Page, make_hostile
from plotly.offline import get_plotlyjs_version

from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.report import render_report, write_report
from llmsearch_optuna.report.drawing import draw_standings
from llmsearch_optuna.report.outcomes import summarize_finalists
from llmsearch_optuna.report.record import read_study
from llmsearch_optuna.storage import open_storage
from llmsearch_optuna.study.attributes import FINGERPRINT, STUDY_FILE, VERDICT
from llmsearch_optuna.terminal import excerpt, printable
from llmsearch_optuna.verdict.comparison import Comparison
from studies.benchmarks.synthetic_studies import SPACE, Plan, Written, write_study

FIGURES = {"standings", "history", "curves", "importances", "quality", "seeds", "heat-map", "cost-figure"}


def policy_of(page: Page) -> dict[str, list[str]]:
    contents = [str(value) for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    (policy,) = [content for content in contents if "default-src" in content]
    return {words[0]: words[1:] for words in (part.split() for part in policy.split(";"))}


def test_the_page_has_everything_and_needs_nothing(written: Written) -> None:
    study, storage = written()
    page = Page(render_report(study, storage))
    figures = {name.removesuffix("-data") for name in page.data}
    assert figures == FIGURES | {"slice-0", "slice-1", "slice-2", "browser"}
    assert study.user_attrs["llmsearch_verdict"]["sentence"].replace("`", "")[1:] in page.words
    assert not [name for _, name, _ in page.attributes if name in ("src", "action") or name.startswith("on")]
    links = [str(value) for _, name, value in page.attributes if name == "href"]
    assert links
    assert all(re.fullmatch(r"#[\w-]+", link) for link in links)
    ids = {value for _, name, value in page.attributes if name == "id"}
    assert {link[1:] for link in links} <= ids


@pytest.mark.full
def test_only_our_two_scripts_may_run(written: Written) -> None:
    page = Page(render_report(*written()))
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert len(page.scripts) == 2
    bundle = next(script for script in page.scripts if "plotly.js (cartesian - minified) v" in script)
    assert (
        f"v{get_plotlyjs_version().partition('.')[0]}." in bundle[:200]
    )  # the major version that the figures are made for
    hashes = {
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in page.scripts
    }
    assert set(policy["script-src"]) == hashes
    assert policy["img-src"] == ["data:", "blob:"]
    assert "connect-src" not in policy


@pytest.mark.full
def test_every_trial_is_listed(written: Written) -> None:
    study, storage = written()
    content = render_report(study, storage)
    assert content.count("<td>complete</td>") == 9
    assert content.count("<td>pruned</td>") == 4
    assert content.count("<td>fail</td>") == 1
    assert "row 3 scored nan" in content
    assert "All 14 trials" in content


@pytest.mark.full
def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db", HOSTILE_PLAN)
    make_hostile(study, storage)
    content = render_report(study, storage)
    content.encode()
    page, usual = Page(content), Page(render_report(*write_study(tmp_path / "y.db", Plan())))
    assert set(page.tags) <= set(usual.tags) | {"details", "summary"}
    assert page.scripts == usual.scripts
    assert not [name for _, name, _ in page.attributes if name in ("src", "action") or name.startswith("on")]
    shown = [sample["texts"] for sample in page.data["browser-data"]["samples"]]
    expected = {printable(excerpt(text, 4000), newlines=True) for text in HOSTILE.values()}
    assert {text for texts in shown for text in texts} == expected
    assert printable(EVIL) in page.words
    hidden = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\u2028\u2029]")
    assert not hidden.search(page.words)


def test_the_page_is_small(written: Written) -> None:
    """Plotly's bundle is in it once, and only with what the figures need; the whole bundle has 4.8 MB."""
    content = render_report(*written())
    assert len(content.encode()) < 1_700_000
    kinds = {trace["type"] for data in Page(content).data.values() for trace in data.get("data", ())}
    assert kinds <= {"bar", "heatmap", "scatter"}


@pytest.mark.full
def test_model_data_and_sizes_are_in_the_header(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db")
    header = Page(render_report(study, storage)).words.partition("What now")[0]
    for words in ("model unknown", "data rows passed in Python", "16 search samples, 12 held out"):
        assert words in header
    text = "[model]\nname = 'org/small'\n[data]\npath = 'rows.jsonl'\n"
    study.set_user_attr(STUDY_FILE, {"text": text, "directory": "."})
    header = Page(render_report(study, storage)).words.partition("What now")[0]
    assert "model org/small" in header
    assert "data rows.jsonl" in header


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(), "keep greedy"),
        (Plan(held_out=0), "Hold out samples (holdout_size, 50 or more)"),
        (Plan(by_sample=False), "Compare the best with the baselines"),
        (Plan(baselines=False), "Search again with a baseline"),
        (Plan(complete=False), "run it again: it resumes where it stopped"),
        (Plan(trials=0, baselines=False), "Start the search"),
        (Plan(trials=4, failed=1, baselines=False, error="disk is full"), "4 of 4 trials failed with: disk is full"),
    ],
)
def test_the_page_tells_what_to_do_now(plan: Plan, words: str, written: Written) -> None:
    content = render_report(*written(plan))
    section = Page(content[content.index('class="card next"') :].partition("</div>")[0]).words
    assert words in section


def test_an_improvement_is_exported(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db")
    verdict = study.user_attrs[VERDICT]
    shown = [{**entry, "low": 0.1} if entry["name"] == "best" else entry for entry in verdict["comparisons"]]
    study.set_user_attr(VERDICT, {**verdict, "comparisons": shown})
    words = Page(render_report(study, storage)).words
    assert "Improvement shown" in words
    trial = next(entry["trial"] for entry in verdict["finalists"] if entry["name"] == "best")
    command = f"llmsearch-optuna export {tmp_path / 'x.db'} --study synthetic --trial {trial} --to hf -o best"
    assert command in words


@pytest.mark.full
def test_settings_and_space_are_tables(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db")
    parameters = {
        "temperature": {"low": 0.3, "high": 2.0, "log": True, "step": None},
        "top_k": {"choices": [None, 5], "when": {"do_sample": [True]}},
        "max_new_tokens": 4,
    }
    space = {"parameters": parameters, "order": ["temperature", "top_k"]}
    study.set_user_attr(FINGERPRINT, {**study.user_attrs[FINGERPRINT], "space": space})
    content = render_report(study, storage)
    for cells in (
        ("temperature", "0.3 to 2.0", "logarithmic"),
        ("top_k", "unset, 5", "one of these, only if do_sample is true"),
        ("max_new_tokens", "4", "fixed"),
        ("splits: search", "16"),
    ):
        row = "".join(f"<td[^>]*>{re.escape(cell)}</td>" for cell in cells)
        assert re.search(row, content), cells
    assert "&#34;low&#34;" not in content


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(complete=False), "No trial is fully evaluated yet. 14 trials have started."),
        (Plan(trials=0, baselines=False), "No trial has started yet"),
        (Plan(held_out=0), "No verdict: no samples are held out"),
        (Plan(held_out=0, trials=1, baselines=False), "The best of 1 fully evaluated trials, trial 0"),
        (Plan(by_sample=False), "compares it with the baselines on held-out samples"),
        (Plan(maximize=False), "lower is better"),
        (Plan(baselines=False), "No verdict: the study has no fully evaluated baseline"),
        (Plan(trials=0), "trials: 2 complete"),
    ],
)
def test_a_page_for_any_study(plan: Plan, words: str, written: Written) -> None:
    page = Page(render_report(*written(plan)))
    assert words in page.words
    assert ("heat-map-data" in page.data) == (plan.by_sample and plan.complete and (plan.trials > 0 or plan.baselines))
    assert ("browser-data" in page.data) == (plan.complete and plan.trials + 2 * plan.baselines > 1)
    assert "nan" not in re.sub(r"scored nan", "", page.words).split()


def test_a_page_while_the_first_trials_run(tmp_path: Path) -> None:
    """A parameter on a logarithmic scale that no finished trial chose."""
    study, storage = write_study(tmp_path / "x.db", Plan(trials=0))
    chosen = {"temperature": 0.5, "top_k": 5, "generation_seed": 0}
    study.add_trial(create_trial(state=TrialState.RUNNING, params=chosen, distributions=SPACE))
    assert "1 running" in Page(render_report(study, storage)).words


@pytest.mark.full
def test_the_gain_of_an_earlier_best_is_not_shown_for_the_present_one(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db")
    verdict = study.user_attrs["llmsearch_verdict"]
    (gain,) = [str(Comparison(**stored)) for stored in verdict["comparisons"] if stored["name"] == "best"]
    assert f'<td class="gain">{gain}</td>' in render_report(study, storage)
    finalists = [
        {**finalist, "trial": 99} if finalist["name"] == "best" else finalist for finalist in verdict["finalists"]
    ]
    study.set_user_attr("llmsearch_verdict", {**verdict, "finalists": finalists})
    assert f'<td class="gain">{gain}</td>' not in render_report(study, storage)
    record = read_study(study, storage)
    assert "trial 99" in {finalist.name for finalist in record.held_out}
    draw_standings(record, summarize_finalists(record))


@pytest.mark.full
def test_an_outdated_verdict_says_so(tmp_path: Path) -> None:
    study, storage = write_study(tmp_path / "x.db")
    assert "continued since" not in render_report(study, storage)
    study.set_user_attr("llmsearch_verdict", {**study.user_attrs["llmsearch_verdict"], "best": "runner-up 1"})
    assert "The search has continued since" in Page(render_report(study, storage)).words


@pytest.mark.full
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    study, _ = write_study(tmp_path / "x.db")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "x.db"]) == 0
    assert capsys.readouterr().out == "report of study `synthetic`: report.html\n"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page == render_report(study, open_storage("sqlite:///x.db"))
    assert main(["report", "x.db", "-o", "new/page.html", "--study", "synthetic"]) == 0
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == page


@pytest.mark.full
def test_what_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, storage = write_study(tmp_path / "x.db")
    storage.engine.dispose()  # the last connection that closes may write to the file
    content = (tmp_path / "x.db").read_bytes()
    for output, message in (
        (tmp_path / "x.db", "`--output` must not be the database itself"),
        (tmp_path, "the report cannot be written to"),
        (tmp_path / "x.db" / "y.html", "the report cannot be written to"),
    ):
        assert main(["report", str(tmp_path / "x.db"), "-o", str(output)]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert main(["report", str(tmp_path / "no.db")]) == 1
    assert (tmp_path / "x.db").read_bytes() == content


@pytest.mark.full
def test_a_page_that_cannot_be_written(written: Written, tmp_path: Path) -> None:
    study, storage = written()
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="the report cannot be written"):
        write_report(study, storage, tmp_path / "file" / "page.html")
