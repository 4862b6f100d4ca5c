"""Exports say in other systems' words what a trial generated with, and what those words do not say."""

import dataclasses
import json
import runpy
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import make_tuner, search
from transformers import GenerationConfig, LogitsProcessorList

from llmsearch_optuna.cli import main
from llmsearch_optuna.engine.sampling import SamplingRows, filtered_logits, penalise
from llmsearch_optuna.errors import StorageError
from llmsearch_optuna.export import (
    TARGETS,
    Exported,
    to_hf,
    to_llamacpp,
    to_ollama,
    to_openai,
    to_vllm,
    trace,
    write_hf,
)
from llmsearch_optuna.space.params import BEAM_PARAMETERS, CUTS, PARAMETERS, GenerationParams
from llmsearch_optuna.storage import CompletionStore, open_storage
from llmsearch_optuna.study.attributes import STUDY_FILE, VERDICT
from llmsearch_optuna.study.study import open_study, study_key
from llmsearch_optuna.study.trials import trial_params
from llmsearch_optuna.verdict.verdict import Verdict

GREEDY = GenerationParams(do_sample=False, temperature=0.7, top_k=5, tfs=0.9, generation_seed=3, max_new_tokens=9)
PLAIN = GenerationParams(temperature=0.7, top_k=40, top_p=0.9, min_p=0.05, repetition_penalty=1.1, generation_seed=3)
RICH = GenerationParams(
    temperature=0.7,
    typical_p=0.9,
    epsilon_cutoff=0.01,
    eta_cutoff=0.02,
    tfs=0.95,
    top_a=0.2,
    encoder_repetition_penalty=1.2,
    presence_penalty=0.5,
    frequency_penalty=-0.25,
    no_repeat_ngram_size=3,
    generation_seed=3,
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "x.db"
    tuner = make_tuner(holdout_size=4, stop=["zz\n", "'q\""])
    tuner.confirm(search(tuner, path, 5), seeds=1, show_progress=False)
    return path


def warned_of(exported: Exported) -> set[str]:
    """The names that warnings are about."""
    return {name for warning in exported.warnings for name in warning.partition(":")[0].partition("=")[0].split(", ")}


class TestHuggingFace:
    @pytest.mark.parametrize("params", [GREEDY, PLAIN, RICH], ids=["greedy", "plain", "rich"])
    def test_what_it_has_means_the_same(self, params: GenerationParams) -> None:
        """Its own logits processors keep the tokens that our sampler keeps, with the same probabilities."""
        values = to_hf(params).values
        plain: Any = tiny_model()
        config: Any = GenerationConfig
        prepared, _ = plain._prepare_generation_config(config(**values))
        prompt = torch.tensor([[5, 6, 7, 5]])
        plain._prepare_special_tokens(prepared, device=prompt.device)
        processors: LogitsProcessorList = plain._get_logits_processor(
            prepared, input_ids_seq_length=4, encoder_input_ids=prompt, prefix_allowed_tokens_fn=None
        )
        with torch.no_grad():
            logits = plain(prompt).logits[:, -1].float()
        theirs: Any = processors
        scores = theirs(prompt, logits.clone())
        ours = GenerationParams.from_dict({**params.to_dict(), "tfs": None, "top_a": None})
        expected = our_scores(logits, prompt.tolist()[0], ours)
        if params.greedy:
            assert scores.argmax() == expected.argmax()
        else:
            torch.testing.assert_close(scores.softmax(-1), expected.softmax(-1))
            assert (expected.isfinite().sum() < 300) == any(getattr(ours, name) for name in CUTS)

    def test_nothing_is_left_to_the_models_own_config(self) -> None:
        """`generate` fills what is unset from it, and `top_k` with 50."""
        plain: Any = tiny_model()
        plain.generation_config.update(do_sample=True, temperature=0.2, top_k=9, top_p=0.3, min_p=0.4, typical_p=0.5)
        config: Any = GenerationConfig
        prepared, _ = plain._prepare_generation_config(config(**to_hf(GenerationParams(temperature=0.7)).values))
        assert (prepared.temperature, prepared.top_k, prepared.top_p, prepared.min_p) == (0.7, 0, 1.0, 0.0)
        assert prepared.typical_p == 1.0

    def test_warnings(self) -> None:
        assert to_hf(GREEDY).warnings == ()
        assert warned_of(to_hf(PLAIN)) == {"generation_seed"}
        offsets = {"presence_penalty", "frequency_penalty"}
        assert warned_of(to_hf(RICH, ["x"])) == {"tfs", "top_a", *offsets, "generation_seed", "stop"}


def our_scores(logits: torch.Tensor, prompt: list[int], params: GenerationParams) -> torch.Tensor:
    rows = SamplingRows.build([params], [0])
    return filtered_logits(penalise(logits, [params], [prompt], [prompt], [0]), rows)


class TestVllm:
    def test_values(self) -> None:
        assert to_vllm(PLAIN, ["a"]).values == {
            "temperature": 0.7,
            "top_p": 0.9,
            "top_k": 40,
            "min_p": 0.05,
            "repetition_penalty": 1.1,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "max_tokens": 128,
            "seed": 3,
            "stop": ["a"],
        }

    def test_greedy_is_temperature_0_and_unset_is_off(self) -> None:
        exported = to_vllm(GREEDY)
        assert exported.warnings == ()
        assert exported.values["temperature"] == 0.0
        assert (exported.values["top_k"], exported.values["top_p"], exported.values["min_p"]) == (-1, 1.0, 0.0)
        assert "seed" not in exported.values

    def test_warnings(self) -> None:
        assert warned_of(to_vllm(PLAIN)) == {"generation_seed", "min_p"}
        names = {*RICH.to_dict()} - {"temperature", "max_new_tokens", "presence_penalty", "frequency_penalty"}
        assert warned_of(to_vllm(RICH)) == names

    def test_beams_are_told_of(self) -> None:
        assert warned_of(to_vllm(GenerationParams(num_beams=3, length_penalty=2.0))) == {"num_beams", "length_penalty"}
        assert to_hf(GenerationParams(num_beams=3, length_penalty=2.0)).values["num_beams"] == 3


class TestLlamaCpp:
    def test_values(self) -> None:
        values = to_llamacpp(PLAIN).values
        assert values["request"]["samplers"] == ["penalties", "temperature", "top_k", "top_p", "min_p"]
        assert values["request"]["repeat_penalty"] == 1.1
        assert values["request"]["repeat_last_n"] == 65536
        assert values["request"]["n_predict"] == 128
        words = values["arguments"]
        pairs = dict(zip(words[::2], words[1::2], strict=True))
        assert pairs == {
            "--temp": "0.7",
            "--top-k": "40",
            "--top-p": "0.9",
            "--min-p": "0.05",
            "--typical": "1.0",
            "--repeat-penalty": "1.1",
            "--repeat-last-n": "65536",
            "--xtc-probability": "0.0",
            "--mirostat": "0",
            "--samplers": "penalties;temperature;top_k;top_p;min_p",
            "--n-predict": "128",
            "--seed": "3",
        }

    def test_what_it_has_of_repetition_control(self) -> None:
        exported = to_llamacpp(GenerationParams(temperature=0.9, xtc_probability=0.4, presence_penalty=0.5))
        request, words = exported.values["request"], exported.values["arguments"]
        assert (request["xtc_probability"], request["xtc_threshold"], request["presence_penalty"]) == (0.4, 0.1, 0.5)
        assert request["samplers"] == ["penalties", "temperature", "xtc"]
        pairs = dict(zip(words[::2], words[1::2], strict=True))
        assert (pairs["--xtc-probability"], pairs["--xtc-threshold"]) == ("0.4", "0.1")
        assert pairs["--presence-penalty"] == "0.5"
        assert "--frequency-penalty" not in pairs
        assert "presence_penalty: llama.cpp also counts the tokens of the prompt" in exported.warnings

    def test_breakers_are_escaped_on_the_command_line(self) -> None:
        def written(*breakers: str) -> tuple[list[str], list[str]]:
            values = to_llamacpp(GenerationParams(dry_multiplier=0.8, dry_sequence_breakers=breakers)).values
            words = values["arguments"]
            options = [words[place + 1] for place, word in enumerate(words) if word == "--dry-sequence-breaker"]
            return values["request"]["dry_sequence_breakers"], options

        assert written("b", "\n", "\\n") == (["\n", "\\n", "b"], ["\n", "\\\\n", "b"])
        assert written() == ([""], ["none"])
        assert written("none") == (["none"], ["\\x6eone"])
        assert "dry_sequence_breakers" not in to_llamacpp(PLAIN).values["request"]

    def test_its_defaults_are_switched_off(self) -> None:
        request = to_llamacpp(GenerationParams(temperature=1.0)).values["request"]
        assert (request["top_k"], request["top_p"], request["min_p"], request["typical_p"]) == (0, 1.0, 0.0, 1.0)
        assert request["samplers"] == ["penalties", "temperature"]
        assert to_llamacpp(GREEDY).values["request"]["temperature"] == 0.0

    def test_warnings(self) -> None:
        assert warned_of(to_llamacpp(PLAIN)) == {"generation_seed"}
        names = {*RICH.to_dict()} - {"temperature", "max_new_tokens", "typical_p"}
        assert warned_of(to_llamacpp(RICH, ["x"])) == {*names, "stop"}


class TestOpenAI:
    def test_values_and_warnings(self) -> None:
        exported = to_openai(PLAIN, list("abcdef"))
        assert exported.values == {
            "temperature": 0.7,
            "top_p": 0.9,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "max_completion_tokens": 128,
            "seed": 3,
            "stop": ["a", "b", "c", "d"],
        }
        assert warned_of(exported) == {"generation_seed", "top_k", "min_p", "repetition_penalty", "stop"}
        assert 'stop=["e", "f"]' in exported.warnings[-1]

    def test_fields_of_requests_are_exported_and_template_arguments_told_of(self) -> None:
        values = {"temperature": 0.5, "body.reasoning_effort": "low", "template.enable_thinking": False}
        params = GenerationParams.from_dict(values)
        exported = to_openai(params)
        assert exported.values["reasoning_effort"] == "low"
        assert warned_of(exported) == {"generation_seed", "template.enable_thinking"}
        assert "chat_template_kwargs" in " ".join(exported.warnings)
        for export in (to_vllm, to_llamacpp, to_hf):
            assert {"body.reasoning_effort", "template.enable_thinking"} <= warned_of(export(params))

    def test_it_gets_no_hotter_than_2(self) -> None:
        exported = to_openai(GenerationParams(temperature=2.5))
        assert exported.values["temperature"] == 2.0
        assert "temperature" in warned_of(exported)


ON = {
    bool: st.just(True),
    int: st.integers(1, 50),
    float: st.floats(0.05, 0.95) | st.floats(1.05, 1.95),
    tuple: st.just(["ab"]),
}


@given(st.sampled_from(sorted(TARGETS)), st.data())
def test_no_parameter_is_dropped_in_silence(target: str, data: st.DataObject) -> None:
    """Every parameter that makes a difference changes the values, or is warned of where it is on."""
    names = sorted({*PARAMETERS} - {"do_sample", "max_new_tokens", "temperature"})
    parameter = PARAMETERS[name := data.draw(st.sampled_from(names))]
    value = data.draw(ON[parameter.type].filter(parameter.rule.holds))
    make = TARGETS[target][1]
    base = {"temperature": 0.5, "generation_seed": 0} | ({"num_beams": 2} if name in BEAM_PARAMETERS else {})
    if parameter.requires is not None:
        base[parameter.requires] = 2 if parameter.requires == "num_beams" else 0.25
    before, after = GenerationParams.from_dict(base), GenerationParams.from_dict({**base, name: value})
    assume(before.canonical != after.canonical)
    without, exported = make(before, ()), make(after, ())
    assert exported.values != without.values or name in warned_of(exported) | warned_of(without)
    assert all("\n" not in warning for warning in exported.warnings)
    json.dumps(exported.values)


class TestOllama:
    def test_a_request_and_a_modelfile_say_the_same(self) -> None:
        params = GenerationParams.from_dict(
            {"temperature": 0.7, "repetition_penalty": 1.1, "generation_seed": 5, "body.think": False}
        )
        exported = to_ollama(params, ["a\n", "b"])
        options = exported.values["request"].pop("options")
        assert exported.values["request"] == {"think": False}
        assert options == {
            "temperature": 0.7,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "typical_p": 1.0,
            "repeat_penalty": 1.1,
            "repeat_last_n": 65536,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stop": ["a\n", "b"],
            "seed": 5,
            "num_predict": params.max_new_tokens,
        }
        lines = exported.values["modelfile"]
        assert len(lines) == len(options) + 1
        assert {"PARAMETER repeat_penalty 1.1", 'PARAMETER stop """a\n"""', "PARAMETER top_k 0"} <= {*lines}
        assert warned_of(exported) == {"temperature", "generation_seed", "stop", "body.think"}

    def test_what_it_lacks_is_warned_of(self) -> None:
        assert {"tfs", "top_a"} <= warned_of(to_ollama(GenerationParams(temperature=1.0, tfs=0.9, top_a=0.1)))


class TestProvenance:
    def test_it_tells_whence_the_parameters_are(self, database: Path) -> None:
        study, _ = open_study(f"sqlite:///{database}")
        provenance = trace(study)
        assert (provenance.study, provenance.trial) == ("llmsearch", study.best_trial.number)
        assert provenance.params == trial_params(study.best_trial)
        assert (provenance.score, provenance.samples, provenance.state) == (study.best_value, 12, "complete")
        assert provenance.stop == ("zz\n", "'q\"")
        assert provenance.verdict == Verdict.from_dict(study.user_attrs[VERDICT]).sentence
        assert provenance.fingerprint["splits"] == {"search": 12, "holdout": 4}
        assert provenance.versions["llmsearch_optuna"]
        json.dumps(provenance.to_dict())
        assert trace(study, 1).params == trial_params(study.trials[1])
        with pytest.raises(StorageError, match="has no trial 99"):
            trace(study, 99)

    def test_parameters_without_a_gain_come_with_a_warning(
        self, database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In the provenance, among the warnings of both kinds of export, and on the screen; not for the baseline."""
        study, _ = open_study(f"sqlite:///{database}")
        verdict = Verdict.from_dict(study.user_attrs[VERDICT])
        trials = {result.name: result.trial for result in verdict.finalists}
        assert verdict.reference is not None
        for comparison in verdict.comparisons:
            trial = trials[comparison.name]
            caution = trace(study, trial).caution
            assert (caution is None) == (comparison.low > 0.0 or trial == trials[verdict.reference])
        assert trace(study, trials[verdict.reference]).caution is None
        others = set(trials.values()) - {trials[verdict.reference]}
        (trial, *_) = sorted(number for number in others if number is not None and trace(study, number).caution)
        line = f"the verdict shows no gain of trial {trial} over `{verdict.reference}` (trial "
        write_hf(trace(study, trial), tmp_path / "hf")
        assert json.loads((tmp_path / "hf" / "llmsearch_optuna.json").read_text())["warnings"][0].startswith(line)
        assert main(["export", str(database), "--trial", str(trial), "--to", "vllm"]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["warnings"][0].startswith(line)
        assert f"llmsearch-optuna: {line}" in err

    @pytest.mark.full
    def test_a_verdict_on_other_finalists_is_not_told(self, tmp_path: Path) -> None:
        tuner, path = make_tuner(holdout_size=4), tmp_path / "x.db"
        study = search(tuner, path, 3)
        tuner.confirm(study, seeds=1, show_progress=False)
        assert trace(study).verdict is not None
        assert trace(search(tuner, path, 6)).verdict is None

    @pytest.mark.full
    def test_a_study_on_a_server_names_its_model(self, tmp_path: Path) -> None:
        text = "[{}]\nbase_url = 'http://localhost/v1'\n{}[data]\npath = 'rows.jsonl'\n"
        for name, section, line in (
            ("named", "server", "model = 'served'\n"),
            ("not named", "server", ""),
            ("former section", "engine", "kind = 'openai'\nmodel = 'served'\n"),
        ):
            kept = {STUDY_FILE: {"text": text.format(section, line), "directory": "."}}
            study = search(make_tuner(), tmp_path / "x.db", 2, study_name=name, user_attrs=kept)
            provenance = trace(study)
            assert provenance.model == ("served" if line else provenance.fingerprint["model"])
            assert provenance.data == "rows.jsonl"


class TestDirectory:
    def test_generation_config_loads_it(self, database: Path, tmp_path: Path) -> None:
        study, _ = open_study(f"sqlite:///{database}")
        exported = write_hf(trace(study, 2), tmp_path / "out")
        config: Any = GenerationConfig.from_pretrained(tmp_path / "out")
        params = trial_params(study.trials[2])
        assert (config.do_sample, config.temperature, config.top_k) == (True, params.temperature, params.top_k)
        assert {name: getattr(config, name) for name in exported.values} == exported.values
        exact: Any = GenerationConfig.from_pretrained(tmp_path / "out" / "exact")
        assert (exact.do_sample, exact.max_new_tokens, exact.repetition_penalty) == (False, 4, 1.0)
        about = json.loads((tmp_path / "out" / "llmsearch_optuna.json").read_text())
        assert GenerationParams.from_dict(about["params"]) == params
        assert about["provenance"]["trial"] == 2

    def test_its_program_writes_the_studys_completions(
        self, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        study, storage = open_study(f"sqlite:///{database}")
        for part in (tiny_model(), tiny_tokenizer()):
            part.save_pretrained(tmp_path / "model")
        write_hf(trace(study, 2), tmp_path / "out")
        samples = CompletionStore(storage).load_samples(study_key(study))
        stored = CompletionStore(storage).load(study_key(study), 2)
        prompts = [sample.prompt for sample in samples][: len(stored)]

        def output(*options: str) -> str:
            monkeypatch.setattr(sys, "argv", ["snippet.py", str(tmp_path / "model"), *prompts, *options])
            capsys.readouterr()
            runpy.run_path(str(tmp_path / "out" / "snippet.py"))
            return capsys.readouterr().out

        decode: Any = tiny_tokenizer().decode
        expected = "".join(decode(completion.token_ids, skip_special_tokens=True) + "\n" for completion in stored)
        assert output("--exact") == expected
        assert output() != expected

    def test_beam_search_has_no_exact_form(self, database: Path, tmp_path: Path) -> None:
        """`logits_processors` always refuse beams. The directory may hold an earlier export."""
        study, _ = open_study(f"sqlite:///{database}")
        sampled = trace(study, 2)
        write_hf(sampled, tmp_path / "out")
        assert (tmp_path / "out" / "exact").is_dir()
        beams = GenerationParams(do_sample=False, num_beams=3, max_new_tokens=4)
        exported = write_hf(dataclasses.replace(sampled, params=beams), tmp_path / "out")
        (warning,) = [warning for warning in exported.warnings if "beam search" in warning]
        assert warning.startswith("num_beams=3: ")
        assert not (tmp_path / "out" / "exact").exists()
        program = (tmp_path / "out" / "snippet.py").read_text()
        compile(program, "snippet.py", "exec")
        assert "--exact" not in program
        config: Any = GenerationConfig.from_pretrained(tmp_path / "out")
        assert config.num_beams == 3
        assert not [warning for warning in to_hf(PLAIN).warnings if "beam" in warning]

    def test_a_place_that_cannot_be_written(self, database: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        study, _ = open_study(f"sqlite:///{database}")
        with pytest.raises(StorageError, match=r"file/generation_config.json cannot be written: "):
            write_hf(trace(study), tmp_path / "file")


class TestCommand:
    @pytest.mark.parametrize("target", TARGETS)
    def test_it_prints_json_and_warns_on_standard_error(
        self, target: str, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["export", str(database), "--to", target, "--trial", "2"]) == 0
        captured = capsys.readouterr()
        result = json.loads(captured.out)
        assert result[TARGETS[target][0]]
        assert result["provenance"]["verdict"]
        assert captured.err.splitlines() == [f"llmsearch-optuna: {warning}" for warning in result["warnings"]]
        # The verdict shows no gain of the trial; other targets lack parameters as well.
        assert (len(result["warnings"]) > 1) == (target != "json")

    @pytest.mark.parametrize("target", ["hf", "vllm", "gguf", "llamacpp"])
    def test_it_writes_where_it_is_told(
        self, target: str, database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["export", str(database), "--to", target, "-o", str(tmp_path / "out")]) == 0
        assert capsys.readouterr().out == ""
        path = tmp_path / "out" if target == "llamacpp" else tmp_path / "out" / "llmsearch_optuna.json"
        assert json.loads(path.read_text())["provenance"]["study"] == "llmsearch"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nowhere.db", "--to", "hf"], "there is no database nowhere.db"),
            (["{database}", "--to", "hf", "--trial", "99"], "has no trial 99"),
            (["{database}", "--to", "hf", "--study", "other"], "unknown study"),
        ],
    )
    def test_what_is_wrong_is_told_in_a_line(
        self, arguments: Sequence[str], message: str, database: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["export", *(word.format(database=database) for word in arguments)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def contents(path: Path) -> list[str]:
    # Not the file's bytes: whoever closes it last moves into it what was written beside it.
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_storage_is_only_read(database: Path) -> None:
    before = contents(database)
    for target in TARGETS:
        assert main(["export", str(database), "--to", target]) == 0
    assert contents(database) == before
    open_storage(f"sqlite:///{database}")
