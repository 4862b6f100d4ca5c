"""The real vLLM with the demo model, in this process and as a server, in an environment that `.ci/full` makes."""

import collections
import contextlib
import dataclasses
import importlib
import importlib.resources
import itertools
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import peft
import pytest
import torch
from backends import replace_backend
from cuts import CUT_VALUES
from torch import Tensor

from llmsearch_optuna import OpenAIServer, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.demo.dataset import demo_samples
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine.backend import Backend
from llmsearch_optuna.engine.base import Completion, Request
from llmsearch_optuna.engine.loading import LoadedModel, load_model
from llmsearch_optuna.engine.model_backend import model_backend
from llmsearch_optuna.engine.sampling import SamplingRows, filtered_logits, gumbel_noise, penalise, prompt_key
from llmsearch_optuna.engine.sampling.breakers import breakers_of
from llmsearch_optuna.engine.vllm.backend import check_vllm, load_for_vllm, vllm_backend
from llmsearch_optuna.engine.vllm.breakers import ModelBreakers
from llmsearch_optuna.errors import ModelError, ParameterError
from llmsearch_optuna.export import trace, vllm_deployment
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.rules import MAX_SEED
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.study import study_key
from studies.benchmarks.contents import compare, read_contents

pytest.importorskip("vllm", reason="vLLM is not installed here; .ci/full has an environment with it")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # vLLM warns of its own code

ROOT = Path(__file__).parents[3]
ARGUMENTS = {"dtype": "float32", "enforce_eager": True, "max_model_len": 512}
ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
TOKENS = 16
NEAR_TIE = 1e-3
"""Scores (logits over temperature, plus noise) that are nearer to each other than rounding may move them."""

TEXTS = [
    "Write a short poem about the sea.",
    "What is the capital of France?",
    "Summarise: The committee met on Tuesday to discuss the new budget, which had been delayed twice.",
    "List three fruits.",
    "Tell me a joke about cats.",
    "Translate to German: good morning",
    "Once upon a time, in a village by the mountains,",
    "Name the planets of the solar system, and say which one is the largest.",
    "def fibonacci(n):",
]
VARIANTS: list[dict[str, Any]] = [
    {},
    *({"temperature": temperature} for temperature in (0.3, 0.7, 1.0, 1.3)),
    *({"temperature": temperature, name: value} for name, value in CUT_VALUES.items() for temperature in (0.6, 1.1)),
    {"temperature": 0.8, "tfs": 0.9, "top_a": 0.2, "repetition_penalty": 1.2},
    {"temperature": 1.1, "top_p": 0.9, "no_repeat_ngram_size": 2},
    {"temperature": 0.7, "encoder_repetition_penalty": 1.3, "top_k": 30},
    {"temperature": 1.0, "mirostat_tau": 2.0, "mirostat_eta": 0.5},
    {"repetition_penalty": 1.3},
    {"no_repeat_ngram_size": 3},
    {"temperature": 0.8, "xtc_probability": 0.5},
    {"presence_penalty": 0.6, "frequency_penalty": 0.3},
    {"temperature": 0.9, "presence_penalty": -0.5, "top_p": 0.95},
    {"encoder_repetition_penalty": 1.2, "repetition_penalty": 1.1},
    {"dry_multiplier": 2.0, "dry_allowed_length": 1},
    {"temperature": 0.8, "dry_multiplier": 1.0, "dry_allowed_length": 1, "dry_sequence_breakers": [" the", "s and"]},
    {"temperature": 0.6, "dry_multiplier": 4.0, "dry_allowed_length": 1, "dry_sequence_breakers": []},
]
SPACE = {
    "do_sample": True,
    "temperature": {"low": 0.2, "high": 1.5},
    "tfs": {"low": 0.7, "high": 1.0},
    "repetition_penalty": {"low": 1.0, "high": 1.15},
    "dry_multiplier": 0.5,
    "dry_allowed_length": 1,
    "dry_sequence_breakers": ["\n", ", "],
    "generation_seed": {"choices": [0, 1]},
    "max_new_tokens": 12,
}
TASK: dict[str, Any] = {
    "scorer": "distinct_items",
    "column_mapping": {"input_cols": ["instruction", "start"], "eval_cols": ["members", "count"]},
    "messages": [
        {"role": "system", "content": "You write lists."},
        {"role": "user", "content": "{instruction}"},
        {"role": "assistant", "content": "{start}"},
    ],
    "search_size": 16,
    "holdout_size": 8,
}


