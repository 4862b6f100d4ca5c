"""What is checked and known of a model before vLLM loads it. vLLM itself is in test_real.py."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import peft
import pytest
from model_batches import ModelBatch
from tiny_models import saved, tiny_model, tiny_tokenizer
from transformers import AutoModelForCausalLM

from llmsearch_optuna import Tuner
from llmsearch_optuna.engine.loading import load_skeleton
from llmsearch_optuna.engine.vllm import backend
from llmsearch_optuna.engine.vllm.backend import check_vllm, load_for_vllm
from llmsearch_optuna.engine.vllm.engine import VLLMEngine
from llmsearch_optuna.engine.vllm.probe import probe_batches
from llmsearch_optuna.errors import ConfigurationError, ModelError, ParameterError
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.launch import build_tuner

ROWS = [{"q": f"What is {number}?", "a": "yes"} for number in range(12)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(saved(tmp_path_factory.mktemp("model"), tiny_model()))


def make_tuner(model: Any, **arguments: Any) -> Tuner:
    return Tuner(
        **{"backend": "vllm", **arguments},
        model=model,
        dataset=ROWS,
        scorer="exact_match",
        column_mapping={"input_cols": ["q"], "eval_cols": ["a"]},
        prompt_template="{q}",
    )


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_without_vllm_one_line_says_what_to_install() -> None:
    with pytest.raises(
        ModelError, match=r"^backend='vllm' needs vLLM: pip install 'llmsearch_optuna\[vllm\]', or leave"
    ):
        check_vllm({})


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        ("m", {"backend": "vlm"}, "unknown backend `vlm`"),
        ("m", {"backend": None, "backend_args": {}}, "`backend_args` has no effect with no `backend`"),
        ("m", {"device": "cpu"}, "`device` has no effect with `backend`, which loads the model itself"),
        ("m", {"replay_bytes": 0}, "`replay_bytes` has no effect with `backend`"),
        (tiny_model, {}, "pass its directory or hub id as `model`"),
        (None, {}, "pass its directory or hub id as `model`"),
    ],
)
def test_what_does_not_go_with_it_is_refused(model: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_tuner(model, **arguments)


def test_a_model_that_vllm_would_not_serve_is_refused(tmp_path: Path) -> None:
    two_parts = saved(tmp_path / "t5", tiny_model("t5"))
    with pytest.raises(ModelError, match="is an encoder-decoder, which vLLM does not serve: leave `backend` out"):
        load_for_vllm(two_parts, None, None)
    model = tiny_model()
    model.generation_config.suppress_tokens = [5]
    suppressing = saved(tmp_path / "suppressing", model)
    with pytest.raises(ModelError, match=r"sets suppress_tokens, which only model\.generate applies"):
        load_for_vllm(suppressing, None, None)
    with pytest.raises(ModelError, match="nowhere cannot be loaded"):
        load_for_vllm(str(tmp_path / "nowhere"), None, None)


def test_weights_are_not_loaded(checkpoint: Path) -> None:
    named = load_for_vllm(str(checkpoint), None, None)
    assert all(weight.is_meta for weight in named.model.parameters())
    assert named.tokenizer.vocab_size == tiny_tokenizer().vocab_size


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # of peft
def test_an_adapter_keeps_its_own_tokenizer(checkpoint: Path, tmp_path: Path) -> None:
    base: Any = AutoModelForCausalLM.from_pretrained(checkpoint)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"])
    peft.get_peft_model(base, config).save_pretrained(str(tmp_path))
    assert load_for_vllm(str(tmp_path), None, None).tokenizer.chat_template == tiny_tokenizer().chat_template
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "another"
    tokenizer.save_pretrained(tmp_path)
    skeleton = load_for_vllm(str(tmp_path), None, None)
    assert (skeleton.name, skeleton.adapter) == (str(checkpoint), str(tmp_path))
    assert skeleton.tokenizer.chat_template == "another"


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # of peft
@pytest.mark.parametrize(("pattern", "rank"), [({}, 4), ({"v_proj": 24, "q_proj": 2}, 24), ({"q_proj": 2}, 4)])
def test_vllm_gets_the_largest_rank_of_an_adapter_and_the_revision_of_its_base_model(
    pattern: dict[str, int], rank: int, checkpoint: Path, simulated_vllm: list[Any], tmp_path: Path
) -> None:
    base: Any = AutoModelForCausalLM.from_pretrained(checkpoint)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], rank_pattern=pattern, revision="of-base")
    peft.get_peft_model(base, config).save_pretrained(str(tmp_path))
    tuner = make_tuner(str(tmp_path), batch_size=4, backend_args={"revision": "of-adapter"})
    assert tuner._backend.concurrency == 4
    assert simulated_vllm == [(str(checkpoint), str(tmp_path), rank, 4, {"revision": "of-base"})]


def test_a_revision_that_vllm_would_not_load_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skeleton = load_skeleton(str(checkpoint), revision=None)._replace(adapter="org/adapter")
    monkeypatch.setattr(backend, "load_skeleton", lambda name, revision: skeleton)
    load_for_vllm("org/adapter", None, None)
    with pytest.raises(ModelError, match=r"^vLLM loads the default revision of an adapter, not 'v2': download"):
        load_for_vllm("org/adapter", None, "v2")


@pytest.fixture
def simulated_vllm(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """In place of vLLM, a batch of the same model with the plug-in."""
    started: list[Any] = []

    def start(model: str, adapter: str | None, rank: int | None, capacity: int, arguments: Any) -> ModelBatch:
        started.append((model, adapter, rank, capacity, arguments))
        batch = ModelBatch(tiny_model(), capacity)
        batch.max_model_len, batch.dtype = 200, "float32"  # type: ignore[attr-defined]
        return batch

    module = SimpleNamespace(VLLMBatch=start, VERSION="0.0", check_arguments=lambda arguments: None)
    monkeypatch.setattr(backend, "_batch_module", lambda: module)
    monkeypatch.setattr(backend, "check_vllm", lambda arguments: None)
    monkeypatch.setattr("llmsearch_optuna.engine.local.check_vllm", lambda arguments: None)
    return started


SPACE = {"temperature": {"low": 0.2, "high": 1.5}, "tfs": 0.9, "generation_seed": 3, "max_new_tokens": 6}


def test_a_search_has_the_trials_of_the_slots(checkpoint: Path, simulated_vllm: list[Any]) -> None:
    values = []
    for arguments in ({"backend_args": {"max_model_len": 200}}, {"backend": None}):
        tuner = make_tuner(str(checkpoint), batch_size=8, **arguments)
        study = tuner.search(SPACE, n_trials=4, show_progress=False)
        values.append([(trial.params, trial.values, trial.intermediate_values) for trial in study.trials])
    assert values[0] == values[1]
    assert simulated_vllm == [(str(checkpoint), None, None, 8, {"max_model_len": 200})]


def test_what_is_known_of_the_model(checkpoint: Path, simulated_vllm: list[Any]) -> None:
    diagnosis = make_tuner(str(checkpoint)).diagnosis(SPACE)
    assert diagnosis["engine"] == "vLLM 0.0 in this process, at most 64 completions at once"
    assert diagnosis["batches"] == "12 of 12 completions are the same alone and in company"
    assert diagnosis["transformers"] == "12 of 12 completions are those of transformers on the CPU in float32"
    assert "in float32" in diagnosis["model"]
    assert diagnosis["window"] == "200 tokens"
    with pytest.raises(ParameterError, match="`num_beams` is not served by vLLM"):
        make_tuner(str(checkpoint)).search({"num_beams": 2}, n_trials=1, show_progress=False)


def test_without_the_plug_in_nothing_is_searched() -> None:
    engine = VLLMEngine(ModelBatch(tiny_model(), 8, has_plugin=False), tiny_tokenizer(), capacity=8)
    with pytest.raises(ModelError, match="has not loaded the plug-in"):
        probe_batches(engine, tiny_tokenizer())


def test_what_changes_the_model_is_another_model(checkpoint: Path, simulated_vllm: list[Any]) -> None:
    arguments: list[dict[str, Any]] = [{}, {"quantization": "fp8"}, {"max_model_len": 200}]
    plain, quantised, shorter = (make_tuner(str(checkpoint), backend_args=given)._backend for given in arguments)
    assert plain.identity == shorter.identity != quantised.identity


def test_other_weights_are_another_model(checkpoint: Path, simulated_vllm: list[Any], tmp_path: Path) -> None:
    saved(tmp_path, tiny_model(seed=9))
    identities = [make_tuner(str(path))._backend.identity for path in (checkpoint, checkpoint, tmp_path)]
    assert identities[0] == identities[1] != identities[2]


STUDY = """
[model]
name = "{name}"
backend = "vllm"
dtype = "bfloat16"
revision = "main"
batch_size = 4
backend_args = {{ max_model_len = 200 }}
{more}
[data]
path = "rows.csv"
input_cols = ["q"]
eval_cols = ["a"]
prompt_template = "{{q}}"

[metric]
name = "exact_match"

[space]
temperature = {{ low = 0.1, high = 1.5 }}
"""


def test_a_study_file_passes_vllms_arguments_on(checkpoint: Path, simulated_vllm: list[Any], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("q,a\nWhat?,yes\nWho?,no\n", encoding="utf-8")
    text = STUDY.format(name=checkpoint, more="")
    build_tuner(StudyFile.parse(text, name="s", directory=tmp_path))
    given = {"dtype": "bfloat16", "revision": "main", "max_model_len": 200}
    assert simulated_vllm == [(str(checkpoint), None, None, 4, given)]
    text = STUDY.format(name=checkpoint, more="allow_pickle = true")
    with pytest.raises(ConfigurationError, match=r"`allow_pickle` in \[model\] has no effect with `backend`"):
        build_tuner(StudyFile.parse(text, name="s", directory=tmp_path))
