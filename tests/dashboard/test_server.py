"""optuna-dashboard, as a browser shows it, on real studies and on hostile ones."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from hostile_texts import make_tuner as make_hostile_tuner
from hostile_texts import search as hostile_search
from optuna_dashboard import get_note
from playwright.sync_api import Browser, Dialog, Page, expect
from tiny_studies import make_tuner, search

from llmsearch_optuna.cli import main
from llmsearch_optuna.dashboard.annotations import FIGURE_ORDER, report_path
from llmsearch_optuna.dashboard.markdown import SIGNATURE
from llmsearch_optuna.dashboard.server import annotate_studies, dashboard_server
from llmsearch_optuna.errors import ConfigurationError, StorageError
from llmsearch_optuna.storage import exclusive_use, open_storage
from studies.benchmarks.browser import visit

# Optuna's, of small studies, in the dashboard's own views.
pytestmark = pytest.mark.filterwarnings("ignore:.*importance:UserWarning")

HARMLESS_NOISE = "GPU stall due to ReadPixels"
"""What Chromium says of drawing without a graphics card."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a verdict and figures."""
    path = tmp_path_factory.mktemp("dashboard") / "x.db"
    tuner = make_tuner(holdout_size=4)
    tuner.confirm(search(tuner, path), seeds=1, show_progress=False)
    assert annotate_studies(f"sqlite:///{path}") is None
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of which every text is hostile."""
    path = tmp_path_factory.mktemp("hostile") / "x.db"
    hostile_search(make_hostile_tuner(), path)
    assert annotate_studies(f"sqlite:///{path}") is None
    return path


@contextlib.contextmanager
def served(path: Path) -> Iterator[str]:
    with dashboard_server(f"sqlite:///{path}", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def opened(browser: Browser, path: Path, place: str) -> Iterator[Page]:
    """A page of the dashboard, which must not complain, ask for a dialog, or reach for anything elsewhere."""
    with served(path) as address, visit(browser, f"{address}/dashboard/studies/1/{place}") as seen:
        dialogs: list[str] = []

        def on_dialog(dialog: Dialog) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        seen.page.on("dialog", on_dialog)
        yield seen.page
        assert [error for error in seen.errors if HARMLESS_NOISE not in error] == []
        assert [url for url in seen.requests if not url.startswith(address)] == []
        assert dialogs == []


def test_a_trial_has_a_note(browser: Browser, database: Path) -> None:
    with opened(browser, database, "trials?numbers=8") as page:
        expect(page.get_by_role("heading", name=re.compile(r"^Trial 8: 0\.\d{4} \[0\.\d+, 0\.\d+\]"))).to_be_visible()
        for name in ("Worst", "Lower quartile", "Median", "Upper quartile", "Best"):
            expect(page.get_by_role("heading", name=re.compile(f"^{name}: score 0"))).to_be_visible()
        expect(page.locator("code.language-text")).to_have_count(10)


def test_the_artifact_is_a_table(browser: Browser, database: Path) -> None:
    with opened(browser, database, "trials?numbers=0") as page:
        expect(page.get_by_text("trial_0_completions.jsonl")).to_be_visible()
        page.get_by_label("show artifact table").click()
        for column in ("row", "score", "completion", "reference", "prompt", "finish_reason", "tokens"):
            expect(page.get_by_role("columnheader", name=re.compile(rf"^{column}\b"))).to_be_visible()
        expect(page.get_by_role("cell", name="How many apples are 1?", exact=True)).to_be_visible()


def test_the_table_of_trials_has_the_columns(browser: Browser, database: Path) -> None:
    with opened(browser, database, "smartSelection") as page:
        for attribute in ("tokens", "tokens_per_s", "replayed", "finish_reasons", "pruned_at"):
            name = re.compile(rf"User\s?Attribute\s+{attribute}\b")
            expect(page.get_by_role("columnheader", name=name)).to_have_count(1)


def test_the_studys_note_is_the_verdict(browser: Browser, database: Path) -> None:
    study = optuna.load_study(study_name=None, storage=open_storage(f"sqlite:///{database}"))
    sentence = str(study.user_attrs["llmsearch_verdict"]["sentence"])
    with opened(browser, database, "note") as page:
        expect(page.get_by_role("heading", name=sentence, exact=True)).to_be_visible()


def test_the_note_leads_to_the_report(browser: Browser, database: Path) -> None:
    with opened(browser, database, "note") as page:
        page.get_by_role("link", name="The report").click()
        page.wait_for_selector("html[data-drawn]", state="attached")
        expect(page.locator(".verdict .sentence")).to_be_visible()


def test_figures_have_the_verdict_and_tell_why_there_are_two_importances(browser: Browser, database: Path) -> None:
    study = optuna.load_study(study_name=None, storage=open_storage(f"sqlite:///{database}"))
    verdict = str(study.user_attrs["llmsearch_verdict"]["sentence"])
    with opened(browser, database, "") as page:
        figures = page.locator(".js-plotly-plot")
        first = figures.filter(has=page.locator(".gtitle", has_text="Baselines and best"))
        text = first.locator(".annotation-text").first
        expect(text).to_contain_text(verdict[:40])
        importances = figures.filter(has=page.locator(".gtitle", has_text="Importances"))
        expect(importances.locator(".annotation-text")).to_contain_text("Hyperparameter Importance")


def test_the_figures_are_shown(browser: Browser, database: Path) -> None:
    with opened(browser, database, "") as page:
        for title in ("Baselines and best", "History", "Learning curves", "Quality and tokens", "Cost", "Samples"):
            expect(page.locator(".gtitle", has_text=title)).to_have_count(1)


@pytest.mark.parametrize("number", range(5))
def test_hostile_texts_do_no_harm_and_can_be_read(browser: Browser, hostile: Path, number: int) -> None:
    study = optuna.load_study(study_name=None, storage=open_storage(f"sqlite:///{hostile}"))
    note = get_note(optuna.Trial(study, study.trials[number]._trial_id))
    blocks = re.findall(r"^(`{3,})text\n(.*?)\n\1$", note, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 10
    with opened(browser, hostile, f"trials?numbers={number}") as page:
        codes = page.locator("code.language-text")
        expect(codes).to_have_count(10)
        assert [text.rstrip("\n") for text in codes.all_inner_texts()] == [text.rstrip("\n") for _, text in blocks]
        assert page.locator("main script, main img[src*='evil'], main a[href*='evil']").count() == 0


@pytest.mark.parametrize("place", ["", "note", "smartSelection"])
def test_hostile_names_do_no_harm(browser: Browser, hostile: Path, place: str) -> None:
    with opened(browser, hostile, place) as page:
        page.wait_for_load_state("networkidle")
        expect(page.get_by_text("(id=1)").first).to_be_visible()


class TestServer:
    def test_figures_are_in_a_fixed_order(self, database: Path) -> None:
        """optuna-dashboard alone has the order of a set of strings, another one in every process."""
        with served(database) as address, urllib.request.urlopen(f"{address}/api/studies/1") as answer:
            detail = json.loads(answer.read())
        names = [figure["id"] for figure in detail["plotly_graph_objects"]]
        assert len(names) >= 6
        assert names == [name for name in FIGURE_ORDER if name in names]
        assert len(detail["trials"]) == 9

    def test_it_shows_reports(self, database: Path) -> None:
        with served(database) as address:
            with urllib.request.urlopen(f"{address}{report_path(1)}") as answer:
                assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
                assert b"llmsearch_optuna report" in answer.read()
            for path in (report_path(99), report_path(1) + "x"):
                with pytest.raises(urllib.error.HTTPError, match="404"):
                    urllib.request.urlopen(f"{address}{path}")
            request = urllib.request.Request(f"{address}{report_path(1)}", headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request)

    def test_it_answers_to_this_machine_only(self, database: Path) -> None:
        with served(database) as address:
            with urllib.request.urlopen(f"{address}/api/studies") as answer:
                assert b"llmsearch" in answer.read()
            request = urllib.request.Request(f"{address}/api/studies", headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request)

    def test_a_wrong_or_taken_port_is_refused(self, database: Path) -> None:
        url = f"sqlite:///{database}"
        with pytest.raises(ConfigurationError, match=r"`--port` must be in \[0, 65535\], got 65536"):
            dashboard_server(url, 65536).__enter__()
        with (
            dashboard_server(url, 0) as server,
            pytest.raises(ConfigurationError, match="choose another with `--port`"),
        ):
            dashboard_server(url, server.server_port).__enter__()

    def test_there_must_be_a_database(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(StorageError, match="there is no database"):
            dashboard_server(f"sqlite:///{tmp_path}/x.db", 0).__enter__()
        assert main(["dashboard", str(tmp_path / "x.db")]) == 1
        assert "there is no database" in capsys.readouterr().err

    def test_notes_are_left_to_a_search_that_is_running(self, database: Path) -> None:
        with exclusive_use(f"sqlite:///{database}"):
            left = annotate_studies(f"sqlite:///{database}")
        assert left is not None
        assert "is being searched by another process" in left

    @pytest.mark.full
    def test_an_older_database_is_annotated_when_it_is_shown(self, database: Path, tmp_path: Path) -> None:
        url = f"sqlite:///{database}"
        study = optuna.load_study(study_name=None, storage=open_storage(url))
        before = get_note(study)
        storage = study._storage
        for key in storage.get_study_system_attrs(study._study_id):
            if key.startswith("dashboard:"):
                storage.set_study_system_attr(study._study_id, key, 0 if key.endswith("ver") else "")
        assert get_note(study) == ""
        assert annotate_studies(url) is None
        assert get_note(study) == before
        assert get_note(optuna.Trial(study, study.trials[3]._trial_id)).endswith(SIGNATURE)

    @pytest.mark.full
    def test_the_command_prints_the_address_and_ends_with_ctrl_c(self, database: Path) -> None:
        # A job in the background of a shell ignores SIGINT, and so do all of its children.
        script = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from llmsearch_optuna.cli import main; assert 'torch' not in sys.modules; sys.exit(main())"
        )
        command = [sys.executable, "-c", script, "dashboard", str(database), "--port", "0"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                line = process.stdout.readline()
                match = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)  \(Ctrl-C ends it\)\n", line)
                assert match is not None
                with urllib.request.urlopen(f"{match[1]}api/studies", timeout=20) as answer:
                    assert answer.status == 200
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 0
                assert process.stderr.read() == ""
            finally:
                process.kill()
