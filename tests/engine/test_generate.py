"""The plain engine on tiny random models."""

import itertools
from typing import Any

import pytest
import torch
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna.engine import Completion, GenerateEngine, MultiTokenStoppingCriteria, Request, Stopping
from llmsearch_optuna.errors import LogitsError, MemoryExhaustedError
from llmsearch_optuna.params import GenerationParams

FAMILIES = ["llama", "qwen3", "gpt2", "t5"]

PARAMS = [
    GenerationParams(max_new_tokens=6),
    GenerationParams(temperature=1.0, max_new_tokens=8, generation_seed=3),
    GenerationParams(temperature=0.8, top_p=0.9, tfs=0.95, top_a=0.2, max_new_tokens=7),
    GenerationParams(temperature=1.2, top_k=20, typical_p=0.9, max_new_tokens=8),
    GenerationParams(repetition_penalty=1.3, no_repeat_ngram_size=2, max_new_tokens=8),
    GenerationParams(temperature=1.0, min_p=0.05, encoder_repetition_penalty=1.2, max_new_tokens=5),
]


def request(text: str, params: GenerationParams, **stopping: Any) -> Request:
    ids = tuple(tiny_tokenizer()(text)["input_ids"])
    return Request(prompt=text, prompt_ids=ids, params=params, stopping=Stopping(**stopping))


def all_requests() -> list[Request]:
    return [request(text, params, eos_token_ids=(2,)) for text, params in itertools.product(TEXT, PARAMS)]


def engine(model: PreTrainedModel, batch_size: int = 8) -> GenerateEngine:
    return GenerateEngine(model, tiny_tokenizer(), batch_size=batch_size)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_completion_does_not_depend_on_its_batch(family: str, device: torch.device) -> None:
    model = tiny_model(family, device=device)
    requests = all_requests()
    together = engine(model, 32).generate(requests)
    for size in (1, 5):
        assert engine(model, size).generate(requests) == together
    assert engine(model, 4).generate(requests[::-1]) == together[::-1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "arguments", [{}, {"repetition_penalty": 1.4}, {"no_repeat_ngram_size": 2}, {"encoder_repetition_penalty": 1.5}]
)
def test_greedy_equals_transformers_own_generate(family: str, arguments: dict[str, Any], device: torch.device) -> None:
    model: Any = tiny_model(family, device=device)
    for text in TEXT:
        wanted = request(text, GenerationParams(max_new_tokens=12, **arguments), eos_token_ids=(2,))
        ids = torch.tensor([wanted.prompt_ids], device=device)
        start = 1 if model.config.is_encoder_decoder else ids.shape[1]
        expected = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=12,
            eos_token_id=2,
            pad_token_id=0,
            **arguments,
        )
        assert engine(model).generate([wanted])[0].token_ids == tuple(expected[0, start:].tolist())


def test_the_models_own_generation_config_neither_interferes_nor_changes() -> None:
    model: Any = tiny_model()
    plain = engine(model).generate(all_requests())
    config = model.generation_config
    config.update(do_sample=True, temperature=0.3, top_k=3, repetition_penalty=1.9, max_length=9)
    before = config.to_dict()
    assert engine(model).generate(all_requests()) == plain
    assert config.to_dict() == before


def test_rows_stop_on_their_own_limits_and_report_tokens() -> None:
    counts: list[int] = []
    requests = [request(TEXT[0], GenerationParams(max_new_tokens=limit)) for limit in (1, 9, 4)]
    completions = engine(tiny_model()).generate(requests, counts.append)
    assert [len(completion.token_ids) for completion in completions] == [1, 9, 4]
    assert {completion.finish_reason for completion in completions} == {"length"}
    assert sum(counts) == 14


def test_end_tokens_sequences_strings_and_criteria_stop_a_row() -> None:
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


def test_a_stop_string_cuts_the_text_and_may_span_tokens() -> None:
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


