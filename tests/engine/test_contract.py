"""What every engine that runs a model promises, on tiny random models."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from engine_requests import LimitedMemory, all_requests, generated, request
from families import ATTENTION
from tiers import partly_full
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Completion, Request, Stopping
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.errors import LogitsError, MemoryExhaustedError
from llmsearch_optuna.space.params import GenerationParams

ModelEngine = GenerateEngine | SlotEngine
MakeEngine = Callable[..., ModelEngine]


def plain(model: PreTrainedModel, rows: int = 8) -> ModelEngine:
    return GenerateEngine(model, tiny_tokenizer(), batch_size=rows)


def slots(model: PreTrainedModel, rows: int = 8) -> ModelEngine:
    return SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=rows)


@pytest.fixture(params=[plain, slots])
def engine(request: pytest.FixtureRequest) -> MakeEngine:
    make: MakeEngine = request.param
    return make


ENGINE_FAMILIES = [(plain, "t5"), *((make, family) for family in ATTENTION for make in (plain, slots))]
FAMILIES = pytest.mark.parametrize(
    ("engine", "family"),
    partly_full(ENGINE_FAMILIES, fast=[(plain, "t5"), (plain, "llama"), (slots, "llama"), (slots, "gemma3")]),
    ids=[f"{family}-{make.__name__}" for make, family in ENGINE_FAMILIES],
)


@FAMILIES
def test_a_completion_does_not_depend_on_its_batch(engine: MakeEngine, family: str, device: torch.device) -> None:
    model = tiny_model(family, device=device)
    requests = all_requests()
    together = engine(model, 32).generate(requests)
    for size in (1, 5):
        assert engine(model, size).generate(requests) == together
    assert engine(model, 4).generate(requests[::-1]) == together[::-1]


@pytest.mark.sampled(2)
@FAMILIES
@pytest.mark.parametrize(
    "arguments",
    partly_full(
        [{}, {"repetition_penalty": 1.4}, {"no_repeat_ngram_size": 2}, {"encoder_repetition_penalty": 1.5}],
        fast=[{}, {"repetition_penalty": 1.4}],
    ),
)
def test_greedy_equals_transformers_own_generate(
    engine: MakeEngine, family: str, arguments: dict[str, Any], device: torch.device
) -> None:
    model = tiny_model(family, device=device)
    for text in TEXT:
        greedy = request(text, GenerationParams(max_new_tokens=12, **arguments), eos_token_ids=(2,))
        assert engine(model).generate([greedy])[0].token_ids == generated(model, greedy, **arguments)


def test_rows_stop_on_their_own_limits_and_report_tokens(engine: MakeEngine) -> None:
    counts: list[int] = []
    requests = [request(TEXT[0], GenerationParams(max_new_tokens=limit)) for limit in (1, 9, 4)]
    completions = engine(tiny_model()).generate(requests, counts.append)
    assert [len(completion.token_ids) for completion in completions] == [1, 9, 4]
    assert {completion.finish_reason for completion in completions} == {"length"}
    assert sum(counts) == 14


def test_end_tokens_sequences_strings_and_criteria_stop_a_row(engine: MakeEngine) -> None:
    model = tiny_model()
    free = GenerationParams(max_new_tokens=12)
    tokens = engine(model).generate([request(TEXT[1], free)])[0].token_ids
    tokenizer = tiny_tokenizer()

    def stopped(**stopping: Any) -> Completion:
        return engine(model).generate([request(TEXT[1], free, **stopping)])[0]

    first = tokens.index(tokens[4])
    by_eos = stopped(eos_token_ids=(tokens[4],))
    assert (by_eos.token_ids, by_eos.finish_reason) == (tokens[: first + 1], "eos")
    by_sequence = stopped(sequences=(tokens[3:5],))
    assert (by_sequence.token_ids, by_sequence.finish_reason) == (tokens[:5], "stop")
    prompt_length = len(tokenizer(TEXT[1])["input_ids"])
    by_criterion = stopped(criteria=(lambda ids, scores: ids.shape[1] == prompt_length + 3,))
    assert (by_criterion.token_ids, by_criterion.finish_reason) == (tokens[:3], "stop")


def test_a_stop_string_cuts_the_text_and_may_span_tokens(engine: MakeEngine) -> None:
    model = tiny_model(seed=5)
    free = GenerationParams(max_new_tokens=24, temperature=3.0)
    whole = engine(model).generate([request(TEXT[1], free)])[0]
    readable = [index for index in range(len(whole.text) - 3) if whole.text[index : index + 3].isascii()]
    start = next(index for index in readable if whole.text.index(whole.text[index : index + 3]) == index)
    stop = whole.text[start : start + 3]
    cut = engine(model).generate([request(TEXT[1], free, strings=(stop,))])[0]
    assert cut.finish_reason == "stop"
    assert cut.text == whole.text[:start]
    assert cut.token_ids == whole.token_ids[: len(cut.token_ids)]


def test_stops_never_look_into_the_prompt(engine: MakeEngine) -> None:
    model = tiny_model()
    prompt = request(TEXT[0], GenerationParams(max_new_tokens=3))
    last = prompt.prompt_ids[-1]
    free = engine(model).generate([prompt])[0]
    assert last not in free.token_ids
    stopping = Stopping(sequences=((last, free.token_ids[0]), (last,)), strings=("forest.",))
    same = Request(prompt=prompt.prompt, prompt_ids=prompt.prompt_ids, params=prompt.params, stopping=stopping)
    assert engine(model).generate([same])[0] == free


@pytest.mark.full
@pytest.mark.sampled(4)
@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_halves_the_rows_with_identical_results(
    engine: MakeEngine, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    expected = engine(tiny_model(), 32).generate(all_requests())
    model = tiny_model()
    memory = LimitedMemory(model, 3, error)
    limited = engine(model, 16)
    assert limited.generate(all_requests()) == expected
    assert memory.largest_served == 2
    assert caplog.messages[-1] == "out of memory: continuing with 2 completions at once"
    assert limited.generate(all_requests()) == expected


@pytest.mark.full
def test_out_of_memory_with_one_row_says_what_to_do(engine: MakeEngine) -> None:
    model = tiny_model()
    LimitedMemory(model, 0)
    with pytest.raises(MemoryExhaustedError, match="out of memory at batch size 1: shorten the prompts"):
        engine(model).generate(all_requests())


def test_other_runtime_errors_are_not_taken_for_memory(engine: MakeEngine) -> None:
    model = tiny_model()

    def fail(*_: object) -> None:
        raise RuntimeError("some other fault")

    torch.nn.Module.register_forward_pre_hook(model, fail)
    with pytest.raises(RuntimeError, match="some other fault"):
        engine(model).generate(all_requests())


def test_logits_that_are_not_numbers_are_refused(engine: MakeEngine) -> None:
    model: Any = tiny_model()
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    with pytest.raises(LogitsError, match="row 0 of the logits holds NaN"):
        engine(model).generate(all_requests())


def test_no_requests_give_no_completions(engine: MakeEngine) -> None:
    assert engine(tiny_model()).generate([]) == []
