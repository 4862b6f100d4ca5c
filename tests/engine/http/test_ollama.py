from typing import Any

import pytest
from fake_ollama import DEFAULTS, DIGEST, FakeOllama
from fake_server import Fault
from hypothesis import given
from hypothesis import strategies as st
from server_requests import connected, engine_of, message, request

from llmsearch_optuna.engine.base import Completion, Stopping
from llmsearch_optuna.engine.http import probe_server
from llmsearch_optuna.engine.http.answers import read_completion
from llmsearch_optuna.engine.http.engine import request_seed
from llmsearch_optuna.engine.http.ollama import OllamaAPI
from llmsearch_optuna.errors import ModelError, ParameterError, RequestRefusedError, ServerError, TrialError

NAMES = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")


REQUESTS = [request(row, temperature=temperature) for temperature in (0.7, 1.5) for row in range(8)]


# Connections.


def test_its_address_says_what_it_is(ollama: FakeOllama, caplog: pytest.LogCaptureFixture) -> None:
    connection = connected(ollama)
    assert (connection.kind.name, connection.model, connection.max_concurrency) == ("ollama", "tiny:latest", 4)
    assert connection.identity == f"tiny:latest@{DIGEST[:12]} (ollama server)"
    for path in ("/v1", "/api", "/v1/"):
        native = connected(ollama, base_url=ollama.base_url + path, kind="ollama")
        assert (native.identity, native.server.base_url) == (connection.identity, ollama.base_url)
    assert not caplog.records
    former = connected(ollama, base_url=f"{ollama.base_url}/v1")  # studies of earlier versions go on
    assert (former.kind.name, former.identity) == ("openai", "tiny:latest (openai server)")
    assert 'without top_k, min_p and repetition_penalty: kind = "ollama" has them' in caplog.text


def test_the_model_must_be_there(ollama: FakeOllama) -> None:
    assert connected(ollama, model="tiny").model == "tiny:latest"
    ollama.tags = ["tiny:latest", "hf.co/org/tiny:Q4_K_M"]
    assert connected(ollama, model="hf.co/org/tiny:Q4_K_M").model == "hf.co/org/tiny:Q4_K_M"
    with pytest.raises(ModelError, match=r"the server at .*: unknown model `tinny:latest`: did you mean `tiny:latest`"):
        connected(ollama, model="tinny")
    with pytest.raises(ModelError, match=r"it has tiny:latest, hf.co/org/tiny:Q4_K_M$"):
        connected(ollama)
    ollama.tags = []
    with pytest.raises(ModelError, match=r"it lists none$"):
        connected(ollama, kind="ollama")
    with pytest.raises(ServerError, match=r"status 404: model 'tiny:latest' not found; has the model been pulled, and"):
        connected(ollama, kind="ollama", model="tiny")


def test_a_model_without_completions_is_refused(ollama: FakeOllama) -> None:
    ollama.capabilities = ["embedding"]
    with pytest.raises(ModelError, match="`tiny:latest` generates no text: Ollama says that it is for embedding"):
        connected(ollama)


def test_what_a_model_adds_to_prompts_is_told(ollama: FakeOllama, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "llmsearch_optuna")
    ollama.system = "Be terse."
    connected(ollama)
    assert "the Modelfile of tiny:latest adds a system message, unless they begin with one before" in caplog.text


@pytest.mark.parametrize(("version", "count"), [("0.12.5", 1), ("0.12.6", 0), ("0.0.0", 0), ("1.0.0-rc1", 0)])
def test_versions_that_cut_prompts_are_warned_of(
    ollama: FakeOllama, caplog: pytest.LogCaptureFixture, version: str, count: int
) -> None:
    ollama.version = version
    connected(ollama)
    assert len(caplog.messages) == count
    assert all("Ollama before 0.12.6 cuts prompts that exceed `num_ctx` without a word" in m for m in caplog.messages)


# The model's parameters by default.


def default_params(ollama: FakeOllama) -> dict[str, Any]:
    make = connected(ollama).default_params
    assert make is not None
    return make(9, 4).canonical.to_dict()


def test_the_defaults_are_those_of_ollama_and_the_modelfile(
    ollama: FakeOllama, caplog: pytest.LogCaptureFixture
) -> None:
    plain = {"do_sample": True, "max_new_tokens": 9, "generation_seed": 4}
    assert default_params(ollama) == {**plain, "temperature": 0.8, "top_k": 40, "top_p": 0.9}
    ollama.parameters = {
        "temperature": 0.6,
        "top_p": 1,
        "min_p": 0.05,
        "num_ctx": 8192,
        "mirostat": 2,
        "use_mmap": True,
    }
    assert default_params(ollama) == {**plain, "temperature": 0.6, "top_k": 40, "min_p": 0.05}
    assert not caplog.records
    ollama.parameters = {"repeat_penalty": 1.05}
    assert default_params(ollama)["repetition_penalty"] == 1.05
    assert caplog.messages == ["the model's penalties count its last 64 tokens by default, and all tokens here"]
    ollama.parameters = {"temperature": 0}
    assert default_params(ollama) == {"do_sample": False, "max_new_tokens": 9, "generation_seed": 0}
    ollama.parameters, ollama.version = {}, "0.32.9"
    assert default_params(ollama)["repetition_penalty"] == 1.1


