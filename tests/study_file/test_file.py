import dataclasses
import re
import tomllib
from datetime import datetime
from pathlib import Path

import pytest

from llmsearch_optuna.data.tasks.options import TaskOptions
from llmsearch_optuna.errors import ConfigurationError, ParameterError, StudyFileError
from llmsearch_optuna.space.dimensions import Float
from llmsearch_optuna.space.search_space import SearchSpace
from llmsearch_optuna.study_file.file import StudyFile
from llmsearch_optuna.study_file.sections import (
    Choice,
    DataSection,
    GenerationSection,
    ModelSection,
    StudySection,
)

SHORT = """
[model]
name = "demo"

[data]
path = "data.jsonl"
input_cols = ["question"]
eval_cols = ["answer"]
prompt_template = "{question}"

[metric]
name = "exact_match"

[space]
temperature = {low = 0.1, high = 1.5}
"""

LONG = """
[study]
name = "maths"
storage = "runs/maths.db"
n_trials = 7
timeout_s = 3600.5
max_tokens_total = 2_000_000
price = { input = 0.15, output = 1 }
max_cost = 5
patience = 30
stop_early = false
worthwhile = 0.02
seed = 3
rungs = [4, 8, 16]
concurrency = 2
baselines = false
presets = ["arena", "strategies"]
lease_timeout_s = 30

[model]
name = "org/model"
device = "cpu"
dtype = "bfloat16"
revision = "main"
gguf_file = "model.gguf"
allow_pickle = true
batch_size = 4
replay_bytes = 100_000
backend = "vllm"
backend_args = { tensor_parallel_size = 2 }

[data]
path = "openai/gsm8k"
config = "main"
split = "train"
streaming = true
take = 500
input_cols = ["question"]
eval_cols = ["answer"]
messages = [{role = "user", content = "{question}"}]
max_new_tokens_col = "tokens"
search_size = 200
holdout_size = 100
holdout_stratify_col = "topic"
encode_args = {truncation = true, max_length = 512}
decode_args = {skip_special_tokens = true}

[metric]
name = "numeric"
score_range = [0, 1]
tolerance = 1e-6

[space]
do_sample = true
temperature = {low = 0.1, high = 1.5, step = 0.2}
top_k = {choices = [5, 50]}

[metrics.close]
name = "numeric"
tolerance = 0.5

[generation]
stop = ["Question:"]

[sampler]
name = "grid"

[pruner]
name = "percentile"
percentile = 50.0

[track]
to = "mlflow"
project = "maths"
"""


def parse(text: str) -> StudyFile:
    return StudyFile.parse(text, name="name", directory=Path("folder"))


def refused(text: str, kind: type[ConfigurationError] = StudyFileError) -> str:
    with pytest.raises(kind) as refusal:
        parse(text)
    message = str(refusal.value)
    assert len(message.splitlines()) == 1
    return message


def test_marks_of_thoughts_and_settings_in_a_study_file() -> None:
    marks = '[generation]\nthinking = { start = "<a>", end = "</a>" }\n'
    file = parse(SHORT.replace("[model]", f"{marks}[model]"))
    assert file.generation.thinking == {"start": "<a>", "end": "</a>"}
    assert parse(SHORT.replace("[model]", "[generation]\nthinking = false\n[model]")).generation.thinking is False
    space = parse(f"{SHORT}\ntemplate.enable_thinking = {{ choices = [true, false] }}\n").space
    assert space.settings("template.") == {"enable_thinking": (True, False)}


def test_what_is_left_out_has_a_default() -> None:
    file = parse(SHORT)
    assert file == StudyFile(
        study=StudySection(name="name", storage="sqlite:///folder/name.db"),
        model=ModelSection(name="demo"),
        data=DataSection(
            path="data.jsonl", input_cols=("question",), eval_cols=("answer",), prompt_template="{question}"
        ),
        metric=Choice("exact_match", {}),
        score_range=None,
        space=SearchSpace(temperature=Float(0.1, 1.5)),
        generation=GenerationSection(),
        directory=Path("folder"),
        text=SHORT,
    )
    assert file.study == StudySection(
        name="name",
        storage="sqlite:///folder/name.db",
        n_trials=50,
        timeout=None,
        max_tokens_total=None,
        patience=None,
        stop_early=True,
        worthwhile=None,
        sampler="tpe",
        sampler_args={},
        pruner=None,
        pruner_args={},
        seed=42,
        rungs=8,
        concurrency=None,
        baselines=True,
        presets=(),
        lease_timeout_s=60,
    )
    assert file.model is not None
    assert file.model.batch_size == 64
    assert file.server is None
    assert (file.data.search_size, file.data.holdout_size, file.generation.stop) == (None, 0, ())


