"""Completions side by side, and the words in which they differ."""

import itertools
import time

import pytest
from hostile_texts import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.report.browsing import compare_completions, distinctive_parts, word_changes
from llmsearch_optuna.report.record import read_study
from studies.benchmarks.synthetic_studies import Plan, Written

SENTENCES = st.lists(st.sampled_from(["red", "green", ",", " ", "\n", "blue!", "👩\u200d👧", "ש"])).map("".join)


def pieces(text: str, lengths: tuple[int, ...]) -> list[str]:
    ends = list(itertools.accumulate(lengths, initial=0))
    return [text[start:end] for start, end in itertools.pairwise(ends)]


def test_differing_words_are_found() -> None:
    first, second = "red, green and blue", "red, yellow and blue!"
    changes = word_changes(first, second)
    assert pieces(first, changes.first) == ["red, ", "green ", "and blue"]
    assert pieces(second, changes.second) == ["red, ", "yellow ", "and blue", "!"]
    assert word_changes("a b", "b") == ((0, 2, 1), (1,))


@given(SENTENCES | st.text(), SENTENCES | st.text())
def test_stretches_make_up_the_texts_and_say_what_both_have(first: str, second: str) -> None:
    changes = word_changes(first, second)
    for text, lengths in ((first, changes.first), (second, changes.second)):
        assert "".join(pieces(text, lengths)) == text
        assert all(length > 0 for length in lengths[1:])
    in_first, in_second = "".join(pieces(first, changes.first)[::2]), "".join(pieces(second, changes.second)[::2])
    assert "".join(in_first.split()) == "".join(in_second.split())


@given(SENTENCES | st.text())
def test_equal_texts_differ_nowhere(text: str) -> None:
    assert word_changes(text, text) == ((len(text),), (len(text),))


def test_long_texts_take_no_time() -> None:
    began = time.process_time()
    words = [f"word{index}" for index in range(20_000)]
    text = " ".join(words)
    assert sum(word_changes(text, " ".join(reversed(words))).first) == len(text)
    assert word_changes(text + " x", text + " y").first == (len(text) + 1, 1)
    assert time.process_time() - began < 5.0


def test_the_own_part_of_a_prompt_is_what_others_do_not_say() -> None:
    prompts = ["System. User: name birds. Answer:", "System. User: name big fish. Answer:"]
    assert distinctive_parts(prompts) == ["birds.", "big fish."]
    assert distinctive_parts(["same", "same"]) == ["same", "same"]
    assert distinctive_parts(["a b", "a"]) == ["a b", "a"]
    assert distinctive_parts(["one"]) == ["one"]
    assert distinctive_parts([]) == []


@given(st.lists(SENTENCES))
def test_distinctive_parts_are_parts(prompts: list[str]) -> None:
    assert all(part in prompt for part, prompt in zip(distinctive_parts(prompts), prompts, strict=True))


def test_the_best_is_beside_the_baselines(written: Written) -> None:
    study, storage = written()
    record = read_study(study, storage)
    comparison = compare_completions(record, storage)
    assert comparison is not None
    assert list(comparison.names) == ["best", "model default", "greedy"]
    assert len(comparison.samples) == 16
    assert record.best is not None
    assert record.best.scores is not None
    assert [sample.scores[0] for sample in comparison.samples] == record.best.scores.tolist()
    assert [sample.tokens[0] for sample in comparison.samples] == record.best.token_counts.tolist()
    for sample in comparison.samples:
        assert sample.changes[1] == word_changes(sample.texts[0], sample.texts[2])
        assert sample.prompt_part in sample.prompt
    assert comparison.samples[0].reference == "red"
    assert comparison.left_out == 0


def test_without_baselines_the_runner_up_takes_their_place(written: Written) -> None:
    study, storage = written(Plan(baselines=False))
    comparison = compare_completions(read_study(study, storage), storage)
    assert comparison is not None
    assert list(comparison.names) == ["best", "runner-up 1"]


@pytest.mark.parametrize("plan", [Plan(complete=False), Plan(trials=1, baselines=False)])
def test_nothing_to_compare(plan: Plan, written: Written) -> None:
    study, storage = written(plan)
    assert compare_completions(read_study(study, storage), storage) is None


def test_long_and_hostile_texts_are_shortened_and_written_out(written: Written) -> None:
    texts = list(HOSTILE.values())
    plan = Plan(samples=len(texts), trials=2, text=lambda trial, position: texts[position])
    study, storage = written(plan)
    comparison = compare_completions(read_study(study, storage), storage)
    assert comparison is not None
    shown = dict(zip(HOSTILE, (sample.texts[0] for sample in comparison.samples), strict=True))
    assert max(map(len, shown.values())) < 4100
    assert shown["HTML"] == HOSTILE["HTML"]
    assert shown["NUL"] == r"before\x00after"
    assert r"\u202e" in shown["bidi"]
    assert shown["surrogate"] == r"lone \ud800 and \udfff"
    assert shown["right to left"] == HOSTILE["right to left"]
    assert "more characters" in shown["a megabyte"]
