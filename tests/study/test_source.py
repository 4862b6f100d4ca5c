"""The names of model and data in a study file."""

import pytest

from llmsearch_optuna.study.source import Served, Source, read_served, read_source, without_password


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ('[model]\nname = "org/model"\n[data]\npath = "rows.csv"\n', Source("org/model", "rows.csv")),
        ('[model]\nname = "org/model"\n[data]\ntask = "lm_eval:gsm8k"\n', Source("org/model", "lm_eval:gsm8k")),
        ('[server]\nbase_url = "http://localhost"\n[data]\npath = "rows.csv"\n', Source(None, "rows.csv")),
        ('[engine]\nmodel = "served"\n[data]\npath = "rows.csv"\n', Source("served", "rows.csv")),
    ],
)
def test_the_names_are_read(text: str, source: Source) -> None:
    assert read_source(text) == source


@pytest.mark.parametrize(
    "text", ["[model", '[model]\nname = "x"\n', '[model]\nname = "x"\n[data]\n', "data = 1\nmodel = 2\n"]
)
def test_a_damaged_file_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        read_source(text)


@pytest.mark.parametrize(
    ("identity", "served"),
    [
        ("smol (vllm server)", Served("smol", "vllm", False)),
        ("a (b) (vllm server, llmsearch_optuna draws)", Served("a (b)", "vllm", True)),
        ('qwen@12ab (ollama server, {"omit": ["a, b"]})', Served("qwen@12ab", "ollama", False)),
        ("LlamaForCausalLM 12ab", None),
        ("", None),
    ],
)
def test_the_server_of_an_identity(identity: str, served: Served | None) -> None:
    assert read_served(identity) == served


def test_the_stored_study_file_has_no_password() -> None:
    text = '[study]\nstorage = "postgresql://me:secret@host/db"\n[data]\nprompt_template = "ftp://you:me@here {x}"\n'
    assert without_password(text) == text.replace("secret", "***")
    escaped = text.replace("me:secret", r"me:s\u0065cret")
    assert without_password(escaped) == text.replace("secret", "***")
    for plain in ('[study]\nstorage = "x.db"\n', "[data]\n", "no [toml"):
        assert without_password(plain) == plain