def test_every_key_is_read() -> None:
    file = parse(LONG)
    assert dataclasses.asdict(file.study) == {
        "name": "maths",
        "storage": "sqlite:///folder/runs/maths.db",
        "n_trials": 7,
        "timeout": 3600.5,
        "max_tokens_total": 2_000_000,
        "price": {"input": 0.15, "output": 1},
        "max_cost": 5,
        "patience": 30,
        "stop_early": False,
        "worthwhile": 0.02,
        "objectives": ("score",),
        "constraints": {},
        "seed": 3,
        "sampler": "grid",
        "sampler_args": {},
        "pruner": "percentile",
        "pruner_args": {"percentile": 50.0},
        "rungs": (4, 8, 16),
        "concurrency": 2,
        "baselines": False,
        "track": {"to": "mlflow", "uri": None, "project": "maths"},
        "presets": ("arena", "strategies"),
        "lease_timeout_s": 30,
    }
    assert file.model is not None
    assert dataclasses.asdict(file.model) == {
        "name": "org/model",
        "device": "cpu",
        "dtype": "bfloat16",
        "revision": "main",
        "gguf_file": "model.gguf",
        "allow_pickle": True,
        "batch_size": 4,
        "replay_bytes": 100_000,
        "backend": "vllm",
        "backend_args": {"tensor_parallel_size": 2},
    }
    data = dataclasses.asdict(file.data)
    assert isinstance(data.pop("rendered_at"), datetime)
    assert data == {
        "chat_template_args": None,
        "path": "openai/gsm8k",
        "config": "main",
        "split": "train",
        "streaming": True,
        "take": 500,
        "input_cols": ("question",),
        "eval_cols": ("answer",),
        "prompt_template": None,
        "messages": ({"role": "user", "content": "{question}"},),
        "messages_col": None,
        "sample_preprocessor": None,
        "max_new_tokens_col": "tokens",
        "search_size": 200,
        "holdout_size": 100,
        "holdout_stratify_col": "topic",
        "encode_args": {"truncation": True, "max_length": 512},
        "decode_args": {"skip_special_tokens": True},
        "prompt_jinja": None,
        **dataclasses.asdict(TaskOptions()),
    }
    assert file.metric == ("numeric", {"tolerance": 1e-6})
    assert file.metrics == {"close": ("numeric", {"tolerance": 0.5})}
    assert file.score_range == (0.0, 1.0)
    assert set(file.space.dimensions) == {"temperature", "top_k"}
    assert dict(file.space.fixed) == {"do_sample": True}
    assert file.generation.stop == ("Question:",)


@pytest.mark.parametrize(("text", "rungs"), [("16", 16), ("[8, 24]", (8, 24)), ('"doubling"', "doubling")])
def test_rungs_of_any_kind(text: str, rungs: object) -> None:
    assert parse(f"[study]\nrungs = {text}\n{SHORT}").study.rungs == rungs


