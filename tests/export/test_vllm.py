"""Deployment in vLLM: the request, the server's command and the program; engine/vllm/test_real.py has a real vLLM."""

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from tiny_studies import make_tuner

from llmsearch_optuna import OpenAIServer, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.export import Provenance, to_vllm, trace, vllm_deployment
from llmsearch_optuna.space.params import GenerationParams
from llmsearch_optuna.space.vllm_plugin import PLUGIN_INTERFACE, read_plugin_value
from llmsearch_optuna.study.study import open_study

RICH = GenerationParams(temperature=0.7, top_p=0.9, tfs=0.9, no_repeat_ngram_size=3, generation_seed=5)
SPACE = {"temperature": {"low": 0.5, "high": 1.0}, "tfs": 0.95, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "study.db"
    make_tuner().search(SPACE, n_trials=3, storage=path, show_progress=False)
    return path


@pytest.fixture
def provenance(database: Path) -> Provenance:
    return trace(open_study(f"sqlite:///{database}")[0])


def test_the_request_is_exact_with_the_plug_in(provenance: Provenance) -> None:
    exact = vllm_deployment(dataclasses.replace(provenance, params=RICH, stop=("a", "b")))["exact_request"]
    assert read_plugin_value(exact.pop("vllm_xargs")["llmsearch_optuna"]).canonical == RICH.canonical
    assert exact == {
        "max_tokens": RICH.max_new_tokens,
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": ["a", "b"],
    }


def test_the_request_has_the_settings_of_the_study(provenance: Provenance) -> None:
    params = GenerationParams.from_dict(
        {**RICH.to_dict(), "body.reasoning_effort": "low", "template.enable_thinking": False}
    )
    exact = vllm_deployment(dataclasses.replace(provenance, params=params))["exact_request"]
    assert exact["reasoning_effort"] == "low"
    assert exact["chat_template_kwargs"] == {"enable_thinking": False}
    plain = vllm_deployment(dataclasses.replace(provenance, params=RICH))["exact_request"]
    assert exact.keys() - plain.keys() == {"reasoning_effort", "chat_template_kwargs"}
    assert exact["vllm_xargs"] == plain["vllm_xargs"]
    (warning,) = [warning for warning in to_vllm(params).warnings if warning.startswith("body.")]
    assert warning.endswith(": a field of requests, not a parameter of vLLM; add `reasoning_effort` to the request")


@pytest.mark.parametrize("offsets", [{}, {"presence_penalty": 0.5, "frequency_penalty": -0.25}])
def test_the_server_has_the_nearest_defaults(provenance: Provenance, offsets: dict[str, Any]) -> None:
    params = dataclasses.replace(RICH, **offsets)
    words = shlex.split(vllm_deployment(dataclasses.replace(provenance, params=params))["serve"])
    assert words[:4] == ["vllm", "serve", provenance.model, "--override-generation-config"]
    values = to_vllm(params).values
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")
    defaults = json.loads(words[4])
    assert defaults == {**{name: values[name] for name in names}, "max_new_tokens": 128}
    assert defaults["presence_penalty"] == offsets.get("presence_penalty", 0.0)


def test_beams_have_no_request(provenance: Provenance) -> None:
    beams = dataclasses.replace(provenance, params=GenerationParams(num_beams=2))
    assert vllm_deployment(beams)["exact_request"] is None


@pytest.mark.parametrize("options", [[], ["--chat"], ["--own"]])
def test_the_program_runs_as_it_stands(database: Path, tmp_path: Path, server: FakeServer, options: list[str]) -> None:
    server.plugin = None if options == ["--own"] else PLUGIN_INTERFACE
    assert main(["export", str(database), "--to", "vllm", "-o", str(tmp_path / "out")]) == 0
    command = [sys.executable, str(tmp_path / "out" / "snippet.py"), "a b", "c", "--url", server.base_url, *options]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(result.stdout.splitlines()) == 2
    sent = server.requests[0]
    assert ("vllm_xargs" in sent) == (options != ["--own"])
    assert ("messages" in sent) == (options == ["--chat"])
    assert sent["max_tokens"] == 6


def test_a_json_file_has_all_of_it(database: Path, tmp_path: Path) -> None:
    assert main(["export", str(database), "--to", "vllm", "-o", str(tmp_path / "out.json")]) == 0
    written = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert list(written) == ["sampling_params", "exact_request", "serve", "warnings", "provenance"]


def test_the_program_does_not_decode_greedily_by_accident(database: Path, tmp_path: Path, server: FakeServer) -> None:
    assert main(["export", str(database), "--to", "vllm", "-o", str(tmp_path / "out")]) == 0
    command = [sys.executable, str(tmp_path / "out" / "snippet.py"), "a b", "--url", server.base_url]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert (
        "the server has no llmsearch_optuna, and would decode greedily: install it there, or add --own" in result.stderr
    )


@pytest.mark.parametrize("plugin", [None, PLUGIN_INTERFACE])
def test_a_study_on_a_server_names_its_model(server: FakeServer, tmp_path: Path, plugin: int | None) -> None:
    server.plugin = plugin
    tuner = Tuner(
        server=OpenAIServer(base_url=server.base_url),
        dataset=[{"question": f"{number}?", "answer": "1"} for number in range(8)],
        column_mapping={"input_cols": ["question"], "eval_cols": ["answer"]},
        prompt_template="{question}",
        scorer="exact_match",
    )
    space = {"temperature": {"low": 0.5, "high": 1.0}, "max_new_tokens": 4}
    provenance = trace(tuner.search(space, n_trials=2, storage=tmp_path / "x.db", show_progress=False), 1)
    deployment = vllm_deployment(provenance)
    assert shlex.split(deployment["serve"])[:3] == ["vllm", "serve", "tiny"]
    # Without the plug-in, the completions of the study are those of vLLM's own parameters.
    assert (deployment["exact_request"] is None) == (plugin is None)
