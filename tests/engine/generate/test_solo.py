"""Beams: what model.generate gives for each prompt, regardless of the batch."""

from typing import Any

import pytest
import torch
from engine_requests import LimitedMemory, all_requests, generated, request
from tiny_models import TEXT, tiny_model, tiny_tokenizer
from transformers import PreTrainedModel

from llmsearch_optuna.engine.base import Completion
from llmsearch_optuna.engine.generate.engine import GenerateEngine
from llmsearch_optuna.engine.generate.solo import SoloEngine, beam_seed
from llmsearch_optuna.engine.routing import RoutingEngine
from llmsearch_optuna.engine.slots.engine import SlotEngine
from llmsearch_optuna.engine.slots.model_runner import ModelRunner
from llmsearch_optuna.errors import LogitsError, MemoryExhaustedError, ParameterError, TrialError
from llmsearch_optuna.space.params import GenerationParams

FAMILIES = ["llama", "mistral", "gemma3", "bloom", "t5"]

BEAMS = [
    {"num_beams": 2},
    {"num_beams": 4, "length_penalty": 2.0, "early_stopping": True},
    {"num_beams": 3, "length_penalty": -1.0, "repetition_penalty": 1.3},
    {"num_beams": 3, "no_repeat_ngram_size": 2, "encoder_repetition_penalty": 1.4},
]


def engine(model: PreTrainedModel, **arguments: Any) -> RoutingEngine:
    slots = SlotEngine(ModelRunner(model), tiny_tokenizer(), slots=8)
    return RoutingEngine(slots, SoloEngine(model, tiny_tokenizer(), **arguments), lambda request: request.params.beams)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("arguments", BEAMS, ids=str)
def test_beam_search_equals_that_of_transformers(family: str, arguments: dict[str, Any], device: torch.device) -> None:
    model = tiny_model(family, device=device)
    solo = SoloEngine(model, tiny_tokenizer())
    for text in TEXT:
        beams = request(text, GenerationParams(max_new_tokens=12, **arguments), eos_token_ids=(2,))
        expected = generated(model, beams, **arguments)
        completion = solo.generate([beams])[0]
        assert completion.token_ids == expected
        assert completion.finish_reason == ("eos" if expected[-1] == 2 else "length")


def test_beams_find_what_greedy_decoding_does_not() -> None:
    model = tiny_model("llama")
    requests = [
        request(text, GenerationParams(max_new_tokens=12, num_beams=beams)) for text in TEXT for beams in (1, 4)
    ]
    completions = engine(model).generate(requests)
    assert any(
        single.token_ids != beams.token_ids for single, beams in zip(completions[::2], completions[1::2], strict=True)
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("family", ["llama", "t5"])
@pytest.mark.parametrize(
    "arguments",
    [{"temperature": 4.0, "top_k": 20}, {"temperature": 3.0, "top_p": 0.9, "repetition_penalty": 1.2}, {"top_k": 1}],
    ids=str,
)
def test_beam_sampling_equals_that_of_transformers_with_a_seed_per_prompt(
    family: str, arguments: dict[str, Any]
) -> None:
    model = tiny_model(family)
    solo = SoloEngine(model, tiny_tokenizer())
    state = torch.random.get_rng_state()
    completions = set()
    for text in TEXT:
        for seed in (0, 7, 8):
            params = GenerationParams(do_sample=True, num_beams=3, max_new_tokens=10, generation_seed=seed, **arguments)
            beams = request(text, params, eos_token_ids=(2,))
            completion = solo.generate([beams])[0]
            completions.add(completion.token_ids)
            if arguments == {"top_k": 1}:
                continue  # transformers keeps two tokens per beam
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(beam_seed(beams))
                settings = {"temperature": 1.0, "top_k": 0, **arguments}
                assert completion.token_ids == generated(model, beams, do_sample=True, num_beams=3, **settings)
    assert len(completions) > len(TEXT) or arguments == {"top_k": 1}
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.full
def test_modes_share_a_batch_and_do_not_depend_on_it(device: torch.device) -> None:
    model = tiny_model("llama", device=device)
    others = [
        GenerationParams(num_beams=3, max_new_tokens=8),
        GenerationParams(num_beams=2, temperature=1.2, top_p=0.9, max_new_tokens=7, generation_seed=5),
    ]
    requests = [request(text, params, eos_token_ids=(2,)) for params in others for text in TEXT] + all_requests()
    counted: list[int] = []
    together = engine(model).generate(requests, counted.append, upcoming=requests[:4])
    assert sum(counted) == sum(len(completion.token_ids) for completion in together)
    one_by_one = engine(model)
    assert [one_by_one.generate([single])[0] for single in requests] == together
    assert engine(model).generate(requests[::-1]) == together[::-1]


@pytest.mark.parametrize(
    "params",
    [
        GenerationParams(num_beams=3, max_new_tokens=30),
        GenerationParams(num_beams=3, temperature=1.0, max_new_tokens=30),
    ],
    ids=repr,
)
def test_every_mode_stops_where_it_is_told_to(params: GenerationParams) -> None:
    model = tiny_model("llama")
    solo = SoloEngine(model, tiny_tokenizer())

    def generate(**stopping: Any) -> Completion:
        return solo.generate([request(TEXT[1], params, **stopping)])[0]

    free = generate()
    assert len(free.token_ids) == 30
    assert free.finish_reason == "length"
    token = free.token_ids[4]
    ended = generate(eos_token_ids=(token,))
    assert ended.finish_reason == "length" or ended.token_ids[-1] == token
    assert token not in ended.token_ids[:-1]
    sequence = free.token_ids[3:5]
    stopped = generate(sequences=(sequence,))
    assert stopped.finish_reason == "length" or stopped.token_ids[-2:] == sequence
    places = [at for at in range(len(stopped.token_ids) - 1) if stopped.token_ids[at : at + 2] == sequence]
    assert places in ([], [len(stopped.token_ids) - 2])
    text = str(tiny_tokenizer().decode(list(free.token_ids[5:7]), skip_special_tokens=True))
    assert text not in generate(strings=(text,)).text


def test_one_token_at_a_time_is_no_way_to_search_with_beams() -> None:
    model = tiny_model("llama")
    beams = request(TEXT[0], GenerationParams(num_beams=2))
    for rows in (GenerateEngine(model, tiny_tokenizer()), SlotEngine(ModelRunner(model), tiny_tokenizer())):
        with pytest.raises(
            ParameterError, match="`num_beams` must be 1 in an engine that samples token by token, got 2"
        ):
            rows.generate([beams])


def test_a_model_without_the_mode_fails_the_trial() -> None:
    beams = request(TEXT[0], GenerationParams(num_beams=3))
    with pytest.raises(TrialError, match=r"^RwkvForCausalLM has no beam search: "):
        SoloEngine(tiny_model("rwkv"), tiny_tokenizer()).generate([beams])


@pytest.mark.full
def test_memory_for_not_even_one_row_says_what_to_do() -> None:
    model = tiny_model("llama")
    LimitedMemory(model, 2)
    beams = request(TEXT[0], GenerationParams(num_beams=3))
    with pytest.raises(MemoryExhaustedError):
        SoloEngine(model, tiny_tokenizer()).generate([beams])


def test_logits_that_are_not_numbers_are_refused() -> None:
    model: Any = tiny_model("llama")
    model.lm_head.weight.data[7] = float("nan")
    with pytest.raises(LogitsError):
        SoloEngine(model, tiny_tokenizer()).generate([request(TEXT[0], GenerationParams(num_beams=2))])