def test_a_default_that_is_no_parameter_is_an_error_of_the_model(ollama: FakeOllama) -> None:
    ollama.parameters = {"top_p": 7}
    with pytest.raises(ModelError, match=r"the model's Modelfile has an unsupported value: `top_p` must be in"):
        default_params(ollama)


# Requests.


def test_what_is_sent(ollama: FakeOllama) -> None:
    engine_of(ollama).generate([request(prompt="Hi", stop=("\n",), top_k=3, repetition_penalty=1.2, generation_seed=5)])
    assert ollama.requests == [
        {
            "model": "tiny:latest",
            "prompt": "Hi",
            "raw": True,
            "stream": False,
            "truncate": False,
            "shift": False,
            "options": {
                "num_predict": 6,
                "stop": ["\n"],
                "seed": request_seed(5, "Hi"),
                "temperature": 1.0,
                "top_k": 3,
                "top_p": 1.0,
                "min_p": 0.0,
                "typical_p": 1.0,
                "repeat_penalty": 1.2,
                "repeat_last_n": 65536,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
            },
        }
    ]
    assert ollama.paths[-1] == "/api/generate"
    engine_of(ollama, chat=True).generate([request(prompt=message("Hi"), temperature=0.0)])
    sent = ollama.requests[-1]
    assert (ollama.paths[-1], sent["messages"]) == ("/api/chat", [{"role": "user", "content": "Hi"}])
    assert not {"prompt", "raw"} & set(sent)
    assert not {"seed", "stop", "repeat_last_n"} & set(sent["options"])
    assert sent["options"]["temperature"] == 0.0


def test_everything_that_samples_is_sent_whatever_the_modelfile_says(ollama: FakeOllama) -> None:
    (expected,) = engine_of(ollama).generate([request()])
    ollama.parameters = {"temperature": 0.1, "top_k": 1, "top_p": 0.1, "min_p": 0.9, "repeat_penalty": 1.9, "seed": 3}
    assert engine_of(ollama).generate([request()]) == [expected]


def test_the_models_stop_strings_stay(ollama: FakeOllama) -> None:
    ollama.parameters = {"stop": ["<|im_end|>", 'a "b"\n']}
    engine_of(ollama).generate([request(), request(1, stop=("\n", "<|im_end|>"))])
    sent = {sent["prompt"]: sent["options"].get("stop") for sent in ollama.requests}
    assert sent == {"What is 0?": None, "What is 1?": ["\n", "<|im_end|>", 'a "b"\n']}


