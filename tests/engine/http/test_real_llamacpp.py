"""A real server of llama.cpp (``xllamacpp``) with the demo model: what it makes of the penalties, DRY and XTC.

The server tells the probabilities of its most likely tokens before its samplers. From these, our own functions say
which token comes next.
"""

import itertools
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from llmsearch_optuna import OpenAIServer, SearchSpace, Tuner
from llmsearch_optuna.demo.model import demo_gguf, demo_model_directory
from llmsearch_optuna.engine.base import Completion, Request, Stopping
from llmsearch_optuna.engine.http import HTTPEngine, connect, run
from llmsearch_optuna.engine.sampling import penalise
from llmsearch_optuna.engine.sampling.breakers import breakers_of
from llmsearch_optuna.export import to_gguf, to_llamacpp, write_with_program
from llmsearch_optuna.space.dialects import DIALECTS
from llmsearch_optuna.space.params import GenerationParams

xllamacpp = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed here; .ci/full installs it")
pytestmark = pytest.mark.slow

SERVE = """
import os, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.n_ctx, params.n_parallel = sys.argv[1], int(sys.argv[2]), 1024, 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
for setting in sys.argv[3:]:
    name, _, value = setting.partition("=")
    setattr(params.sampling, name, float(value))
server = xllamacpp.Server(params)  # which ends with this name
print(server.listening_address, flush=True)
sys.stdin.read()
os._exit(0)
"""
DEFAULTS = ("penalty_present=1.5", "penalty_freq=1", "dry_multiplier=3", "xtc_probability=1", "xtc_threshold=0.02")
"""Defaults of a server that decodes otherwise."""

TOKENS = 40
TEXT_TOKENS = 30
LIKELY = 200
NEAR_TIE = 1e-3
PROMPTS = (
    "yes no yes no yes no yes no yes no",
    "User: Tell me a joke.\nBot: Why?\nUser: Tell me a joke.\nBot:",
    "The sea is blue. The sky is blue. The sea is blue. The",
    "one, two, three, one, two, three, one, two,",
    "Once upon a time there was a king. The king had a daughter. The daughter had a",
)
VARIANTS: list[dict[str, Any]] = [
    {"presence_penalty": 1.5},
    {"frequency_penalty": 0.6},
    {"presence_penalty": -0.5, "frequency_penalty": 0.3},
    {"dry_multiplier": 2.0},
    {"dry_multiplier": 0.5, "dry_base": 3.0, "dry_allowed_length": 1},
    {"dry_multiplier": 2.0, "dry_allowed_length": 1, "dry_sequence_breakers": []},
    {"dry_multiplier": 2.0, "dry_allowed_length": 1, "dry_sequence_breakers": ["o, t", "The s", "User:", " no yes"]},
    {"dry_multiplier": 2.0, "dry_allowed_length": 1, "dry_sequence_breakers": [" the", "ing", ".", "\nBot"]},
    {"presence_penalty": 0.4, "dry_multiplier": 1.0, "dry_sequence_breakers": ["blue. The", ","]},
]