@pytest.mark.parametrize(
    ("storage", "url"),
    [
        ("x.db", "sqlite:///folder/x.db"),
        ("../x.db", "sqlite:///folder/../x.db"),
        ("/data/x.db", "sqlite:////data/x.db"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_storage_paths_start_from_the_folder_and_urls_are_kept(storage: str, url: str) -> None:
    assert parse(f'[study]\nstorage = "{storage}"\n{SHORT}').study.storage == url


def test_load_reads_name_and_folder_off_the_path(tmp_path: Path) -> None:
    (tmp_path / "gsm8k.toml").write_text(SHORT.replace("{question}", "é {question}"), encoding="utf-8")
    file = StudyFile.load(tmp_path / "gsm8k.toml")
    assert file.study.name == "gsm8k"
    assert file.study.storage == f"sqlite:///{tmp_path}/gsm8k.db"
    assert file.directory == tmp_path
    assert file.data.prompt_template == "é {question}"


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(SHORT, encoding="utf-8-sig")
    assert StudyFile.load(tmp_path / "x.toml").text == SHORT


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused_with_the_remedy(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(SHORT.replace("{question}", "é {question}"), encoding=encoding)
    with pytest.raises(StudyFileError, match=f"^study file {path} cannot be read: save it as UTF-8, as TOML must be "):
        StudyFile.load(path)


def test_a_model_has_a_name() -> None:
    text = re.sub(r'(\[model\]\s+name = )"[^"]*"', r'\1""', SHORT)
    assert refused(text) == "`name` in [model] must be a directory or a hub id, got an empty string"


def test_arguments_of_the_chat_template_are_a_table() -> None:
    chat = SHORT.replace("[data]", "[data]\nchat_template_args = {enable_thinking = false, effort = 'low'}")
    with pytest.raises(StudyFileError, match=r"^`chat_template_args` in \[data\] has no effect without `messages`"):
        parse(chat)
    template = re.search(r"prompt_template = .*", chat)
    assert template is not None
    messages = "messages = [{role = 'user', content = '{question}'}]"
    data = parse(chat.replace(template[0], messages)).data
    assert data.chat_template_args == {"enable_thinking": False, "effort": "low"}


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "x.toml", tmp_path):
        with pytest.raises(StudyFileError) as refusal:
            StudyFile.load(path)
        assert str(refusal.value).startswith(f"study file {path} cannot be read: ")
        assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("storage", ["sqlite://", "sqlite:///:memory:"])
def test_a_study_in_memory_is_refused(storage: str) -> None:
    message = refused(SHORT.replace("[data]", f'[study]\nstorage = "{storage}"\n[data]', 1))
    assert message == "`storage` in [study] must be a file or a server: memory is lost at the end"


def test_text_that_is_not_toml_is_refused() -> None:
    assert refused("[model\nname = 3").startswith("study file name is not valid TOML: ")
    assert refused(SHORT + "[model]").startswith("study file name is not valid TOML: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[model]", "[modle]", "unknown section `modle`: did you mean `model`?"),
        ("[model]", "model = 3\n[study]", "`model` must be a section ([model]), got 3"),
        ("[model]", "[[model]]", "`model` must be a section ([model]), got [{'name': 'demo'}]"),
        ('[metric]\nname = "exact_match"', "", "study file name needs a section [metric]"),
        ("[model]", "[model]\nbatch_sise = 3", "unknown key in [model] `batch_sise`: did you mean `batch_size`?"),
        (
            "[data]",
            '[data]\n"a\\nb" = 3',
            "unknown key in [data] `a b`: known are apply_chat_template, chat_template_args, ",
        ),
        ("[model]", "[generation]\nstops = []\n[model]", "unknown key in [generation] `stops`: did you mean `stop`?"),
        ("[model]", "[study]\ntrials = 3\n[model]", "unknown key in [study] `trials`: did you mean `n_trials`?"),
        ('[model]\nname = "demo"', "[model]", "[model] needs the key name"),
        ('path = "data.jsonl"\ninput_cols = ["question"]', "", "[data] needs the key path (or task)"),
        ('input_cols = ["question"]', "", "[data] needs the key input_cols (or messages_col)"),
        ('input_cols = ["question"]\neval_cols = ["answer"]', "", "[data] needs the key input_cols, eval_cols (or "),
        (
            "[data]",
            '[data]\nmessages_column = "m"',
            "unknown key in [data] `messages_column`: did you mean `messages_col`?",
        ),
        (
            "[data]",
            "[data]\nmax_tokens_col = 3",
            "unknown key in [data] `max_tokens_col`: did you mean `max_new_tokens_col`?",
        ),
        (
            "[data]",
            '[data]\nstratify_col = "x"',
            "unknown key in [data] `stratify_col`: did you mean `holdout_stratify_col`?",
        ),
        ("[data]", "[data]\nstream = true", "unknown key in [data] `stream`: did you mean `streaming`?"),
        ("[data]", "[data]\nstreaming = true", "`streaming` in [data] needs `take`, the number of rows to read, as a "),
        ("[data]", "[data]\ntake = 0", "`take` in [data] must be >= 1, got 0"),
        ("[data]", '[data]\ntake = "all"', "`take` in [data] must be an integer, got 'all'"),
        (
            'path = "data.jsonl"',
            'path = "demo"\ntake = 4',
            "`take` in [data] has no effect on the data of the demo: leave",
        ),
        (
            "[data]",
            '[data]\nholdout_stratify_col = "x"',
            "`holdout_stratify_col` in [data] has no effect without `holdout",
        ),
        ("[data]", "[data]\nmax_new_tokens_col = 3", "`max_new_tokens_col` in [data] must be a string, got 3"),
        ('name = "demo"', "name = 3", "`name` in [model] must be a string, got 3"),
        ('name = "demo"', 'name = "demo"\ndevice = 0', "`device` in [model] must be a string, got 0"),
        ('name = "demo"', 'name = "demo"\nbatch_size = 1.0', "`batch_size` in [model] must be an integer, got 1.0"),
        ('name = "demo"', 'name = "demo"\nbatch_size = true', "`batch_size` in [model] must be an integer, got True"),
        ('name = "demo"', 'name = "demo"\nallow_pickle = 1', "`allow_pickle` in [model] must be true or false, got 1"),
        ('["question"]', '"question"', "`input_cols` in [data] must be a list (a string each), got 'question'"),
        ('["question"]', "[1]", "`input_cols` in [data] must be a list (a string each), got [1]"),
        ("[data]", "[data]\nencode_args = true", "`encode_args` in [data] must be a table, got True"),
        ("[data]", "[data]\nmessages = {}", "`messages` in [data] must be a list (a table each), got {}"),
        (
            "[data]",
            "[data]\nmessages = [{role = 3}]",
            "`messages` in [data] must be a list (a table each), got [{'role': 3}]",
        ),
        (
            "[model]",
            "[study]\nrungs = 1.5\n[model]",
            '`rungs` in [study] must be an integer or a list (an integer each) or "doubling", got 1.5',
        ),
        (
            "[model]",
            "[study]\nrungs = [true]\n[model]",
            '`rungs` in [study] must be an integer or a list (an integer each) or "doubling", got [True]',
        ),
        ("[model]", "[study]\nn_trials = 0\n[model]", "`n_trials` in [study] must be >= 1, got 0"),
        ("[model]", "[study]\nmax_tokens_total = 0\n[model]", "`max_tokens_total` in [study] must be >= 1, got 0"),
        ("[model]", "[study]\npatience = 0\n[model]", "`patience` in [study] must be >= 1, got 0"),
        ("[model]", "[study]\nworthwhile = 0\n[model]", "`worthwhile` in [study] must be > 0, got 0"),
        ("[model]", "[study]\ntimeout_s = 0\n[model]", "`timeout_s` in [study] must be > 0 seconds, got 0"),
        ("[model]", "[study]\nlease_timeout_s = 0\n[model]", "`lease_timeout_s` in [study] must be > 0 seconds, got 0"),
        ("[model]", "[study]\ntimeout_s = nan\n[model]", "`timeout_s` in [study] must be > 0 seconds, got nan"),
        ("[model]", '[study]\ntimeout_s = "1h"\n[model]', "`timeout_s` in [study] must be a number, got"),
        ("[model]", "[study]\nconcurrency = 0\n[model]", "`concurrency` in [study] must be >= 1, got 0"),
        ('name = "demo"', 'name = "demo"\nbatch_size = 0', "`batch_size` in [model] must be >= 1, got 0"),
        ("[data]", "[data]\nsearch_size = 0", "`search_size` in [data] must be >= 1, got 0"),
        ("[data]", "[data]\nholdout_size = -1", "`holdout_size` in [data] must be >= 0, got -1"),
        *(
            (
                "[model]",
                f"[study]\nrungs = {rungs}\n[model]",
                '`rungs` in [study] must be a step >= 1, an ascending list of sizes >= 1 or "doubling", got ',
            )
            for rungs in ("0", "-8", "[]", "[8, 4]", "[8, 8]", "[0, 8]")
        ),
        ("[model]", '[study]\npresets = ["areena"]\n[model]', "unknown preset list `areena`: did you mean `arena`?"),
        (
            "[model]",
            '[generation]\nstop = ["a", ""]\n[model]',
            "`stop` in [generation] must not contain an empty string",
        ),
        (
            "[model]",
            '[generation]\nthinking = { start = "<think>" }\n[model]',
            "`thinking` in [generation] must be two marks, as in {",
        ),
        ("[model]", "[generation]\nthinking = true\n[model]", "`thinking` in [generation] must be two marks, as in {"),
        ("[model]", "[generation]\nthinking = 3\n[model]", "`thinking` in [generation] must be"),
        ('name = "exact_match"', "", '[metric] needs a name = "..."'),
        ('name = "exact_match"', "name = 3", '[metric] needs a name = "..."'),
        ("[model]", "[sampler]\nname = true\n[model]", '[sampler] needs a name = "..."'),
    ],
)
def test_a_wrong_key_or_value_is_refused(old: str, new: str, message: str) -> None:
    assert SHORT.count(old) == 1
    assert refused(SHORT.replace(old, new)).startswith(message)


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ('[sampler]\nname = "tep"', "unknown sampler `tep`: did you mean `tpe`?"),
        (
            "[sampler]\nn_startup = 4",
            "unknown argument of the tpe sampler `n_startup`: did you mean `n_startup_trials`?",
        ),
        ('[sampler]\nname = "grid"', "`temperature` is continuous, which a grid search cannot list: give it a step or"),
        ('[pruner]\nname = "medain"', "unknown pruner `medain`: did you mean `median`?"),
        ('[pruner]\nname = "median"\nn_startup_trials = -1', "the median pruner refuses its arguments: "),
        ("[pruner]\nalpha = 5", "`alpha` must be in (0, 1), got 5"),
        ("[pruner]\nmargn = 0.1", "unknown argument of the paired pruner `margn`: did you mean `margin`?"),
        ("[pruner]\nmargin = '0.1'", "`margin` must be >= 0, got '0.1'"),
    ],
)
def test_a_wrong_sampler_or_pruner_is_refused(addition: str, message: str) -> None:
    assert refused(SHORT + addition, ConfigurationError).startswith(message)


