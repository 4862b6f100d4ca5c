"""Notes are Markdown in which texts of others stay texts."""

import dataclasses
import json
import re
from typing import Any

import pytest
from hostile_texts import HOSTILE, assert_harmless
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from optuna.trial import FrozenTrial, TrialState, create_trial

from llmsearch_optuna.dashboard.markdown import SIGNATURE, completion_lines, study_note, trial_note
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import StoredCompletion, StoredSample
from llmsearch_optuna.study.attributes import BASELINE, ERROR, PARAMS
from llmsearch_optuna.terminal import printable
from llmsearch_optuna.verdict.comparison import Comparison, FinalistResult
from llmsearch_optuna.verdict.finalists import Finalist
from llmsearch_optuna.verdict.verdict import Verdict

GITHUB = MarkdownIt("commonmark").enable("table")


def sample_at(position: int, reference: dict[str, Any] | None = None) -> StoredSample:
    return StoredSample(position=position, row=10 + position, prompt="?", reference=reference or {"answer": "yes"})


def completion_at(position: int, score: float | None, text: str = "a") -> StoredCompletion:
    return StoredCompletion(
        position=position, row=10 + position, text=text, token_ids=(1, 2), finish_reason="eos", score=score
    )


def finished(state: TrialState = TrialState.COMPLETE, **attributes: Any) -> FrozenTrial:
    params = GenerationParams(temperature=0.5, top_k=7, max_new_tokens=4)
    value = None if state == TrialState.FAIL else 0.5
    trial = create_trial(state=state, value=value, user_attrs={PARAMS: params.to_json(), **attributes})
    trial.number = 0
    return trial


def note_of(
    completions: list[StoredCompletion], *, trial: FrozenTrial | None = None, greater_is_better: bool = True
) -> str:
    samples = {completion.position: sample_at(completion.position) for completion in completions}
    return trial_note(trial or finished(), completions, samples, greater_is_better=greater_is_better)


def headings(note: str) -> list[str]:
    return re.findall(r"^### (.*)$", note, re.MULTILINE)


def texts_of(note: str) -> list[str]:
    """What a renderer puts into code blocks."""
    return [token.content for token in GITHUB.parse(note) if token.type == "fence"]


def test_a_note_tells_score_parameters_and_tokens() -> None:
    note = note_of([completion_at(position, score) for position, score in enumerate((0.0, 1.0, 0.0, 1.0))])
    assert note.startswith("## Trial 0: 0.5000 \\[")
    html = GITHUB.render(note)
    assert "<td>temperature=0.5 top_k=7 max_new_tokens=4</td>" in html.replace("generation_seed=0 ", "")
    assert "<td>8 (2.0 per sample)</td>" in html
    assert "<td>eos 4</td>" in html
    assert note.endswith(SIGNATURE)


def test_a_note_shows_the_worst_the_median_and_the_best() -> None:
    completions = [completion_at(position, score / 8) for position, score in enumerate((3, 8, 0, 1, 5, 2, 7, 4, 6))]
    names = ["Worst", "Lower quartile", "Median", "Upper quartile", "Best"]
    assert headings(note_of(completions)) == [
        f"{name}: score {score:g}" for name, score in zip(names, (0.0, 0.25, 0.5, 0.75, 1.0), strict=True)
    ]
    assert headings(note_of(completions, greater_is_better=False))[0] == "Worst: score 1"


@pytest.mark.parametrize(
    ("count", "names"), [(0, []), (1, ["Worst"]), (2, ["Worst", "Best"]), (3, ["Worst", "Median", "Best"])]
)
def test_few_completions_are_shown_once_each(count: int, names: list[str]) -> None:
    note = note_of([completion_at(position, float(position)) for position in range(count)])
    assert [name.partition(":")[0] for name in headings(note)] == names


def test_completions_without_scores_are_shown_in_their_order() -> None:
    note = note_of([completion_at(position, None) for position in range(9)])
    assert headings(note)[0] == "First: no score of its own"
    assert "## Trial 0: 0.5000\n" in note


def test_other_ends_are_told() -> None:
    assert note_of([completion_at(0, 1.0)], trial=finished(TrialState.PRUNED)).startswith("## Trial 0: 0.5000, pruned")
    assert "(model default)" in note_of([], trial=finished(TrialState.COMPLETE, **{BASELINE: "model default"}))
    failed = note_of([], trial=finished(TrialState.FAIL, **{ERROR: "why | <b>"}))
    assert failed.startswith("## Trial 0: failed")
    assert "<td>why | &lt;b&gt;</td>" in GITHUB.render(failed)
    unbegun = create_trial(state=TrialState.FAIL, user_attrs={ERROR: "no"})
    assert "parameters" not in note_of([], trial=unbegun)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_stay_in_their_blocks(text: str) -> None:
    note = note_of([completion_at(0, 1.0, text)])
    assert_harmless(note)
    assert len(texts_of(note)) == 2
    shown = printable(text, newlines=True)
    if len(shown) < 700 and shown.count("\n") < 15:
        (block,) = texts_of(note)[:1]
        assert block.replace("\n", "") == shown.replace("\n", "")
        assert max(map(len, block.split("\n"))) <= 100
    assert len(note) < 3000
    json.dumps(note).encode()  # Optuna stores it


@given(st.lists(st.text(alphabet="`~a \n|<>*", max_size=40), min_size=5, max_size=5))
def test_no_text_ends_its_block(texts: list[str]) -> None:
    note = note_of([completion_at(position, float(position), text) for position, text in enumerate(texts)])
    assert texts_of(note)[::2] == [f"{text}\n" for text in texts]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_names_and_errors_are_no_markdown(text: str) -> None:
    tokens = GITHUB.parse(note_of([], trial=finished(TrialState.FAIL, **{ERROR: text})))
    shown = printable(text).strip()
    inline = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "text_special", "softbreak", "em_open", "em_close"}
    if len(shown) < 700:
        cells = [token.children for token in tokens if token.type == "inline"]
        assert shown in ["".join(child.content for child in children or ()) for children in cells]