def test_settings_change_fields_and_options(ollama: FakeOllama) -> None:
    asked = engine_of(
        ollama,
        omit=("typical_p", "shift"),
        extra_body={"options": {"num_ctx": 999, "min_p": 0.5}, "keep_alive": "1h"},
    )
    asked.generate([request()])
    (sent,) = ollama.requests
    assert (sent["keep_alive"], sent["options"]["num_ctx"], sent["options"]["min_p"]) == ("1h", 999, 0.5)
    assert sent["options"]["top_p"] == 1.0
    assert "shift" not in sent
    assert "typical_p" not in sent["options"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"extra_body": {"num_ctx": 8192}},
            "no field `num_ctx`, and would ignore it: it is an option, which `extra",
        ),
        ({"extra_body": {"reasoning_effort": "low"}}, "no field `reasoning_effort`, and would ignore it: leave it out"),
        (
            {"extra_body": {"options": {"mirostat": 2}}},
            "no option `mirostat`, and would ignore it: leave it out; it has",
        ),
        ({"extra_body": {"options": {"tfs_z": 0.9}}}, "no option `tfs_z`, and would ignore it: leave it out; it has"),
        ({"rename": {"seed": "random_seed"}}, "no field or option `random_seed`, and would ignore it: leave it out"),
    ],
)
def test_what_it_would_ignore_is_refused(ollama: FakeOllama, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        connected(ollama, **changes)
    assert str(refusal.value).startswith(f"Ollama has {message}")


def test_the_options_must_be_a_table(ollama: FakeOllama) -> None:
    with pytest.raises(ParameterError, match="`options` in `extra_body` must be a table, got 3"):
        connected(ollama, extra_body={"options": 3})


# Answers.


@pytest.fixture
def expected(ollama: FakeOllama) -> list[Completion]:
    """What a faultless server answers."""
    answers = engine_of(ollama).generate(REQUESTS)
    ollama.requests.clear()
    return answers


def test_completions_depend_on_nothing_else(ollama: FakeOllama, expected: list[Completion]) -> None:
    assert len({completion.text for completion in expected}) > 8
    assert engine_of(ollama).generate(REQUESTS[::-1]) == expected[::-1]
    alone = engine_of(ollama, max_concurrency=1)
    assert [alone.generate([request])[0] for request in REQUESTS] == expected
    assert all(done.token_count == len(done.text.split()) <= 6 for done in expected)
    assert {done.finish_reason for done in expected} == {"length", "eos"}


PASSING = {
    "503": Fault(status=503, body=b'{"error": "server busy, please try again.  maximum pending requests exceeded"}'),
    "500": Fault(status=500, body=b'{"error": "model runner has unexpectedly stopped"}'),
    "dropped": Fault(drop=True),
    "no message": Fault(body=b'{"model": "tiny:latest", "done": true}'),
    "a list": Fault(body=b"[]"),
    "another text": Fault(body=b'{"response": 3, "done": true}'),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=list(PASSING))
def test_faults_that_pass_change_nothing(ollama: FakeOllama, expected: list[Completion], fault: Fault) -> None:
    ollama.faults = lambda sent, number: fault if number % 3 == 0 else None
    assert engine_of(ollama).generate(REQUESTS) == expected
    assert len(ollama.requests) > len(REQUESTS)


def test_a_model_that_is_removed_stops_the_search(ollama: FakeOllama) -> None:
    asked = engine_of(ollama)
    ollama.tags = []
    with pytest.raises(
        ServerError, match=r"model 'tiny:latest' not found; has the model been pulled, and is `base_url`"
    ):
        asked.generate([request()])


@pytest.mark.parametrize("chat", [False, True])
def test_a_prompt_that_is_too_long_is_refused_and_not_cut(ollama: FakeOllama, chat: bool) -> None:
    asked = engine_of(ollama, chat=chat, extra_body={"options": {"num_ctx": 20}})
    text = "word " * 30
    with pytest.raises(RequestRefusedError) as refusal:
        asked.generate([request(4, message(text) if chat else text)])
    assert str(refusal.value) == (
        f"row 4: the server refuses the request with status 400: request ({31 if chat else 30} tokens) exceeds the "
        "available context size (20 tokens), try increasing it; raise the context length of the server, as in "
        "extra_body = { options = { num_ctx = 16384 } }"
    )
    assert len(ollama.requests) == 1


def test_an_answer_that_fills_the_context_is_warned_of(ollama: FakeOllama, caplog: pytest.LogCaptureFixture) -> None:
    asked = engine_of(ollama, extra_body={"options": {"num_ctx": 20}})
    (done,) = asked.generate([request(4, "word " * 17, temperature=0.0, max_new_tokens=9)])
    assert (done.finish_reason, done.token_count) == ("length", 3)
    (warning,) = caplog.messages
    assert warning.startswith("row 4: Ollama ended the answer after 3 of 9 tokens, as its context is full: raise the c")


def test_thoughts_are_counted_apart(ollama: FakeOllama) -> None:
    ollama.capabilities, ollama.reasons = ["completion", "thinking"], 4
    asked = engine_of(ollama, chat=True)
    for length, reason, count in ((9, "length", 9), (4, "thinking", 4)):
        (done,) = asked.generate([request(prompt=message("Hi"), max_new_tokens=length, temperature=0.0)])
        assert (done.finish_reason, done.token_count) == (reason, count)
        assert len(done.text.split()) == count - 4
        assert abs(done.thinking_token_count - 4) <= 1  # by its share of the characters
    (without,) = engine_of(ollama, chat=True, extra_body={"think": False}).generate(
        [request(prompt=message("Hi"), max_new_tokens=9)]
    )
    assert (len(without.text.split()), without.thinking_token_count) == (without.token_count, 0)
    (raw,) = engine_of(ollama).generate([request(max_new_tokens=4)])
    assert (raw.text, raw.finish_reason, raw.thinking_token_count) == ("", "thinking", 4)


@pytest.mark.parametrize("reports", [False, True])
def test_a_loop_is_scored_and_warned_of(ollama: FakeOllama, caplog: pytest.LogCaptureFixture, reports: bool) -> None:
    if reports:
        ollama.faults = ollama.loop_error
    else:
        ollama.loops = engine_of(ollama).generate([request()])[0].text.split()[0]
    ollama.requests.clear()
    (done,) = engine_of(ollama).generate([request()])
    assert (done.finish_reason, len(done.text.split())) == ("unknown", 0 if reports else 31)
    assert len(ollama.requests) == 1  # a further attempt would end in the same way
    assert "row 0: the server ended the answer for the reason `repeated tokens`" in caplog.text


def read(answer: dict[str, Any], *, chat: bool = True, stops: tuple[str, ...] = ()) -> Completion:
    return read_completion(OllamaAPI().answer(answer), chat=chat, stopping=Stopping(strings=stops), max_new_tokens=50)


ENDINGS = [
    ({"message": {"content": "a"}, "done": True, "done_reason": "stop", "eval_count": 3}, "eos"),
    ({"message": {"content": "a"}, "done": True, "done_reason": "length", "eval_count": 3}, "length"),
    ({"message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 1}, "eos"),
    ({"message": {"content": "", "thinking": "hm"}, "done": True, "done_reason": "stop", "eval_count": 1}, "no_text"),
    ({"message": {"content": "", "tool_calls": [{}]}, "done": True, "done_reason": "stop", "eval_count": 3}, "tool"),
    ({"message": {"content": "a"}, "done": True, "done_reason": "load"}, "unknown"),
    ({"message": {"content": "a"}, "done": True}, "unknown"),
    ({"message": {"content": "a"}, "done": False}, "unknown"),
]


@pytest.mark.parametrize(("answer", "reason"), ENDINGS)
def test_endings(answer: dict[str, Any], reason: str) -> None:
    done = read(answer)
    assert (done.finish_reason, done.token_count) == (reason, answer.get("eval_count", 0))


def test_a_stop_string_cuts_the_text() -> None:
    answer = {"response": "a\nb", "done": True, "done_reason": "stop", "eval_count": 3}
    done = read(answer, chat=False, stops=("\n",))
    assert (done.text, done.finish_reason) == ("a", "stop")


@given(st.text(), st.text(), st.integers(0, 50), st.booleans())
def test_a_thought_is_a_share_of_the_tokens(thought: str, text: str, count: int, chat: bool) -> None:
    parts = {"thinking": thought, "content" if chat else "response": text}
    answer = {**({"message": parts} if chat else parts), "done": True, "done_reason": "stop", "eval_count": count}
    done = read(answer, chat=chat)
    assert (done.text, done.token_count) == (text, count)
    assert 0 <= done.thinking_token_count <= count
    assert not thought or text or done.thinking_token_count == count
    assert thought or done.thinking_token_count == 0


def test_tokens_that_are_not_reported_are_estimated(ollama: FakeOllama, caplog: pytest.LogCaptureFixture) -> None:
    ollama.tells_tokens = False
    (done,) = engine_of(ollama).generate([request()])
    assert done.count_is_estimate
    assert "the server does not report how many tokens it generates" in caplog.text


# The probe.


def probe(ollama: FakeOllama, names: tuple[str, ...] = NAMES, **changes: Any) -> dict[str, str]:
    return probe_server(engine_of(ollama, chat=True, **changes), names)


def test_a_good_server_passes(ollama: FakeOllama, caplog: pytest.LogCaptureFixture) -> None:
    assert probe(ollama) == {
        "seeds": "kept",
        "numbers of tokens": "reported",
        "parameters": "min_p, repetition_penalty, temperature, top_k, top_p take effect",
    }
    assert not caplog.records


@pytest.mark.parametrize(("name", "option"), [("repetition_penalty", "repeat_penalty"), ("min_p", "min_p")])
def test_an_option_that_a_runner_ignores_is_found(ollama: FakeOllama, name: str, option: str) -> None:
    assert option in DEFAULTS
    ollama.ignored = {option}
    with pytest.raises(ParameterError, match=f"^`{name}` has no effect on the server: "):
        probe(ollama)


def test_seeds_that_are_ignored_are_warned_of(ollama: FakeOllama, caplog: pytest.LogCaptureFixture) -> None:
    ollama.ignored = {"seed"}
    assert probe(ollama, ())["seeds"] == "not kept: one seed gave two texts"
    assert "the server's completions are not reproducible" in caplog.text


def test_a_thought_is_evidence(ollama: FakeOllama) -> None:
    ollama.capabilities, ollama.reasons = ["completion", "thinking"], 10**6
    assert probe(ollama, ("top_k",))["parameters"] == "top_k take effect"


def test_thinking_that_the_model_lacks_is_refused(ollama: FakeOllama) -> None:
    with pytest.raises(
        ParameterError, match=r'refuses a request of the kind `ollama`: .*"tiny:latest" does not support thinking'
    ):
        probe(ollama, extra_body={"think": True})


def test_an_error_of_the_whole_call_names_its_rows(ollama: FakeOllama) -> None:
    ollama.faults = lambda sent, number: Fault(status=400, body=b'{"error": "no"}')
    with pytest.raises(TrialError, match=r"row 0: .* status 400: no; requests of 8 rows failed: 0, 1, 2"):
        engine_of(ollama).generate(REQUESTS[:8])
