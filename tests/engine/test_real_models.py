"""What real models, tokenizers and users bring: limits, settings, end tokens, wrong objects, failing forward passes."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_model, tiny_tokenizer
from tokenizers import processors
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    TextGenerationPipeline,
)

from llmsearch_optuna import Tuner
from llmsearch_optuna.engine.backend import Backend, model_backend
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.decoding import check_decode_args
from llmsearch_optuna.engine.end_tokens import end_token_findings
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.limits import input_limits
from llmsearch_optuna.engine.selection import choose_backend
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.engine.stopping import MultiTokenStoppingCriteria, split_generation_args
from llmsearch_optuna.errors import ConfigurationError, ModelError, TaskError, TrialError
from llmsearch_optuna.space.params import GenerationParams

COLUMNS = {"input_cols": ["q"], "eval_cols": ["a"]}
ROWS = [{"q": "A fox", "a": "x"}, {"q": "How many apples?", "a": "x"}]
TOKENS = {"vocab_size": 400, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "decoder_start_token_id": 2}
TWO_PARTS = {
    **{f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in (("layers", 1), ("ffn_dim", 16))},
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "d_model": 16,
}
PROPHET = {
    **{
        f"num_{part}_{name}": size
        for part in ("encoder", "decoder")
        for name, size in (("layers", 1), ("attention_heads", 2))
    },
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "hidden_size": 16,
}
BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def made(model_type: str, **sizes: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = AutoConfig.for_model(model_type, **{**TOKENS, **sizes})
        auto: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        return torch.nn.Module.eval(auto.from_config(config))


def tuner(model: Any, tokenizer: Any = None, **options: Any) -> Tuner:
    arguments: dict[str, Any] = {
        "dataset": ROWS,
        "scorer": "contains",
        "prompt_template": "{q}",
        "column_mapping": COLUMNS,
        **options,
    }
    return Tuner(model=model, tokenizer=tokenizer or tiny_tokenizer(), **arguments)


def outputs(model: Any, **options: Any) -> list[str]:
    return tuner(model, **options).get_score({"max_new_tokens": 16}).outputs


def request(ids: tuple[int, ...], tokens: int) -> Request:
    params = GenerationParams(max_new_tokens=tokens)
    return Request(prompt="", prompt_ids=ids, params=params, stopping=Stopping())


LIMITS = {
    "mbart": ({**TWO_PARTS, "max_position_embeddings": 32}, (None, 32, 32)),
    "marian": ({**TWO_PARTS, "max_position_embeddings": 32}, (None, 32, 32)),
    "blenderbot": ({**TWO_PARTS, "max_position_embeddings": 40}, (None, 40, 40)),
    "led": (
        {
            **TWO_PARTS,
            "attention_window": 8,
            "max_encoder_position_embeddings": 48,
            "max_decoder_position_embeddings": 24,
        },
        (None, 48, 24),
    ),
    "prophetnet": ({**PROPHET, "max_position_embeddings": 32}, (None, 30, 29)),
    "roberta": ({**BERT, "is_decoder": True, "max_position_embeddings": 34}, (32, None, None)),
    "mpt": ({"d_model": 16, "n_heads": 2, "n_layers": 1, "max_seq_len": 512}, (512, None, None)),
}


@pytest.mark.parametrize("family", LIMITS)
def test_limits_are_those_up_to_which_a_model_runs(family: str) -> None:
    sizes, expected = LIMITS[family]
    model = made(family, **sizes)
    limits = input_limits(model)
    assert (limits.together, limits.prompt, limits.completion) == expected
    longest = limits.prompt or (limits.together or 0) - 4
    completion = limits.completion or 4
    engine = model_backend(model, tiny_tokenizer(), batch_size=4).engine
    (done,) = engine.generate([request(tuple(5 + index % 300 for index in range(longest)), completion)])
    assert len(done.token_ids) == completion


def test_what_exceeds_a_limit_is_named_with_its_row() -> None:
    limits = input_limits(made("led", **LIMITS["led"][0]), tiny_tokenizer())
    assert str(limits) == "48 tokens of prompt, 24 tokens of completion"
    assert limits.excess(3, range(48), 24) is None
    assert str(limits.excess(3, range(49), 24)).startswith(
        "the prompt of row 3 has 49 tokens, and they exceed the model's window of 48 for prompts"
    )
    assert str(limits.excess(3, range(4), 25)).startswith(
        "the completion of row 3 may have 25 tokens, and they exceed the model's window of 24"
    )
    assert str(input_limits(tiny_model("t5"))) == "no limit is known"
    assert str(input_limits(tiny_model("mpt"))) == "512 tokens"


@pytest.mark.parametrize("family", ["llama", "bloom", "t5"])
def test_stop_strings_of_a_generation_config_end_completions(family: str) -> None:
    model: Any = tiny_model(family)
    params = {"max_new_tokens": 16, "temperature": 1.5, "eos_token_id": 399}
    plain = tuner(model).get_score(params).outputs
    stop = next(character for character in plain[0][1:] if character.strip())
    model.generation_config.stop_strings = [stop]
    stopped = tuner(model).get_score(params).outputs
    assert stopped == [text.split(stop)[0].strip() for text in plain]
    assert tuner(model, stop=[stop])._stopping.strings == (stop,)


@pytest.mark.parametrize("family", ["llama", "bloom"])
@pytest.mark.parametrize(
    "settings", [{"penalty_alpha": 0.6, "max_time": 1e-9}, {"dola_layers": "low"}, {"bad_words_ids": []}]
)
def test_settings_that_no_engine_applies_change_nothing(family: str, settings: dict[str, Any]) -> None:
    expected = outputs(tiny_model(family))
    model: Any = tiny_model(family)
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    changed = tuner(model)
    assert changed.get_score({"max_new_tokens": 16}).outputs == expected
    reported = [f"{name} = {value}" for name, value in sorted(settings.items()) if value]
    assert changed.diagnosis().get("left out", "").startswith(", ".join(reported))


@pytest.mark.parametrize("settings", [{"guidance_scale": 1.0}, {"suppress_tokens": []}, {"sequence_bias": {}}])
def test_settings_without_effect_do_not_cost_the_slots(settings: dict[str, Any]) -> None:
    model: Any = tiny_model()
    model.generation_config.update(**settings)
    assert "slots, which support" in model_backend(model, tiny_tokenizer(), batch_size=8).summary


def test_decode_args_keep_the_default_and_are_checked() -> None:
    model: Any = tiny_model()
    params = {"max_new_tokens": 16, "temperature": 2.0, "eos_token_id": 399}
    plain = tuner(model).get_score(params).outputs
    assert tuner(model, tokenizer_decode_args={"clean_up_tokenization_spaces": False}).get_score(params)[1] == plain
    with pytest.raises(TaskError, match="`skip_special_token`: did you mean `skip_special_tokens`"):
        tuner(model, tokenizer_decode_args={"skip_special_token": True})
    with pytest.raises(
        TaskError, match="`skip_special_tokens` in tokenizer_decode_args must be true or false, got 'no'"
    ):
        check_decode_args(tiny_tokenizer(), {"skip_special_tokens": "no"})


def findings(
    tokenizer: Any, ids: list[tuple[int, ...]], *, ends: tuple[int, ...] = (2,), two_parts: bool = False
) -> Any:
    prompts = dict(enumerate(ids, start=5))
    return end_token_findings(tokenizer, Stopping(eos_token_ids=ends), prompts, is_encoder_decoder=two_parts)


def test_end_tokens_that_end_nothing_and_prompts_that_end_are_told() -> None:
    tokenizer: Any = tiny_tokenizer()
    assert findings(tokenizer, [(5, 6), (1, 7, 2, 8)]) == {}
    assert "ends texts or turns with `<|im_end|>` (2)" in findings(tokenizer, [(5, 6)], ends=(0,))["end tokens"]
    tokenizer.eos_token = "<|endoftext|>"
    assert findings(tokenizer, [(5, 6)], ends=(0,)) == {}
    assert "`<|im_end|>` (2)" in findings(tokenizer, [(1, 7, 2, 8)], ends=(0,))["end tokens"]
    assert findings(tokenizer, [(5, 2), (6, 7)])["ends of prompts"].startswith(
        "1 of 2 prompts (the first is that of row 5)"
    )
    space = tokenizer(" \n", add_special_tokens=False)["input_ids"]
    assert "`<|endoftext|>` twice" in findings(tokenizer, [(0, *space, 0, 7)])["beginnings of prompts"]
    assert findings(tokenizer, [(0, 7, 0, 7)], ends=(0, 2)) == {}
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|im_end|>", special_tokens=[("<|im_end|>", 2)]
    )
    assert findings(tokenizer, [(5, 2)], ends=(0, 2), two_parts=True) == {}
    assert (
        "lack the end token `<|im_end|>`"
        in findings(tokenizer, [(5, 6)], ends=(0, 2), two_parts=True)["ends of prompts"]
    )


def test_end_tokens_are_warned_of_once_and_shown_by_doctor(caplog: pytest.LogCaptureFixture) -> None:
    model: Any = tiny_model()
    model.generation_config.eos_token_id = 0
    shown = tuner(model).diagnosis()["end tokens"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [warning for warning in warnings if "held out" not in warning] == [shown]


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
    for part in (model, tokenizer):
        save: Any = part
        save.save_pretrained(tmp_path)
    expected = outputs(model)
    arguments: dict[str, Any] = {
        "dataset": ROWS,
        "scorer": "contains",
        "prompt_template": "{q}",
        "column_mapping": COLUMNS,
    }
    for given in (tmp_path, lambda: (model, tokenizer)):
        named = Tuner(model=given, device="cpu", **arguments)
        assert named.get_score({"max_new_tokens": 16}).outputs == expected
    with pytest.raises(ModelError, match="device 'nowhere' cannot be used"):
        Tuner(model=lambda: (model, tokenizer), device="nowhere", **arguments)


def test_the_demo_model_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (tiny_model(), tiny_tokenizer()):
        save: Any = part
        save.save_pretrained(tmp_path)
    monkeypatch.setattr("llmsearch_optuna.tuner.demo_model_directory", lambda: tmp_path)
    assert "LlamaForCausalLM" in tuner("demo").diagnosis()["model"]


def test_a_function_needs_no_tokenizer() -> None:
    arguments: dict[str, Any] = {
        "dataset": ROWS,
        "scorer": "contains",
        "prompt_template": "{q}",
        "column_mapping": COLUMNS,
    }
    prompts: list[str] = []

    def predict(given: list[str], parameters: dict[str, Any]) -> list[str]:
        prompts.extend(given)
        return ["x"] * len(given)

    assert Tuner(custom_pred_function=predict, **arguments).get_score({"max_new_tokens": 4}).value == 1.0
    assert prompts == [row["q"] for row in ROWS]
    for options in ({"device": "cpu"}, {"tokenizer_encode_args": {"truncation": True}}):
        with pytest.raises(ConfigurationError, match="has no effect with `custom_pred_function`, if no"):
            Tuner(custom_pred_function=predict, **arguments, **options)


def test_ids_without_embeddings_matter_only_in_prompts() -> None:
    tokenizer: Any = tiny_tokenizer()
    expected = outputs(tiny_model())
    tokenizer.add_tokens([f"<extra{number}>" for number in range(20)])
    assert outputs(tiny_model(), tokenizer=tokenizer) == expected
    rows = [*ROWS, {"q": "<extra19>", "a": "x"}]
    with pytest.raises(ModelError, match="embeds only 400, and the prompt of row 2 has the id 407: load the tokenizer"):
        tuner(tiny_model(), tokenizer, dataset=rows)


def test_no_end_and_no_pad_token_are_needed() -> None:
    model: Any = tiny_model()
    model.generation_config.update(pad_token_id=None, eos_token_id=None)
    tokenizer: Any = tiny_tokenizer(pad=False)
    tokenizer.eos_token = tokenizer.bos_token = None
    assert len(outputs(model, tokenizer=tokenizer)) == 2


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


def raising(error: Exception, *, family: str = "llama") -> Backend:
    """A backend whose model raises from 12 tokens on."""
    model: Any = tiny_model(family)
    backend = model_backend(model, tiny_tokenizer(), batch_size=8)

    def check(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].shape[1] > 12:
            raise error

    torch.nn.Module.register_forward_pre_hook(model, check, with_kwargs=True)
    return backend


@pytest.mark.parametrize("family", ["llama", "bloom"])
@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("error", [IndexError("index out of\nrange"), KeyError("x"), RuntimeError("expected Half")])
def test_what_a_forward_pass_raises_is_one_line(family: str, beams: int, error: Exception) -> None:
    engine = raising(error, family=family).engine
    params = GenerationParams(num_beams=beams, max_new_tokens=4)
    bad = Request(prompt="", prompt_ids=tuple(range(5, 25)), params=params, stopping=Stopping())
    with pytest.raises(TrialError, match=f"^generation raised {type(error).__name__}: ") as caught:
        engine.generate([bad])
    assert "\n" not in str(caught.value)
    assert engine.generate([request((5, 6, 7), 4)])[0].token_ids


def test_a_lost_device_ends_the_search_and_fails_no_trial() -> None:
    engine = raising(torch.AcceleratorError("CUDA error: device-side assert triggered")).engine
    with pytest.raises(ModelError, match=r"the device cannot be used any more .*: run again"):
        engine.generate([request(tuple(range(5, 25)), 4)])


def test_further_criteria_join_the_default_ones() -> None:
    default = Stopping(sequences=((5, 6),), criteria=(list,))
    _, stopping = split_generation_args({"stopping_criteria": [MultiTokenStoppingCriteria([7]), dict]}, default)
    assert stopping == Stopping(sequences=((5, 6), (7,)), criteria=(list, dict))
    assert split_generation_args({}, default)[1] == default


class PassingShortage:
    """A device that has memory for few rows until it is `over`."""

    def __init__(self, model: Any, rows: int) -> None:
        self.over = False
        self.shortages = self.largest = 0

        def check(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            size = len(kwargs["input_ids"])
            self.largest = max(self.largest, size)
            if size > rows and not self.over:
                self.shortages += 1
                raise torch.OutOfMemoryError("no room")

        torch.nn.Module.register_forward_pre_hook(model, check, with_kwargs=True)


def requests(count: int, seed: int) -> list[Request]:
    return [
        Request(
            prompt="",
            prompt_ids=(5 + number, 6, 7),
            params=GenerationParams(temperature=1.0, max_new_tokens=5, generation_seed=seed),
            stopping=Stopping(),
        )
        for number in range(count)
    ]


def test_slots_grow_back_when_memory_is_there_again() -> None:
    model: Any = tiny_model()
    expected = [SlotEngine(ModelRunner(tiny_model()), tiny_tokenizer()).generate(requests(16, s)) for s in range(6)]
    engine = SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=16)
    device = PassingShortage(model, rows=8)
    for seed in range(4):
        assert engine.generate(requests(16, seed)) == expected[seed]
    assert engine.slots == 8
    assert device.shortages == 3  # each failure doubles the wait
    device.over = True
    for seed in (4, 5, 0, 1, 2, 3):
        assert engine.generate(requests(16, seed)) == expected[seed]
    assert engine.slots == 16


def test_batches_grow_back_when_memory_is_there_again() -> None:
    model: Any = tiny_model("bloom")
    expected = GenerateEngine(tiny_model("bloom"), tiny_tokenizer()).generate(requests(16, 0))
    engine = GenerateEngine(model, tiny_tokenizer(), batch_size=16)
    device = PassingShortage(model, rows=4)
    assert [completion.token_ids for completion in engine.generate(requests(16, 0))] == [
        completion.token_ids for completion in expected
    ]
    device.over = True
    for _ in range(3):
        engine.generate(requests(16, 0))
    assert engine.batch_size == 16


def test_there_are_no_more_slots_than_requests() -> None:
    model: Any = tiny_model()
    engine = SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=10**6)
    device = PassingShortage(model, rows=64)
    few = engine.generate(requests(12, 0))
    assert engine.slots == 16
    assert device.largest <= 16
    assert engine.generate(requests(40, 0))[:12] == few
    assert engine.slots == 64


def test_backends_of_other_kinds_have_no_notes() -> None:
    pending = choose_backend(
        model=None,
        tokenizer=None,
        custom_pred_function=lambda prompts, parameters: prompts,
        server=None,
        has_messages=False,
        begins_the_answer=False,
        chat_template_args=None,
        device=None,
        batch_size=8,
        replay_bytes=None,
        encode_args=None,
        decode_args=None,
        is_encoder_decoder=None,
        stops=False,
    )
    assert pending.prompt_tokenizer is None
    assert pending.start().notes({0: ()}) == {}
