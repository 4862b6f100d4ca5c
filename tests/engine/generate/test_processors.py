"""``model.generate`` with the logits processors writes what the engines write, token for token."""

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_requests import PARAMS
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from tiny_studies import make_tuner, search
from transformers import GenerationConfig, PreTrainedModel

from llmsearch_optuna import logits_processors, trial_params
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.loading import load_model
from llmsearch_optuna.engine.model import default_stopping
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.generation_config import NEUTRAL_CONFIG
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study_file import launch
from llmsearch_optuna.study_file.file import StudyFile

PROMPTS = [*TEXT, "How many?", "The lazy dog runs."]
SAMPLED = GenerationParams(temperature=1.1, top_p=0.95, tfs=0.9, generation_seed=3, max_new_tokens=12)


def engine_tokens(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], params: GenerationParams, eos: Sequence[int] = (2,)
) -> list[list[int]]:
    """What the engine that suits the model generates."""
    engine = model_backend(model, tiny_tokenizer(), batch_size=8).engine
    stopping = Stopping(eos_token_ids=tuple(eos))
    requests = [Request(prompt="", prompt_ids=tuple(ids), params=params, stopping=stopping) for ids in prompts]
    return [list(completion.token_ids) for completion in engine.generate(requests)]


def encoded(prompts: Sequence[str], **arguments: Any) -> Mapping[str, torch.Tensor]:
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side = "left"
    encoding = tokenizer(list(prompts), return_tensors="pt", padding=True, **arguments)
    return {name: encoding[name] for name in ("input_ids", "attention_mask")}


def generated(
    model: PreTrainedModel,
    inputs: Mapping[str, torch.Tensor],
    processors: Any,
    max_new_tokens: int,
    eos: Sequence[int] = (2,),
) -> list[list[int]]:
    """What ``model.generate`` writes, each row up to its end token."""
    plain: Any = model
    make_config: Any = GenerationConfig
    config = make_config(**NEUTRAL_CONFIG, max_new_tokens=max_new_tokens, eos_token_id=list(eos))
    output = plain.generate(**inputs, generation_config=config, logits_processor=processors)
    start = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    rows = [row[start:].tolist() for row in output]
    ends = [next((place + 1 for place, token in enumerate(row) if token in eos), len(row)) for row in rows]
    return [row[:end] for row, end in zip(rows, ends, strict=True)]


def prompt_ids(prompts: Sequence[str]) -> list[list[int]]:
    return [tiny_tokenizer()(prompt)["input_ids"] for prompt in prompts]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("family", ["llama", "gpt2", "mistral"])
@pytest.mark.parametrize("params", PARAMS, ids=str)
def test_a_batch_is_written_as_by_the_engine(family: str, params: GenerationParams) -> None:
    model = tiny_model(family)
    processors = logits_processors(params, tiny_tokenizer())
    expected = engine_tokens(model, prompt_ids(PROMPTS), params)
    assert generated(model, encoded(PROMPTS), processors, params.max_new_tokens) == expected


def test_rows_that_end_early_do_not_disturb_the_others() -> None:
    model = tiny_model()
    params = GenerationParams(temperature=3.0, generation_seed=1, max_new_tokens=60)
    eos = range(2, 400, 20)
    expected = engine_tokens(model, prompt_ids(PROMPTS), params, eos)
    assert len({len(tokens) for tokens in expected}) > 2
    assert generated(model, encoded(PROMPTS), logits_processors(params, tiny_tokenizer()), 60, eos) == expected


def test_the_same_processors_serve_one_pass_after_the_other() -> None:
    model = tiny_model()
    processors = logits_processors(SAMPLED, tiny_tokenizer())
    expected = engine_tokens(model, prompt_ids(PROMPTS), SAMPLED)
    for batch in ([0, 1, 2], [0, 1, 2], [3], [4], [4, 3]):
        tokens = generated(model, encoded([PROMPTS[index] for index in batch]), processors, 12)
        assert tokens == [expected[index] for index in batch]