def is_ready(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health").status_code == 200
    except httpx2.TransportError:
        return False


def serve(gguf: Path, log: Path, *settings: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, pipe = [sys.executable, "-c", SERVE, str(gguf), str(port), *settings], subprocess.PIPE
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=output, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, log.read_text()[-3000:]
            deadline = time.monotonic() + 120.0
            while not is_ready(address):
                assert time.monotonic() < deadline, log.read_text()[-3000:]
                time.sleep(0.2)
            yield address
        finally:
            process.kill()


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_gguf(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def url(gguf: Path) -> Iterator[str]:
    yield from serve(gguf, gguf.with_name("log"))


@pytest.fixture(scope="module")
def other_url(gguf: Path) -> Iterator[str]:
    """The address of a server with `DEFAULTS`."""
    yield from serve(gguf, gguf.with_name("other_log"), *DEFAULTS)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(demo_model_directory())
    return loaded


class Step(NamedTuple):
    """A step of a completion: the context before it, the likely tokens with their log-probabilities, and its token."""

    context: list[int]
    likely: dict[int, float]
    token: int


def steps_of(url: str, prompt: str, fields: Mapping[str, Any]) -> list[Step]:
    """Generate with the server's own API, which tells the probabilities before all samplers."""
    body = {"prompt": prompt, "n_predict": TOKENS, "n_probs": LIKELY, "cache_prompt": False, "seed": 1, **fields}
    answer = httpx2.post(f"{url}/completion", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    context = list(httpx2.post(f"{url}/tokenize", json={"content": prompt, "add_special": True}).json()["tokens"])
    steps = []
    for entry in answer.json()["completion_probabilities"]:
        likely = {row["id"]: row["logprob"] for row in entry["top_logprobs"]}
        steps.append(Step(list(context), likely, entry["id"]))
        context.append(entry["id"])
    return steps


def completions(url: str, params: GenerationParams) -> list[Completion]:
    connection = run(connect(OpenAIServer(base_url=f"{url}/v1"), chat=False))
    assert connection.kind.name == "llamacpp"
    requests = [Request(prompt=text, prompt_ids=(), params=params, stopping=Stopping()) for text in PROMPTS]
    return HTTPEngine(connection, chat=False).generate(requests)


def texts(url: str, **params: Any) -> list[str]:
    return [row.text for row in completions(url, GenerationParams(**params, max_new_tokens=TEXT_TOKENS))]


@pytest.mark.parametrize("variant", VARIANTS, ids=repr)
def test_it_takes_the_token_that_our_penalties_leave(
    url: str, tokenizer: PreTrainedTokenizerBase, variant: dict[str, Any]
) -> None:
    params = GenerationParams(**variant)
    ends = [breakers_of(tokenizer, params)]
    changed = ties = 0
    for prompt in PROMPTS:
        for context, likely, token in steps_of(url, prompt, DIALECTS["llamacpp"].sampling_fields(params)):
            ids = np.array([sorted(likely)])
            logits = torch.tensor([[likely[token_id] for token_id in ids[0].tolist()]])
            # It also counts the tokens of the prompt, of which an export warns.
            arguments = ([params], [context], [context], [len(context)])
            penalised = penalise(logits, *arguments, breakers=ends, token_ids=ids)
            (best, second), columns = penalised[0].topk(2)
            if best - second < NEAR_TIE:
                ties += 1
                continue
            assert token == ids[0, columns[0]]
            changed += token != max(likely, key=lambda token_id: likely[token_id])
    assert changed >= 10
    assert ties <= 5


def test_xtc_leaves_the_least_of_the_top_choices(url: str) -> None:
    def among_others(probability: float) -> list[bool]:
        """Whether each drawn token is at most as probable as the least top choice, where there are several."""
        params = GenerationParams(temperature=1.0, xtc_probability=probability, xtc_threshold=0.1)
        results = []
        for prompt in PROMPTS:
            for _, likely, token in steps_of(url, prompt, DIALECTS["llamacpp"].sampling_fields(params)):
                top_choices = [value for value in likely.values() if value >= math.log(0.1)]
                if len(top_choices) > 1:
                    results.append(likely.get(token, -math.inf) <= min(top_choices))
        return results

    always, never = among_others(1.0), among_others(0.0)
    assert len(always) > 30
    assert all(always)
    assert not all(never)


def test_unset_parameters_are_off_whatever_its_defaults(url: str, other_url: str) -> None:
    body = {"max_tokens": TEXT_TOKENS, "temperature": 0.0}
    answers = [
        [httpx2.post(f"{base}/v1/completions", json={"prompt": text, **body}, timeout=120).json() for text in PROMPTS]
        for base in (url, other_url)
    ]
    plain, other = ([answer["choices"][0]["text"] for answer in given] for given in answers)
    assert plain != other
    assert texts(url) == texts(other_url) == plain
    # What is unset beside DRY is off, and so are others' breakers.
    assert texts(url, dry_multiplier=1.0) == texts(other_url, dry_multiplier=1.0) != plain
    sampled = {"temperature": 0.8, "generation_seed": 3}
    assert texts(url, **sampled) == texts(other_url, **sampled)
    set_to_off = {"presence_penalty": 0.0, "frequency_penalty": 0.0, "dry_multiplier": 0.0, "xtc_probability": 0.0}
    assert texts(other_url, do_sample=False, **set_to_off) == plain


def longest_run(text: str) -> int:
    """The length of the longest sequence of words that comes twice in a row."""
    words = text.split()
    return max(
        (
            length
            for start, length in itertools.product(range(len(words)), range(1, len(words) // 2 + 1))
            if words[start : start + length] == words[start + length : start + 2 * length]
        ),
        default=0,
    )


def test_dry_ends_loops_and_breakers_let_them_go_on(url: str) -> None:
    plain, dry = texts(url), texts(url, dry_multiplier=4.0, dry_sequence_breakers=[])
    assert sum(map(longest_run, plain)) > sum(map(longest_run, dry))
    letters = list("abcdefghijklmnopqrstuvwxyz ,.\n")
    assert texts(url, dry_multiplier=4.0, dry_sequence_breakers=letters) == plain


def test_penalties_bring_other_words(url: str) -> None:
    plain = texts(url)
    for name in ("presence_penalty", "frequency_penalty"):
        penalised = texts(url, **{name: 1.8})
        shares = [
            sum(len(set(text.split())) for text in rows) / sum(len(text.split()) for text in rows)
            for rows in (plain, penalised)
        ]
        assert shares[1] > shares[0]


def test_a_search_over_all_of_them(url: str, tmp_path: Path) -> None:
    tuner = Tuner(
        server=OpenAIServer(base_url=f"{url}/v1"),
        dataset=[{"text": text, "answer": "the"} for text in PROMPTS[:4]],
        scorer="contains",
        column_mapping={"input_cols": ["text"], "eval_cols": ["answer"]},
        prompt_template="{text}",
    )
    space = SearchSpace.from_dict(
        {
            "temperature": {"low": 0.3, "high": 1.2},
            "presence_penalty": {"low": 0.0, "high": 1.0},
            "frequency_penalty": {"low": 0.0, "high": 1.0},
            "xtc_probability": {"choices": [None, 0.5]},
            "xtc_threshold": 0.1,
            "dry_multiplier": {"choices": [None, 0.8]},
            "dry_base": 1.5,
            "dry_allowed_length": 1,
            "dry_sequence_breakers": ["\n", "User:"],
            "max_new_tokens": 8,
        }
    )
    study = tuner.search(space, n_trials=6, rungs=2, storage=tmp_path / "x.db", show_progress=False, pruner="none")
    assert all(trial.value is not None for trial in study.trials)


EXPORTED = GenerationParams(
    temperature=0.7, top_k=17, top_p=0.85, min_p=0.02, repetition_penalty=1.3, xtc_probability=0.25, xtc_threshold=0.2
)


def test_it_takes_its_defaults_from_an_exported_file(gguf: Path, tmp_path: Path) -> None:
    """Also the order of the samplers. A request without fields of its own then decodes as the exported request does."""
    write_with_program({"metadata": to_gguf(EXPORTED).values}, tmp_path, "gguf")
    copy = tmp_path / "copy.gguf"
    subprocess.run([sys.executable, str(tmp_path / "snippet.py"), str(gguf), str(copy)], check=True)
    request = to_llamacpp(EXPORTED).values["request"]
    for url in serve(copy, tmp_path / "log"):
        defaults = httpx2.get(f"{url}/props").json()["default_generation_settings"]["params"]
        names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "mirostat", "samplers")
        for name in (*names, "xtc_probability", "xtc_threshold", "presence_penalty", "typical_p", "dry_multiplier"):
            assert defaults[name] == (request[name] if name == "samplers" else pytest.approx(request[name], rel=1e-6))
        body = {"prompt": PROMPTS[0], "n_predict": TEXT_TOKENS, "seed": 5}
        bodies: list[dict[str, Any]] = [body, {**request, **body}]
        texts = [httpx2.post(f"{url}/completion", json=sent, timeout=120).json()["content"] for sent in bodies]
        assert texts[0] == texts[1]


def test_it_has_the_options_of_the_command_line_and_the_preset() -> None:
    """Its library holds their names. Its Python interface reads neither command lines nor presets."""
    package = Path(xllamacpp.__file__).parent
    (library,) = (path for path in package.iterdir() if path.suffix == ".so")
    options = {*DIALECTS["llamacpp"].options.values(), "--sampler-seq", "--models-preset"}
    binary = library.read_bytes()
    assert {option for option in options if f"\0{option}\0".encode() not in binary} == set()


def test_it_refuses_what_the_exports_no_longer_say(url: str) -> None:
    request = {**to_llamacpp(EXPORTED).values["request"], "prompt": "a", "n_predict": 1}
    assert httpx2.post(f"{url}/completion", json=request, timeout=120).status_code == 200
    refused = httpx2.post(f"{url}/completion", json={**request, "repeat_last_n": -1}, timeout=120)
    assert refused.status_code == 400