@pytest.mark.parametrize(
    "pruner",
    [
        'name = "hyperband"\nmin_resource = 500',
        'name = "hyperband"\nmax_resource = 3',
        'name = "successive-halving"\nmin_resource = "auto"',
        'name = "none"',
        'name = "median"\nn_warmup_steps = 1000',
        "margin = 0.02",
    ],
)
def test_a_pruner_is_not_refused_for_the_size_of_the_data(pruner: str) -> None:
    file = parse(f"{SHORT}[pruner]\n{pruner}")
    assert {"name": file.study.pruner, **file.study.pruner_args} == {"name": "paired", **tomllib.loads(pruner)}


@pytest.mark.parametrize("text", ["1", "[1, 0]", "[0]", "[0, inf]", '"0 to 1"', "[false, true]"])
def test_a_wrong_score_range_is_refused(text: str) -> None:
    changed = SHORT.replace('name = "exact_match"', f'name = "exact_match"\nscore_range = {text}')
    assert refused(changed, ConfigurationError).startswith("`score_range` must be two numbers, the smaller first, got ")


def test_the_former_name_of_the_lease_timeout_goes_on_working() -> None:
    with pytest.warns(FutureWarning, match=r"^study file: `lapse_s` in \[study\] is now `lease_timeout_s`$"):
        file = parse(LONG.replace("lease_timeout_s", "lapse_s"))
    assert file.study == parse(LONG).study
    both = LONG.replace("lease_timeout_s = 30", "lease_timeout_s = 30\nlapse_s = 30")
    assert refused(both).startswith("`lapse_s` in [study] is the former name of `lease_timeout_s`: leave it out")


def test_limits_can_be_replaced() -> None:
    file = parse(LONG)
    assert file.with_limits(n_trials=None, timeout=None, max_tokens_total=None) == file
    changed = file.with_limits(n_trials=9, timeout=1.5, max_tokens_total=3)
    assert (changed.study.n_trials, changed.study.timeout, changed.study.max_tokens_total) == (9, 1.5, 3)
    with pytest.raises(StudyFileError, match=r"^`n_trials` in \[study\] must be >= 1, got 0$"):
        file.with_limits(n_trials=0, timeout=None, max_tokens_total=None)


def test_a_wrong_space_is_refused() -> None:
    message = "`temperature` must be >= 0, got -0.1"
    assert refused(SHORT.replace("low = 0.1", "low = -0.1"), ParameterError) == message