def test_prompts_may_begin_with_the_pad_token() -> None:
    model = tiny_model()
    prompts = [f"<|endoftext|>{prompt}" for prompt in PROMPTS]
    ids = prompt_ids(prompts)
    assert {row[0] for row in ids} == {tiny_tokenizer().pad_token_id}
    expected = engine_tokens(model, ids, SAMPLED)
    processors = logits_processors(SAMPLED, tiny_tokenizer())
    assert generated(model, encoded(prompts), processors, 12) == expected
    assert generated(model, encoded(prompts[:1]), processors, 12) == expected[:1]


def test_inputs_say_what_is_padding() -> None:
    model = tiny_model()
    inputs = encoded(PROMPTS, pad_to_multiple_of=64)
    expected = engine_tokens(model, prompt_ids(PROMPTS), SAMPLED)
    assert generated(model, inputs, logits_processors(SAMPLED, tiny_tokenizer(), inputs), 12) == expected
    assert generated(model, inputs, logits_processors(SAMPLED, tiny_tokenizer()), 12) != expected
    with pytest.raises(ParameterError, match="`inputs` must have the 1 rows of the batch, got 5"):
        generated(model, encoded(PROMPTS[:1]), logits_processors(SAMPLED, tiny_tokenizer(), inputs), 12)


@pytest.mark.parametrize("params", [PARAMS[2], PARAMS[4], SAMPLED], ids=str)
def test_an_encoder_decoder_needs_its_inputs(params: GenerationParams) -> None:
    model = tiny_model("t5")
    inputs = encoded(PROMPTS)
    expected = engine_tokens(model, prompt_ids(PROMPTS), params)
    processors = logits_processors(params, tiny_tokenizer(), inputs)
    assert generated(model, inputs, processors, params.max_new_tokens) == expected


def test_parameters_may_be_given_by_name() -> None:
    model = tiny_model()
    processors = logits_processors(SAMPLED.to_dict(), tiny_tokenizer())
    assert generated(model, encoded(PROMPTS), processors, 12) == engine_tokens(model, prompt_ids(PROMPTS), SAMPLED)
    with pytest.raises(ParameterError, match="unknown generation parameter `temprature`"):
        logits_processors({"temprature": 1.0}, tiny_tokenizer())
    with pytest.raises(ParameterError, match="`num_beams` must be 1 for logits processors, got 2"):
        logits_processors({"num_beams": 2}, tiny_tokenizer())


@pytest.mark.full
@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
def test_a_studys_completions_are_written_again(family: str, tmp_path: Path) -> None:
    model, path = tiny_model(family), tmp_path / "x.db"
    study = search(make_tuner(model=model), path, 6)
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    samples = {sample.position: sample for sample in store.load_samples(study_key(study))}
    for trial in study.trials:
        stored = store.load(study_key(study), trial.number)
        params = trial_params(trial)
        inputs = encoded([samples[completion.position].prompt for completion in stored])
        tokens = generated(model, inputs, logits_processors(params, tiny_tokenizer()), params.max_new_tokens)
        assert tokens == [list(completion.token_ids) for completion in stored]


@pytest.mark.slow
def test_the_demo_models_completions_are_written_again(tmp_path: Path) -> None:
    """A chat model in earnest, with penalties, on prompts that the chat template made."""
    text = resources.files("llmsearch_optuna.demo").joinpath("demo.toml").read_text(encoding="utf-8")
    file = StudyFile.parse(text, name="demo", directory=tmp_path)
    file = dataclasses.replace(file, data=dataclasses.replace(file.data, search_size=8, holdout_size=0))
    study = launch.search(file.with_limits(n_trials=4), launch.build_tuner(file), show_progress=False)
    loaded = load_model(str(demo_model_directory()))
    tokenizer: Any = loaded.tokenizer
    tokenizer.padding_side = "left"
    store = CompletionStore(open_storage(file.study.storage))
    samples = {sample.position: sample for sample in store.load_samples(study_key(study))}
    eos = default_stopping(loaded.model, tokenizer).eos_token_ids
    for trial in study.trials:
        stored = store.load(study_key(study), trial.number)
        prompts = [samples[completion.position].prompt for completion in stored]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        params = trial_params(trial)
        processors = logits_processors(params, tokenizer)
        tokens = generated(loaded.model, inputs, processors, params.max_new_tokens, eos)
        assert tokens == [list(completion.token_ids) for completion in stored]
