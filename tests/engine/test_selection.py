"""What users pass as a model: objects, paths, functions, and wrong ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import saved, tiny_model, tiny_tokenizer
from tiny_tuners import ARGUMENTS, BERT, ROWS, outputs, tuner
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    TextGenerationPipeline,
)

from llmsearch_optuna import Tuner
from llmsearch_optuna.engine.backend import function_backend
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.errors import ConfigurationError, ModelError


def wrong_objects() -> dict[str, tuple[Any, str]]:
    auto: Any = AutoModelForSequenceClassification
    classifier = auto.from_config(AutoConfig.for_model("bert", vocab_size=400, **BERT))
    make_pipeline: Any = TextGenerationPipeline
    pipeline = make_pipeline(model=tiny_model(), tokenizer=tiny_tokenizer())
    return {
        "classifier": (classifier, "BertForSequenceClassification cannot generate text: load the model with Auto"),
        "base model": (tiny_model().base_model, "LlamaModel cannot generate text"),
        "pipeline": (pipeline, "pass its parts, model=pipeline.model and tokenizer=pipeline.tokenizer"),
        "wrapper": (
            torch.nn.DataParallel(tiny_model()),
            "DataParallel is a wrapper: pass the model in it, model.module",
        ),
        "module": (torch.nn.Linear(2, 2), "a language model of transformers is needed, .* got Linear"),
        "number": (7, "a language model of transformers is needed, .* got int"),
        "loader of nothing": (lambda: None, "must return model and tokenizer, got NoneType"),
        "broken loader": (lambda: 1 / 0, "the function given as model raised ZeroDivisionError"),
    }


@pytest.mark.parametrize("name", wrong_objects())
def test_an_object_that_is_no_model_is_refused_in_one_line(name: str) -> None:
    model, message = wrong_objects()[name]
    with pytest.raises(ModelError, match=message):
        tuner(model)


@pytest.mark.parametrize(("tokenizer", "message"), [("gpt2", "got 'gpt2'"), (object(), "got <object")])
def test_an_object_that_is_no_tokenizer_is_refused_in_one_line(tokenizer: Any, message: str) -> None:
    with pytest.raises(ModelError, match=f"a loaded tokenizer of transformers is needed, {message}"):
        tuner(tiny_model(), tokenizer)


def test_a_path_and_a_pair_from_a_function_are_models(tmp_path: Path) -> None:
    model, tokenizer = tiny_model(), tiny_tokenizer()
    saved(tmp_path, model, tokenizer)
    expected = outputs(model)
    for given in (tmp_path, lambda: (model, tokenizer)):
        named = Tuner(model=given, device="cpu", **ARGUMENTS)
        assert named.get_score({"max_new_tokens": 16}).outputs == expected
    with pytest.raises(ModelError, match=r"the directory of the model, .*nowhere, does not exist"):
        Tuner(model=tmp_path / "nowhere", **ARGUMENTS)
    with pytest.raises(ModelError, match="device 'nowhere' cannot be used"):
        Tuner(model=lambda: (model, tokenizer), device="nowhere", **ARGUMENTS)


def test_the_demo_model_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, tiny_model())
    monkeypatch.setattr("llmsearch_optuna.tuner.demo_model_directory", lambda: tmp_path)
    assert "LlamaForCausalLM" in tuner("demo").diagnosis()["model"]


def test_a_function_needs_no_tokenizer() -> None:
    prompts: list[str] = []

    def predict(given: list[str], parameters: dict[str, Any]) -> list[str]:
        prompts.extend(given)
        return ["x"] * len(given)

    assert Tuner(custom_pred_function=predict, **ARGUMENTS).get_score({"max_new_tokens": 4}).value == 1.0
    assert prompts == [row["q"] for row in ROWS]
    for options in ({"device": "cpu"}, {"tokenizer_encode_args": {"truncation": True}}):
        with pytest.raises(ConfigurationError, match="has no effect with `custom_pred_function`, if no"):
            Tuner(custom_pred_function=predict, **ARGUMENTS, **options)


class Biased(torch.nn.Linear):
    """An output layer that excludes padded ids."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().forward(hidden).index_fill(-1, torch.arange(390, 400), -torch.inf)


def test_padded_ids_with_a_bias_of_minus_infinity_keep_the_slots() -> None:
    model: Any = tiny_model()
    head = Biased(32, 400, bias=False)
    head.weight = model.lm_head.weight
    model.lm_head = head
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)
    assert "slots, which support" in backend.summary
    assert outputs(model) == outputs(tiny_model())


def test_backends_of_other_kinds_have_no_notes() -> None:
    assert function_backend(lambda prompts, parameters: prompts, None).notes({0: ()}) == {}
