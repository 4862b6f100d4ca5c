"""The report in a real browser: on a phone and on a desk, light and dark, clicked through."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_texts import HOSTILE
from pages import HOSTILE_PLAN, make_hostile
from playwright.sync_api import Browser, Page, expect

from llmsearch_optuna.report import read_study, write_report
from llmsearch_optuna.report.browsing import CompletionComparison, compare_completions
from llmsearch_optuna.terminal import printable
from studies.benchmarks.browser import DESK, PHONE, Visit, visit
from studies.benchmarks.synthetic_studies import Plan, Written, write_study

LIGHT_PAGE, DARK_PAGE = "rgb(247, 247, 245)", "rgb(15, 18, 22)"


@pytest.fixture(scope="module")
def report(written: Written, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report."""
    path = tmp_path_factory.mktemp("report") / "x.html"
    write_report(*written(Plan(samples=24)), path)
    return path.as_uri()


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report with texts that want harm."""
    directory = tmp_path_factory.mktemp("hostile")
    study, storage = write_study(directory / "x.db", HOSTILE_PLAN)
    make_hostile(study, storage)
    write_report(study, storage, directory / "x.html")
    return (directory / "x.html").as_uri()


@pytest.fixture
def compared(written: Written) -> CompletionComparison:
    """What the completion browser of `report` shows."""
    study, storage = written(Plan(samples=24))
    comparison = compare_completions(read_study(study, storage), storage)
    assert comparison is not None
    return comparison


@pytest.fixture
def desk(browser: Browser, report: str) -> Iterator[Page]:
    """The report, when all of it is drawn; it must have been silent at the end."""
    with visit(browser, report) as seen:
        drawn(seen)
        yield seen.page
        assert (seen.errors, seen.requests) == ([], [])


def drawn(seen: Visit) -> None:
    seen.page.wait_for_selector("html[data-drawn]", state="attached")


def open_all(page: Page) -> None:
    """Unfold all sections, as the links to them do."""
    for link in page.locator("nav a").all():
        link.evaluate("link => link.click()")  # wherever the link is, while figures are drawn and move it
    expect(page.locator("details.fold:not([open])")).to_have_count(0)


def measure(page: Page, expression: str) -> Any:
    return page.evaluate(f"() => {expression}")


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["usual", "hostile"])
def test_the_report_opens(
    kind: str, scheme: Any, width: int, browser: Browser, report: str, hostile_report: str
) -> None:
    with visit(browser, report if kind == "usual" else hostile_report, width=width, scheme=scheme) as seen:
        seen.page.on("dialog", lambda dialog: seen.errors.append(f"dialog: {dialog.message}"))
        drawn(seen)
        figures = seen.page.locator("[data-figure]")
        assert figures.count() == 11
        assert figures.locator(".main-svg:visible").count() >= 3
        height = measure(seen.page, "document.documentElement.scrollHeight")
        assert height < (5000 if width == DESK else 7700) or kind == "hostile"
        open_all(seen.page)
        for figure in figures.all():
            expect(figure.locator(".main-svg").first).to_be_visible()
            assert figure.bounding_box()["width"] <= width  # type: ignore[index]
        assert measure(seen.page, "document.documentElement.scrollWidth") <= width
        colour = measure(seen.page, "getComputedStyle(document.body).backgroundColor")
        assert colour == (LIGHT_PAGE if scheme == "light" else DARK_PAGE)
        assert (seen.errors, seen.requests) == ([], [])


def test_the_verdict_comes_first(desk: Page, written: Written) -> None:
    study, _ = written(Plan(samples=24))
    sentence = study.user_attrs["llmsearch_verdict"]["sentence"].replace("`", "")
    expect(desk.locator("main > section").first.locator(".sentence")).to_contain_text(sentence[1:])
    assert desk.locator(".verdict").bounding_box()["y"] < 300  # type: ignore[index]


def test_figures_follow_the_colour_scheme(desk: Page) -> None:
    colour = "document.getElementById('history').layout.font.color"
    before = measure(desk, colour)
    desk.emulate_media(color_scheme="dark")
    expect(desk.locator("body")).to_have_css("background-color", DARK_PAGE)
    after = measure(desk, colour)
    assert (before, after) == ("#5d6673", "#9ba4b1")


def test_figures_answer_the_pointer(desk: Page) -> None:
    desk.locator("#history").scroll_into_view_if_needed()
    desk.locator("#history .scatterlayer .point").first.hover(force=True)
    expect(desk.locator("#history .hoverlayer")).to_contain_text("trial")


def test_a_phone_scrolls_over_figures(browser: Browser, report: str) -> None:
    with visit(browser, report, width=PHONE) as seen:
        drawn(seen)
        assert measure(seen.page, "document.getElementById('history').layout.dragmode") is False
        assert measure(seen.page, "document.getElementById('history').layout.xaxis.fixedrange") is True


def show_all(page: Page) -> None:
    for _ in range(3):
        if page.locator(".more").is_visible():
            page.locator(".more").click()
    expect(page.locator(".more")).to_be_hidden()


def wins(compared: CompletionComparison, other: int) -> dict[str, int]:
    leads = [(sample.scores[0] or 0.0) - (sample.scores[other] or 0.0) for sample in compared.samples]
    return {
        "all": len(leads),
        "best": sum(lead > 0 for lead in leads),
        "other": sum(lead < 0 for lead in leads),
        "tie": sum(lead == 0 for lead in leads),
        "differs": sum(sample.texts[0] != sample.texts[other] for sample in compared.samples),
    }


@pytest.mark.parametrize("other", [1, 2])
def test_completions_are_filtered_by_who_won(other: int, desk: Page, compared: CompletionComparison) -> None:
    desk.locator("[name=other]").select_option(str(other))
    expected = wins(compared, other)
    assert expected["best"] > 0
    assert expected["other"] > 0
    for name, count in expected.items():
        button = desk.locator(f".segments button[value={name}]")
        expect(button.locator("small")).to_have_text(str(count))
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        show_all(desk)
        expect(desk.locator(".pair")).to_have_count(count)
        if name == "best":
            expect(desk.locator(".pair .side.won:first-child")).to_have_count(count)
        if name == "other":
            expect(desk.locator(".pair .side.won:last-child")).to_have_count(count)


def test_a_pair_shows_both_texts_and_marks_what_differs(desk: Page, compared: CompletionComparison) -> None:
    pair = desk.locator(".pair").first
    sample = compared.samples[0]
    assert pair.locator(".side .text").all_text_contents() == list(sample.texts[:2])
    for at, lengths in enumerate(sample.changes[0]):
        ends = [sum(lengths[:index]) for index in range(len(lengths) + 1)]
        text = sample.texts[at]
        parts = [text[start:end] for start, end in zip(ends[1::2], ends[2::2], strict=False)]
        assert pair.locator(".side").nth(at).locator("mark").all_text_contents() == parts
    expect(pair.locator(".prompt .text")).to_have_text(sample.prompt)
    pair.locator("summary").click()
    expect(pair.locator(".reference .text")).to_be_visible()
    expect(pair.locator(".reference .text")).to_have_text(sample.reference)


def test_completions_are_searched_and_ordered(desk: Page, compared: CompletionComparison) -> None:
    desk.locator("[name=query]").fill("QUESTION 7:")
    expect(desk.locator(".pair")).to_have_count(1)
    expect(desk.locator(".pair .head b")).to_have_text("row 107")
    desk.locator("[name=query]").fill("nowhere to be found")
    expect(desk.locator(".count")).to_have_text("no sample")
    desk.locator("[name=query]").fill("")
    desk.locator("[name=order]").select_option("loss")
    expect(desk.locator(".pair").first.locator(".pill")).to_have_class("pill bad")
    desk.locator("[name=order]").select_option("gain")
    expect(desk.locator(".pair").first.locator(".pill")).to_have_class("pill good")


def test_hostile_completions_are_shown_and_do_nothing(browser: Browser, hostile_report: str) -> None:
    with visit(browser, hostile_report, width=PHONE) as seen:
        seen.page.on("dialog", lambda dialog: seen.errors.append(f"dialog: {dialog.message}"))
        drawn(seen)
        show_all(seen.page)
        shown = set(seen.page.locator(".side .text").all_text_contents())
        for name in ("HTML", "Markdown", "clear", "bidi", "NUL", "right to left", "surrogate"):
            assert printable(HOSTILE[name], newlines=True) in shown, name
        assert seen.page.locator(".pairs img, .pairs script, .pairs a, main img, main a[href^=http]").count() == 0
        assert measure(seen.page, "document.documentElement.scrollWidth") <= PHONE
        assert (seen.errors, seen.requests) == ([], [])


def test_a_corpus_metric_has_texts_to_browse_and_no_winners(browser: Browser, written: Written, tmp_path: Path) -> None:
    write_report(*written(Plan(by_sample=False)), tmp_path / "x.html")
    with visit(browser, (tmp_path / "x.html").as_uri()) as seen:
        drawn(seen)
        values = [button.get_attribute("value") for button in seen.page.locator(".segments button").all()]
        assert values == ["all", "differs"]
        expect(seen.page.locator(".pair")).to_have_count(3)
        assert (seen.errors, seen.requests) == ([], [])


@pytest.mark.parametrize("plan", [Plan(complete=False), Plan(trials=0, baselines=False), Plan(maximize=False)])
def test_other_studies_open_as_well(plan: Plan, browser: Browser, written: Written, tmp_path: Path) -> None:
    write_report(*written(plan), tmp_path / "x.html")
    with visit(browser, (tmp_path / "x.html").as_uri(), width=PHONE) as seen:
        drawn(seen)
        assert measure(seen.page, "document.documentElement.scrollWidth") <= PHONE
        assert (seen.errors, seen.requests) == ([], [])


CHAT = "<|im_start|>system\n{0}<|im_end|>\n<|im_start|>user\nQuestion {1}?<|im_end|>\n<|im_start|>assistant\n"


def test_prompts_are_turns_of_a_chat(browser: Browser, written: Written, tmp_path: Path) -> None:
    rules = "Answer in one word. " * 40
    write_report(*written(Plan(prompt=lambda position: CHAT.format(rules, position))), tmp_path / "x.html")
    with visit(browser, (tmp_path / "x.html").as_uri(), width=PHONE) as seen:
        drawn(seen)
        pair = seen.page.locator(".pair").first
        assert pair.locator(".prompt .role").all_text_contents() == ["system", "user"]
        assert pair.locator(".prompt .text").all_text_contents() == [rules.strip(), "Question 0?"]
        first = pair.locator(".prompt .text").first
        folded = first.bounding_box()["height"]  # type: ignore[index]
        pair.locator(".prompt").click()
        assert first.bounding_box()["height"] > 2 * folded  # type: ignore[index]
        expect(pair.locator(".raw pre")).to_be_hidden()
        pair.locator(".raw summary").click()
        expect(pair.locator(".raw pre")).to_have_text(CHAT.format(rules, 0))
        open_all(seen.page)
        assert seen.page.locator(".hard .role").first.text_content() == "system"
        assert "<|im_start|>" not in (seen.page.locator(".hard").text_content() or "")
        assert measure(seen.page, "document.documentElement.scrollWidth") <= PHONE
        assert (seen.errors, seen.requests) == ([], [])


def test_what_prompts_differ_in_is_seen_behind_examples(browser: Browser, written: Written, tmp_path: Path) -> None:
    examples = "Question: what is it? Answer: it is this.\n" * 30
    write_report(*written(Plan(prompt=lambda position: f"{examples}Question: {position} of it?")), tmp_path / "x.html")
    with visit(browser, (tmp_path / "x.html").as_uri()) as seen:
        drawn(seen)
        expect(seen.page.locator(".pair").nth(1).locator(".prompt .text").last).to_have_text("1")
        assert (seen.page.locator(".pair .prompt .text").first.text_content() or "").startswith("Question: what is it?")


def test_a_phone_shows_the_gain_of_every_finalist(browser: Browser, report: str) -> None:
    with visit(browser, report, width=PHONE) as seen:
        drawn(seen)
        gains = seen.page.locator("#finalists td.gain")
        assert gains.count() == 5
        for gain in gains.all():
            box = gain.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= PHONE
        label = measure(seen.page, "getComputedStyle(document.querySelector('#finalists td.gain'), '::before').content")
        assert "gain" in label
        assert measure(seen.page, "document.querySelector('#finalists .scroll').scrollWidth") <= PHONE


@pytest.mark.parametrize("score", [0.0, 1.0, 37.5])
def test_a_study_without_spread_says_so(score: float, browser: Browser, written: Written, tmp_path: Path) -> None:
    write_report(*written(Plan(trials=3, pruned=0, failed=0, held_out=0, score=score)), tmp_path / "x.html")
    with visit(browser, (tmp_path / "x.html").as_uri()) as seen:
        drawn(seen)
        open_all(seen.page)
        expect(seen.page.locator(".verdict .sentence")).to_have_text(
            f"Nothing was measured: all 5 fully evaluated trials score {score:g}."
        )
        for name in ("standings", "history", "curves", "quality", "seeds", "heat-map"):
            figure = seen.page.locator(f"#{name}")
            expect(figure.locator(".annotation-text")).to_have_text(f"no spread: every score is {score:g}")
            ticks = "".join(figure.locator(".xtick text, .ytick text, .cbaxis text").all_text_contents())
            assert "\u2212" not in ticks, name  # the minus sign
        assert (seen.errors, seen.requests) == ([], [])


def test_a_study_in_which_everything_failed(browser: Browser, written: Written, tmp_path: Path) -> None:
    write_report(*written(Plan(trials=5, failed=1, baselines=False, error="no disk")), tmp_path / "x.html")
    with visit(browser, (tmp_path / "x.html").as_uri(), width=PHONE) as seen:
        drawn(seen)
        expect(seen.page.locator(".verdict .pill")).to_have_text("Every trial failed")
        expect(seen.page.locator(".next li").first).to_have_text("5 of 5 trials failed with: no disk")
        expect(seen.page.locator("#cost tbody tr")).to_have_count(5)
        assert measure(seen.page, "document.documentElement.scrollWidth") <= PHONE
        assert (seen.errors, seen.requests) == ([], [])