def test_long_texts_are_shortened() -> None:
    blocks = texts_of(note_of([completion_at(0, 1.0, "x" * 5000), completion_at(1, 0.0, "\n" * 400)]))
    assert blocks[0].endswith("... (386 more lines)\n")
    assert blocks[2].replace("\n", "") == "x" * 700 + "... (4,300 more characters)"


def test_a_row_of_the_artifact_is_one_line_of_texts() -> None:
    completions = [completion_at(position, 0.5, text) for position, text in enumerate(HOSTILE.values())]
    reference = {"a": 1, "b": "\u00fc\n", "c": ["x", "y"], "d": {"e": None}}
    samples = {completion.position: sample_at(completion.position, reference) for completion in completions}
    lines = completion_lines(completions, samples)
    assert lines.isascii()
    read = [json.loads(line) for line in lines.split("\n")[:-1]]
    assert len(read) == len(HOSTILE)
    for line, text in zip(read, HOSTILE.values(), strict=True):
        assert_harmless(line["completion"].replace("\n", "\0"))
        assert len(line["completion"]) <= 160
        whole = printable(" ".join(text.split()))
        assert line["completion"] == whole or whole.startswith(line["completion"].partition("... (")[0])
    assert read[0] == {
        "row": 10,
        "score": 0.5,
        "completion": printable(" ".join(completions[0].text.split())),
        "reference": "a: 1, b: \u00fc , c: x, y, d: e: null",
        "prompt": "?",
        "finish_reason": "eos",
        "tokens": 2,
    }


@pytest.mark.parametrize(
    "prompt",
    [
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHow\nmany?<|im_end|>\n<|im_start|>assistant\n",
        '[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How\\nmany?"}]',
    ],
)
def test_prompts_are_chats_in_notes_and_questions_in_the_artifact(prompt: str) -> None:
    completion = completion_at(0, 1.0)
    sample = dataclasses.replace(sample_at(0), prompt=prompt)
    assert json.loads(completion_lines([completion], {0: sample}))["prompt"] == "How many?"
    html = GITHUB.render(trial_note(finished(), [completion], {0: sample}, greater_is_better=True))
    assert "<p><strong>system</strong> Be brief.</p>\n<p><strong>user</strong> How many?</p>" in html
    assert "im_start" not in html


def test_a_long_chat_is_shortened_in_notes() -> None:
    messages = [{"role": "user" if at % 2 else "assistant", "content": f"turn {at}"} for at in range(9)]
    sample = dataclasses.replace(sample_at(0), prompt=json.dumps(messages))
    html = GITHUB.render(trial_note(finished(), [completion_at(0, 1.0)], {0: sample}, greater_is_better=True))
    assert re.findall(r"turn \d", html) == ["turn 0", "turn 6", "turn 7", "turn 8"]
    assert "(5 more turns)" in html


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_prompts_are_no_markdown(text: str) -> None:
    sample = dataclasses.replace(sample_at(0), prompt=text)
    note = trial_note(finished(), [completion_at(0, 1.0)], {0: sample}, greater_is_better=True)
    assert_harmless(note)
    tokens = GITHUB.parse(note)
    inline = {child.type for token in tokens for child in token.children or ()}
    assert inline <= {"text", "text_special", "softbreak", "em_open", "em_close", "strong_open", "strong_close"}
    assert len([token for token in tokens if token.type == "fence"]) == 2


def test_the_interval_of_a_score() -> None:
    assert note_of([completion_at(0, 1.0)]).startswith("## Trial 0: 0.5000\n")
    note = note_of([completion_at(position, float(position % 2)) for position in range(100)])
    interval = re.match(r"## Trial 0: 0\.5000 \\\[(0\.\d{3}), (0\.\d{3})\\\]\n", note)
    assert interval is not None
    assert tuple(map(float, interval.groups())) == pytest.approx((0.4, 0.6), abs=0.01)


def test_the_study_note_begins_with_the_verdict() -> None:
    finalists = [
        Finalist("greedy", finished(), GREEDY),
        Finalist("best", finished(), BEST),
    ]
    assert study_note(finalists, None).startswith("## no verdict yet: `llmsearch-optuna confirm` makes one\n")
    note = study_note(finalists, VERDICT)
    html = GITHUB.render(note)
    assert "<h2>improved by 0.20 [0.10, 0.30] over `greedy` on 50 held-out samples x 4 seeds</h2>" in html
    assert "<td>+0.20 [0.10, 0.30]</td>" in html
    assert "<td>reference</td>" in html
    assert "<script>" not in html
    assert note.endswith(SIGNATURE)
    with_report = GITHUB.render(study_note(finalists, VERDICT, "/llmsearch/report/7"))
    assert with_report.index("</h2>") < with_report.index('<a href="/llmsearch/report/7">The report</a>')


GREEDY = GenerationParams(do_sample=False)
BEST = GenerationParams(temperature=0.7)
VERDICT = Verdict(
    metric="<script>",
    greater_is_better=True,
    samples=50,
    seeds=4,
    held_out=True,
    confidence=0.95,
    finalists=(
        FinalistResult(name="greedy", score=0.5, seeds=1, seed_sd=None, trial=0),
        FinalistResult(name="best", score=0.7, seeds=4, seed_sd=0.01, trial=1),
    ),
    best="best",
    reference="greedy",
    comparisons=(Comparison(name="best", gain=0.2, low=0.1, high=0.3, seed_share=0.1, samples_needed=20),),
)
