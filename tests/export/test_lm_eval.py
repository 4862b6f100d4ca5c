"""Exports to lm-evaluation-harness; with it installed, its own parser and models."""

import argparse
import json
from typing import Any

import pytest
from tiny_models import tiny_model, tiny_tokenizer

from llmsearch_optuna.export import to_hf, to_lm_eval, to_vllm
from llmsearch_optuna.space.params import GenerationParams

GREEDY = GenerationParams(do_sample=False, top_k=5, repetition_penalty=1.2, max_new_tokens=9)
PLAIN = GenerationParams(
    temperature=0.7,
    top_k=40,
    top_p=0.9,
    min_p=0.05,
    typical_p=0.9,
    presence_penalty=0.5,
    generation_seed=3,
    max_new_tokens=9,
)
STOP = ("zz\n", "'q\"", "a,b=[c]{d}", "\\")


def test_values() -> None:
    values = to_lm_eval(PLAIN, STOP).values
    config = to_hf(PLAIN).values
    length = config.pop("max_new_tokens")
    common = {"max_gen_toks": length, "until": list(STOP)}
    assert values["hf"]["gen_kwargs"] == {**config, **common}
    sampling = to_vllm(PLAIN).values
    del sampling["max_tokens"]
    assert values["vllm"]["gen_kwargs"] == {"do_sample": True, **sampling, **common}
    assert values["hf"]["arguments"][-2:] == ["--seed", "0,1234,3,1234"]
    assert "until" not in to_lm_eval(PLAIN).values["hf"]["gen_kwargs"]


def test_greedy_decoding_says_so_in_both_words() -> None:
    values = to_lm_eval(GREEDY).values
    for name in ("hf", "vllm"):
        assert values[name]["gen_kwargs"]["do_sample"] is False
        assert values[name]["gen_kwargs"]["temperature"] == 0.0
        assert "--seed" not in values[name]["arguments"]
    assert to_lm_eval(GREEDY).warnings == ()


def test_warnings_name_the_model() -> None:
    warnings = to_lm_eval(PLAIN, STOP).warnings
    assert "presence_penalty=0.5: transformers has no such parameter; it is left out" in warnings
    assert "typical_p=0.9: vLLM has no such parameter; it is left out" in warnings
    assert warnings[-1].startswith("stop=")


@pytest.mark.parametrize("params", [GREEDY, PLAIN], ids=["greedy", "plain"])
class TestInstalled:
    def test_its_parser_reads_the_arguments(self, params: GenerationParams) -> None:
        run: Any = pytest.importorskip("lm_eval._cli.run", reason="lm-eval is not installed here")
        parser = argparse.ArgumentParser()
        run.Run(parser.add_subparsers())
        for name, exported in to_lm_eval(params, STOP).values.items():
            options = parser.parse_args(["run", "--tasks", "x", *exported["arguments"]])
            assert (options.model, options.gen_kwargs) == (name, exported["gen_kwargs"])

    def test_its_models_generate_with_them(
        self, params: GenerationParams, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        models: Any = pytest.importorskip("lm_eval.models.huggingface", reason="lm-eval is not installed here")
        instances: Any = pytest.importorskip("lm_eval.api.instance")
        model: Any = tiny_model()
        model.generation_config.update(do_sample=True, temperature=0.2, top_k=9, top_p=0.3)
        tokenizer = tiny_tokenizer()
        served = models.HFLM(pretrained=model, tokenizer=tokenizer, device="cpu", max_length=64, batch_size=1)
        used: dict[str, Any] = {}
        generate = model.generate

        def recording(**arguments: Any) -> Any:
            used.update(arguments)
            return generate(**arguments)

        monkeypatch.setattr(model, "generate", recording)
        gen_kwargs = to_lm_eval(params, STOP).values["hf"]["gen_kwargs"]
        request = instances.Instance("generate_until", {}, ("a b c", gen_kwargs), 0, ("x", 0, 1))
        assert len(served.generate_until([request], disable_tqdm=True)) == 1
        expected = {name: gen_kwargs[name] for name in gen_kwargs if name not in ("until", "max_gen_toks")}
        if params.greedy:
            del expected["temperature"]
        assert {name: used[name] for name in expected} == expected
        assert used["max_length"] - used["input_ids"].shape[1] == params.max_new_tokens
        assert "temperature" not in caplog.text

    def test_vllm_takes_them(self, params: GenerationParams) -> None:
        """What its model ``vllm`` makes of them are arguments of SamplingParams; see engine/vllm for a real one."""
        models: Any = pytest.importorskip(
            "lm_eval.models.vllm_causallms", reason="lm-eval and vLLM are not installed here", exc_type=ImportError
        )
        gen_kwargs = to_lm_eval(params, STOP).values["vllm"]["gen_kwargs"]
        fields, until, length = models.VLLM.modify_gen_kwargs(dict(gen_kwargs), eos="</s>")
        expected = to_vllm(params, STOP).values
        assert length == expected.pop("max_tokens")
        assert until == [*expected.pop("stop"), "</s>"]
        assert fields == {"skip_special_tokens": False, "spaces_between_special_tokens": False, **expected}
        json.dumps(fields)
