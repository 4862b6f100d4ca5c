"""The metadata of a GGUF file, through the program of the export; engine/http/test_real_llamacpp.py has llama.cpp."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader, GGUFWriter
from tiny_studies import make_tuner, search
from transformers import GenerationConfig

from llmsearch_optuna.cli import main
from llmsearch_optuna.engine.gguf_defaults import apply_sampling_defaults
from llmsearch_optuna.export import to_gguf, write_with_program
from llmsearch_optuna.space.params import GenerationParams

RICH = GenerationParams(
    temperature=0.7,
    top_n_sigma=1.5,
    top_k=40,
    top_p=0.9,
    typical_p=0.9,
    tfs=0.9,
    repetition_penalty=1.1,
    presence_penalty=0.5,
    dry_multiplier=0.8,
    xtc_probability=0.4,
    generation_seed=3,
)


def write_model(path: Path) -> None:
    """A GGUF file with arrays, a recommendation of its maker, and a tensor."""
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_sampling_temp(0.1)
    writer.add_sampling_mirostat_tau(3.0)
    writer.add_token_list(["a", "é", "\n"])
    writer.add_token_scores([0.5, 1.0, 2.0])
    writer.add_tensor("weights", np.arange(64, dtype=np.float32).reshape(2, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_copy(directory: Path, params: GenerationParams) -> Path:
    model, copy = directory / "model.gguf", directory / "copy.gguf"
    write_model(model)
    write_with_program({"metadata": to_gguf(params).values}, directory / "out", "gguf")
    subprocess.run([sys.executable, str(directory / "out" / "snippet.py"), str(model), str(copy)], check=True)
    return copy


def test_keys_and_values() -> None:
    exported = to_gguf(RICH, ["x"])
    assert exported.values == {
        "general.sampling.temp": 0.7,
        "general.sampling.top_k": 40,
        "general.sampling.top_p": 0.9,
        "general.sampling.min_p": 0.0,
        "general.sampling.xtc_probability": 0.4,
        "general.sampling.xtc_threshold": 0.1,
        "general.sampling.penalty_repeat": 1.1,
        "general.sampling.penalty_last_n": 65536,
        "general.sampling.mirostat": 0,
        "general.sampling.sequence": "penalties;temperature;top_k;top_p;xtc",
    }
    names = {warning.partition(":")[0].partition("=")[0] for warning in exported.warnings}
    lacking = {"top_n_sigma", "typical_p", "presence_penalty", "dry_multiplier", "tfs"}
    assert names == {*lacking, "generation_seed", "max_new_tokens", "stop"}
    assert len(exported.warnings) == len(names)


def test_what_has_no_key_leaves_sampling_on() -> None:
    values = to_gguf(GenerationParams(typical_p=0.9)).values
    assert (values["general.sampling.temp"], values["general.sampling.sequence"]) == (1.0, "penalties;temperature")
    assert to_gguf(GenerationParams(do_sample=False, typical_p=0.9)).values["general.sampling.temp"] == 0.0


def test_the_program_writes_a_copy_with_them(tmp_path: Path) -> None:
    copy = write_copy(tmp_path, RICH)
    before, after = GGUFReader(tmp_path / "model.gguf"), GGUFReader(copy)
    written = {name: field.contents() for name, field in after.fields.items()}
    sampling = {name: value for name, value in written.items() if name.startswith("general.sampling.")}
    expected: dict[str, Any] = {
        name: float(np.float32(value)) if isinstance(value, float) else value
        for name, value in to_gguf(RICH).values.items()
    }
    assert sampling == expected  # and no longer the recommendations of the file's maker
    for name, field in before.fields.items():
        if not name.startswith(("general.sampling.", "GGUF.")):
            assert (written[name], after.fields[name].types) == (field.contents(), field.types)
    assert [tensor.name for tensor in after.tensors] == ["weights"]
    np.testing.assert_array_equal(after.tensors[0].data, before.tensors[0].data)


def test_an_engine_reads_them_as_the_models_default(tmp_path: Path) -> None:
    params = GenerationParams(temperature=0.7, top_k=40, top_p=0.9, min_p=0.05, repetition_penalty=1.1)
    make: Any = GenerationConfig
    config = make()
    apply_sampling_defaults(config, str(write_copy(tmp_path, params)))
    assert config.do_sample
    for name, value in params.to_dict().items():
        if name not in ("generation_seed", "max_new_tokens"):
            assert getattr(config, name) == value


def test_the_command_writes_a_directory_and_keeps_files(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    search(make_tuner(), database, 2)
    assert main(["export", str(database), "--to", "gguf", "-o", str(tmp_path / "out")]) == 0
    exported = json.loads((tmp_path / "out" / "llmsearch_optuna.json").read_text(encoding="utf-8"))
    assert exported["metadata"]["general.sampling.mirostat"] == 0
    write_model(tmp_path / "model.gguf")
    command = [sys.executable, str(tmp_path / "out" / "snippet.py"), *[str(tmp_path / "model.gguf")] * 2]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "exists: name a new file" in refused.stderr
