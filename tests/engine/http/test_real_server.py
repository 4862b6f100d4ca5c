"""A real server: `transformers serve` on loopback, with the demo model."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from llmsearch_optuna import Categorical, Float, OpenAIServer, SearchSpace, Tuner
from llmsearch_optuna.demo.model import demo_model_directory
from llmsearch_optuna.engine.base import Request, Stopping
from llmsearch_optuna.engine.http import HTTPEngine, connect, probe_server, run
from llmsearch_optuna.errors import ParameterError
from llmsearch_optuna.space.params import GenerationParams

pytestmark = pytest.mark.slow

LISTS = ("dog, cat, horse,", "red, green, blue,", "one, two, three,", "Paris, London, Rome,")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(demo_model_directory())]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120.0
        while True:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not begin"
            try:
                if httpx2.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                    break
            except httpx2.TransportError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def served(url: str, **changes: Any) -> OpenAIServer:
    return OpenAIServer(**{"base_url": url, "model": str(demo_model_directory()), **changes})


def request(prompt: str, stop: tuple[str, ...] = (), **params: Any) -> Request:
    return Request(
        prompt=prompt,
        prompt_ids=(),
        params=GenerationParams(**{"max_new_tokens": 12, **params}),
        stopping=Stopping(strings=stop),
    )


def test_it_says_what_it_is_and_what_it_heeds(url: str) -> None:
    connection = run(connect(served(url), chat=False))
    assert (connection.kind.name, connection.max_concurrency) == ("transformers", 1)
    names = ("temperature", "top_k", "min_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size")
    assert probe_server(HTTPEngine(connection, chat=False), names) == {
        "seeds": "kept",
        "numbers of tokens": "reported",
        "parameters": f"{', '.join(sorted(names))} take effect",
    }


def test_it_mixes_up_the_seeds_of_others(url: str) -> None:
    connection = run(connect(served(url, max_concurrency=8), chat=False))
    findings = probe_server(HTTPEngine(connection, chat=False), ())
    assert findings["seeds"] == "not kept among simultaneous requests; max_concurrency = 1 may help"


def test_as_another_kind_it_refuses_what_it_does_not_know(url: str) -> None:
    connection = run(connect(served(url, kind="vllm"), chat=False))
    with pytest.raises(ParameterError, match=r"refuses a request of the kind `vllm`: .*422: Unexpected fields in"):
        probe_server(HTTPEngine(connection, chat=False), ("top_k",))


@pytest.mark.parametrize(
    "params",
    [
        {"do_sample": False},
        {"do_sample": False, "repetition_penalty": 1.3},
        {"do_sample": False, "no_repeat_ngram_size": 2},
        {"temperature": 0.7, "top_k": 1},
    ],
)
def test_it_gives_the_texts_of_the_model(url: str, params: dict[str, Any]) -> None:
    rows = [{"list": items, "answer": ""} for items in LISTS]
    arguments: dict[str, Any] = {
        "dataset": rows,
        "scorer": lambda references, predictions: [0.0 for _ in predictions],
        "column_mapping": {"input_cols": ["list"], "eval_cols": ["answer"]},
        "prompt_template": "{list}",
        "stop": ["\n"],
    }
    asked = {**params, "max_new_tokens": 12}
    local = Tuner(model=str(demo_model_directory()), device="cpu", **arguments).get_score(asked)
    remote = Tuner(server=served(url), **arguments).get_score(asked)
    assert remote.outputs == local.outputs


def test_it_stops_and_tells_how_many_tokens_it_made(url: str) -> None:
    engine = HTTPEngine(run(connect(served(url), chat=False)), chat=False)
    short, long = engine.generate([request(LISTS[0], stop=(",",), do_sample=False), request(LISTS[0], do_sample=False)])
    assert (short.finish_reason, long.finish_reason) == ("stop", "length")
    assert "," not in short.text
    assert 0 < short.token_count < long.token_count == 12


def test_a_search_on_it(url: str, tmp_path: Path) -> None:
    rows = [{"list": items, "answer": "the"} for items in LISTS]
    tuner = Tuner(
        server=served(url, probe=False),
        dataset=rows,
        scorer="contains",
        column_mapping={"input_cols": ["list"], "eval_cols": ["answer"]},
        messages=[{"role": "user", "content": "Go on: {list}"}],
    )
    space = SearchSpace(
        temperature=Float(0.3, 1.2), top_p=Float(0.5, 1.0), generation_seed=Categorical([0, 1]), max_new_tokens=6
    )
    study = tuner.search(
        space, n_trials=3, rungs=2, storage=f"sqlite:///{tmp_path}/x.db", show_progress=False, pruner="none"
    )
    assert [trial.user_attrs["tokens"] > 0 for trial in study.trials] == [True, True, True]
    sampled = study.trials[1]
    texts = tuner.get_score({**sampled.params, "max_new_tokens": 6}).outputs
    again = tuner.get_score({**sampled.params, "max_new_tokens": 6}).outputs
    assert texts == again