@pytest.fixture(scope="module", autouse=True)
def environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def directory() -> str:
    return str(demo_model_directory())


@pytest.fixture(scope="module")
def loaded(directory: str) -> LoadedModel:
    return load_model(directory, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def slots(loaded: LoadedModel) -> Backend:
    return model_backend(*loaded, batch_size=16)


@pytest.fixture(scope="module")
def in_process(directory: str) -> Backend:
    check_vllm(ARGUMENTS)
    return vllm_backend(load_for_vllm(directory, None, None), batch_size=32, arguments=ARGUMENTS)


@pytest.fixture(scope="module")
def url(directory: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of vLLM that runs where this package is installed.

    It is what ``vllm serve`` starts. That command itself looks for a package with the name vllm, which the build for
    the CPU does not have.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", directory]
    command += ["--port", str(port), "--host", "127.0.0.1"]
    command += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "512", "--served-model-name", "demo"]
    log = tmp_path_factory.mktemp("vllm") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        for _ in range(600):
            assert server.poll() is None, log.read_text()[-3000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


def requests_of(backend: Backend) -> list[Request]:
    """Every variant with each of the texts, with seeds of its own."""
    assert backend.tokenizer is not None
    seeds = random.Random(0)
    requests = []
    for variant, text in itertools.product(VARIANTS, TEXTS):
        chat = [{"role": "user", "content": text}]
        prompt = str(backend.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))
        seed = seeds.randrange(2**32) if "temperature" in variant else 0
        params = GenerationParams(**variant, generation_seed=seed, max_new_tokens=TOKENS)
        ids = tuple(backend.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        requests.append(Request(prompt=prompt, prompt_ids=ids, params=params, stopping=backend.stopping(())))
    return requests


@torch.inference_mode()
def scores_of(loaded: LoadedModel, request: Request, tokens: tuple[int, ...]) -> Tensor:
    """The scores from which the token after these is drawn."""
    context = [*request.prompt_ids, *tokens]
    logits = loaded.model(input_ids=torch.tensor([context])).logits[:, -1].float()
    rows = SamplingRows.build([request.params], [prompt_key(request.prompt_ids)])
    ends = [breakers_of(loaded.tokenizer, request.params)]
    penalised = penalise(logits, [request.params], [request.prompt_ids], [context], [len(tokens)], breakers=ends)
    if request.params.greedy:
        return penalised[0]
    noise = gumbel_noise(rows.seeds, rows.prompt_keys, torch.tensor([len(tokens)]), torch.arange(logits.shape[1]))
    return (filtered_logits(penalised, rows) + noise)[0]


def check_equal(loaded: LoadedModel, request: Request, first: Completion, second: Completion) -> bool:
    """Check that two completions are the same up to a near tie, and return whether they are the same."""
    if first == second:
        return True
    pairs = zip(first.token_ids, second.token_ids, strict=False)
    step = next(step for step, (token, another) in enumerate(pairs) if token != another)
    scores = scores_of(loaded, request, first.token_ids[:step])
    values = [float(scores[completion.token_ids[step]]) for completion in (first, second)]
    print(f"{request.params}: step {step} has the scores {values}")
    assert abs(values[0] - values[1]) < NEAR_TIE
    return False


def test_tokens_are_those_of_the_slots(slots: Backend, in_process: Backend, loaded: LoadedModel) -> None:
    requests = requests_of(slots)
    assert len(requests) >= 300
    expected = slots.engine.generate(requests)
    received = in_process.engine.generate(requests, upcoming=requests[:3])
    pairs = zip(requests, expected, received, strict=True)
    equal = collections.Counter(check_equal(loaded, *pair) for pair in pairs)
    print(f"{equal[True]} of {len(requests)} completions are equal, the others up to a near tie")
    assert equal[False] <= len(requests) // 50
    alone = [in_process.engine.generate([request])[0] for request in requests[::20]]
    assert alone == received[::20]


def tuner_of(loaded: LoadedModel, backend: Backend | None = None, url: str | None = None) -> Tuner:
    given: dict[str, Any] = {"tokenizer": loaded.tokenizer, "dataset": demo_samples(24), **TASK}
    if url is not None:
        return Tuner(**given, server=OpenAIServer(base_url=url))
    tuner = Tuner(**given, model=loaded.model, batch_size=16)
    if backend is not None:
        tuner._backend = backend
        replace_backend(tuner)
    return tuner


def searched(tuner: Tuner, path: Path) -> tuple[optuna.Study, list[Any]]:
    study = tuner.search(SPACE, n_trials=6, rungs=8, storage=path, show_progress=False)
    verdict = tuner.confirm(study, seeds=1, show_progress=False)
    trials = [(trial.params, trial.values, trial.intermediate_values, trial.state) for trial in study.trials]
    return study, [*trials, verdict.sentence]


def test_a_study_in_process_is_that_of_the_slots(loaded: LoadedModel, in_process: Backend, tmp_path: Path) -> None:
    _, expected = searched(tuner_of(loaded), tmp_path / "slots.db")
    assert searched(tuner_of(loaded, in_process), tmp_path / "vllm.db")[1] == expected


class StudyOnSlots(NamedTuple):
    study: optuna.Study
    contents: list[Any]
    path: Path


@pytest.fixture(scope="module")
def study_on_slots(loaded: LoadedModel, slots: Backend, tmp_path_factory: pytest.TempPathFactory) -> StudyOnSlots:
    """Without the model's default as a baseline, which a server does not tell."""
    path = tmp_path_factory.mktemp("slots") / "study.db"
    return StudyOnSlots(*searched(tuner_of(loaded, dataclasses.replace(slots, default_params=None)), path), path)


def test_a_study_on_a_server_is_that_of_the_slots(
    loaded: LoadedModel, url: str, study_on_slots: StudyOnSlots, tmp_path: Path
) -> None:
    tuner = tuner_of(loaded, url=url)
    assert "llmsearch_optuna draws" in tuner._backend.identity
    assert tuner.diagnosis(SPACE)["seeds"] == "kept"
    assert searched(tuner, tmp_path / "study.db")[1] == study_on_slots.contents


def post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/{path}", data, headers)) as answer:
        return dict(json.load(answer))


def test_the_exported_request_gives_the_completions_of_the_study(
    loaded: LoadedModel, url: str, study_on_slots: StudyOnSlots
) -> None:
    study, _, path = study_on_slots
    provenance = trace(study)
    exact = vllm_deployment(provenance)["exact_request"]
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    stored = store.load(study_key(study), provenance.trial)
    samples = {sample.row: sample for sample in tuner_of(loaded).task.search}
    assert len(stored) == len(samples) == TASK["search_size"]
    for completion in stored:
        answer = post(url, "completions", {"model": "demo", "prompt": samples[completion.row].prompt, **exact})
        assert answer["choices"][0]["text"].strip() == completion.text


def test_the_exported_program_prints_the_completions_of_the_study(
    loaded: LoadedModel, url: str, study_on_slots: StudyOnSlots, tmp_path: Path
) -> None:
    study, _, path = study_on_slots
    assert main(["export", str(path), "--to", "vllm", "-o", str(tmp_path / "out")]) == 0
    stored = CompletionStore(open_storage(f"sqlite:///{path}")).load(study_key(study), trace(study).trial)
    samples = {sample.row: sample for sample in tuner_of(loaded).task.search}
    for completion in stored[:4]:
        command = [sys.executable, str(tmp_path / "out" / "snippet.py"), samples[completion.row].prompt, "--url", url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert printed.strip() == completion.text


SEVERAL: dict[str, Any] = {"n": 2, "temperature": 1.0, "repetition_penalty": 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vllm_xargs": {"llmsearch_optuna": '{"top_p": 1.3}'}}, "`top_p` must be in (0, 1], got 1.3"),
        ({"vllm_xargs": {"llmsearch_optuna": '{"num_beams": 2}'}}, "`num_beams` must be 1 in vLLM"),
        (
            {"vllm_xargs": {"llmsearch_optuna": "{}"}, "repetition_penalty": 1.2},
            "`repetition_penalty` of the request must be 1",
        ),
        (
            {**SEVERAL, "vllm_xargs": {"llmsearch_optuna": '{"temperature": 1.0}'}, "seed": MAX_SEED},
            "`seed` of the request is too large for n=2",
        ),
        (
            {**SEVERAL, "vllm_xargs": {"llmsearch_optuna": '{"temperature": 1.0, "generation_seed": 3}'}, "seed": 3},
            "n=2 would give equal completions",
        ),
    ],
)
def test_a_server_refuses_wrong_requests_in_one_line(url: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(url, "completions", {"model": "demo", "prompt": "a", "max_tokens": 1, **change})
    assert refused.value.code == 400
    assert message in json.load(refused.value)["error"]["message"]


def test_requests_without_our_key_are_untouched(url: str, loaded: LoadedModel, slots: Backend) -> None:
    """A greedy request beside ours gives what greedy decoding gives; vLLM's own seeds give other tokens than ours."""
    plain = {"model": "demo", "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0.0}
    ids = tuple(loaded.tokenizer(plain["prompt"], add_special_tokens=False)["input_ids"])
    params = GenerationParams(max_new_tokens=8)
    request = Request(prompt=str(plain["prompt"]), prompt_ids=ids, params=params, stopping=slots.stopping(()))
    answer = post(url, "completions", {**plain, "repetition_penalty": 1.0})
    assert answer["choices"][0]["text"] == slots.engine.generate([request])[0].text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tensor_paralel_size": 2}, "`tensor_paralel_size` in backend_args is no argument of vLLM"),
        ({"max_num_seqs": 3}, "`max_num_seqs` cannot be in backend_args: set `batch_size`"),
        (
            {"data_parallel_size": 2},
            "`data_parallel_size` cannot be in backend_args: copies of the model are for `vllm serve`",
        ),
        (
            {"speculative_config": {}},
            "`speculative_config` cannot be in backend_args: leave it out, as vLLM then leaves",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_loaded(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_vllm(arguments)


def test_memory_that_is_short_is_said_in_one_line(directory: str) -> None:
    named = load_for_vllm(directory, None, None)
    with pytest.raises(ModelError, match=r"^vLLM cannot start the model .*max_model_len") as refused:
        vllm_backend(named, batch_size=4, arguments={**ARGUMENTS, "max_model_len": 10**7})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("rank", "arguments", "maximum"),
    [(None, {}, 16), (8, {}, 16), (17, {}, 32), (300, {}, 320), (17, {"max_lora_rank": 64}, 64)],
)
def test_the_maximum_rank_of_adapters_fits_the_adapter(
    rank: int | None, arguments: dict[str, Any], maximum: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that of vLLM, so that memory and rounding stay the same, unless the adapter needs a larger one."""
    started: list[dict[str, Any]] = []

    def start(**given: Any) -> None:
        started.append(given)
        raise RuntimeError("not started")

    batch = importlib.import_module("llmsearch_optuna.engine.vllm.batch")
    monkeypatch.setattr(batch.vllm, "LLM", start)
    with pytest.raises(ModelError, match="not started"):
        batch.VLLMBatch("model", "adapter", rank, 8, arguments)
    assert [given["max_lora_rank"] for given in started] == [maximum]


def test_an_adapter_whose_rank_is_too_large_is_refused() -> None:
    batch = importlib.import_module("llmsearch_optuna.engine.vllm.batch")
    with pytest.raises(ModelError, match=r"^the rank of adapter a must be at most 512 in vLLM, got 513: leave"):
        batch.VLLMBatch("model", "a", 513, 8, {})


def test_an_adapter_gives_the_tokens_of_the_slots(directory: str, tmp_path: Path) -> None:
    """Late, as another engine in the same process ends what vLLM has set up for the first one."""
    torch.manual_seed(0)
    modules = ["q_proj", "v_proj"]
    config = peft.LoraConfig(r=8, rank_pattern={"v_proj": 24}, target_modules=modules, init_lora_weights=False)
    base = load_model(directory, device="cpu", dtype="float32").model
    peft.get_peft_model(base, config).save_pretrained(str(tmp_path))
    adapted = load_model(str(tmp_path), device="cpu", dtype="float32")
    slots = model_backend(*adapted, batch_size=8)
    in_vllm = vllm_backend(load_for_vllm(str(tmp_path), None, None), batch_size=8, arguments=ARGUMENTS)
    assert str(tmp_path) in in_vllm.description
    requests = requests_of(slots)[: 2 * len(TEXTS)]
    pairs = zip(requests, slots.engine.generate(requests), in_vllm.engine.generate(requests), strict=True)
    equal = [check_equal(adapted, *pair) for pair in pairs]
    assert sum(equal) >= len(requests) - 1


def test_breakers_are_read_from_mistrals_tokenizer(tmp_path: Path) -> None:
    """From vLLM's own class, with a tokenizer that comes with its library."""
    data = Path(str(importlib.resources.files("mistral_common"))) / "data"
    shutil.copy(data / "mistral_instruct_tokenizer_240323.model.v3", tmp_path / "tokenizer.model.v3")
    tokenizer = importlib.import_module("vllm.tokenizers.mistral").MistralTokenizer.from_pretrained(tmp_path)
    params = GenerationParams(dry_multiplier=1.0, dry_sequence_breakers=("qx",))
    breakers = ModelBreakers(None, lambda _: tokenizer).of(params)
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    assert len(breakers.heads) == len(texts)
    assert breakers.tails == ((), tuple(tokenizer("x", add_special_tokens=False)["input_ids"]))
    assert breakers.heads.tolist() == [["qx" in text, text.endswith("q") and "qx" not in text] for text in texts]


STUDY = """
[study]
n_trials = 5
rungs = 8

[model]
name = "demo"
backend = "vllm"
batch_size = 16
backend_args = { dtype = "float32", enforce_eager = true, max_model_len = 512 }

[data]
path = "demo"
input_cols = ["instruction"]
eval_cols = ["members", "count"]
messages = [{ role = "user", content = "{instruction}" }]
search_size = 16

[metric]
name = "distinct_items"
column = "members"

[space]
temperature = { low = 0.2, high = 1.5 }
mirostat_tau = { low = 1.0, high = 5.0 }
max_new_tokens = 24
"""


def run(directory: Path, *, kill_at: int | None = None) -> None:
    """Run the study file, and kill the process after `kill_at` trials have ended."""
    command = [str(Path(sys.executable).with_name("llmsearch-optuna")), "run", str(directory / "study.toml")]
    with (directory / "log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True)
    path = directory / "study.db"
    while process.poll() is None:
        time.sleep(0.3)
        if kill_at is not None and path.exists():
            query = "SELECT count(*) FROM trials WHERE state NOT IN ('RUNNING', 'WAITING')"
            try:  # not with Optuna, which would create tables beside the process that does
                with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                    (finished,) = connection.execute(query).fetchone()
            except sqlite3.OperationalError:  # it is being created
                continue
            if finished >= kill_at:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return
    assert process.returncode == 0, (directory / "log").read_text()[-3000:]


def test_a_study_that_is_killed_ends_as_one_that_is_not(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.toml").write_text(STUDY, encoding="utf-8")
    run(tmp_path / "whole")
    for ended in (1, 3):
        run(tmp_path / "killed", kill_at=ended)
    run(tmp_path / "killed")
    contents = [read_contents(tmp_path / name / "study.db") for name in ("whole", "killed")]
    lost, differing = compare(*contents)
    assert (lost, differing) == ([], [("study attributes", "llmsearch_study_file")])  # which names the directory