def test_stops_never_look_into_the_prompt() -> None:
    model = tiny_model()
    prompt = request(TEXT[0], GenerationParams(max_new_tokens=3))
    last = prompt.prompt_ids[-1]
    free = engine(model).generate([prompt])[0]
    assert last not in free.token_ids
    stopping = Stopping(sequences=((last, free.token_ids[0]), (last,)), strings=("forest.",))
    same = Request(prompt=prompt.prompt, prompt_ids=prompt.prompt_ids, params=prompt.params, stopping=stopping)
    assert engine(model).generate([same])[0] == free


class _Memory:
    """A device that holds so many rows: a forward hook on a real model."""

    def __init__(self, model: PreTrainedModel, rows: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.largest_served = 0

        def check(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            size = kwargs["input_ids"].shape[0]
            if size > rows:
                raise error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
            self.largest_served = max(self.largest_served, size)

        torch.nn.Module.register_forward_pre_hook(model, check, with_kwargs=True)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_halves_the_batch_with_identical_results(error: type[Exception]) -> None:
    expected = engine(tiny_model(), 32).generate(all_requests())
    model = tiny_model()
    memory = _Memory(model, 3, error)
    limited = engine(model, 16)
    assert limited.generate(all_requests()) == expected
    assert (limited.batch_size, memory.largest_served) == (2, 2)


def test_out_of_memory_with_one_row_says_what_to_do() -> None:
    model = tiny_model()
    _Memory(model, 0)
    with pytest.raises(MemoryExhaustedError, match="out of memory with one row per batch: shorten the prompts"):
        engine(model).generate(all_requests())


def test_other_runtime_errors_are_not_taken_for_memory() -> None:
    model = tiny_model()

    def fail(*_: object) -> None:
        raise RuntimeError("some other fault")

    torch.nn.Module.register_forward_pre_hook(model, fail)
    with pytest.raises(RuntimeError, match="some other fault"):
        engine(model).generate(all_requests())


def test_logits_that_are_not_numbers_are_refused() -> None:
    model: Any = tiny_model()
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    with pytest.raises(LogitsError, match="row 0"):
        engine(model).generate(all_requests())


def test_no_requests_give_no_completions() -> None:
    assert engine(tiny_model()).generate([]) == []


class TestMultiTokenStoppingCriteria:
    """In plain ``model.generate``."""

    def generate(self, model: Any, criteria: MultiTokenStoppingCriteria, rows: int = 1) -> list[list[int]]:
        ids = torch.tensor([tiny_tokenizer()(TEXT[0])["input_ids"]] * rows)
        return [
            row[ids.shape[1] :]
            for row in model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=10,
                stopping_criteria=[criteria],
                eos_token_id=[],
                pad_token_id=0,
            ).tolist()
        ]

    def test_stops_on_the_sequence_with_and_without_reset(self) -> None:
        model = tiny_model()
        free = self.generate(model, MultiTokenStoppingCriteria([399, 398, 397]))[0]
        assert len(free) == 10
        criteria = MultiTokenStoppingCriteria(sequence_ids=free[2:4])
        assert self.generate(model, criteria)[0] == free[:4]
        assert self.generate(model, criteria, rows=2)[0] == free[:4]
        criteria.reset()
        assert self.generate(model, criteria)[0] == free[:4]

    def test_never_looks_into_the_prompt(self) -> None:
        model = tiny_model()
        last = tiny_tokenizer()(TEXT[0])["input_ids"][-1]
        free = self.generate(model, MultiTokenStoppingCriteria([399, 398, 397]))[0]
        assert len(self.generate(model, MultiTokenStoppingCriteria([last, free[0]]))[0]) == 10

    def test_says_per_row_what_is_done(self) -> None:
        criteria = MultiTokenStoppingCriteria([5])
        assert criteria(torch.tensor([[5, 1], [5, 5]]), None).tolist() == [False, True]
        assert criteria(torch.tensor([[5, 1, 5], [5, 5, 1]]), None).tolist() == [True, True]

    @pytest.mark.parametrize("ids", [[], ["a"], [1.5]])
    def test_refuses_what_is_no_sequence(self, ids: list[Any]) -> None:
        with pytest.raises(ValueError, match="sequence_ids must be a list of at least one token id"):
            MultiTokenStoppingCriteria(ids)
