"""Searches over conversations, streams, rows with limits of their own, strata, and rows that repeat."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import optuna
import pytest
from backends import replace_backend
from counted_engine import Counted
from fake_server import FakeServer, Fault
from tiers import partly_full
from tiny_models import tiny_model, tiny_tokenizer
from tiny_studies import ROWS, everything, make_tuner, scorer, search

from llmsearch_optuna import GenerationParams, OpenAIServer, SearchSpace, Tuner
from llmsearch_optuna.cli import main
from llmsearch_optuna.errors import ConfigurationError, FingerprintError, TaskError
from llmsearch_optuna.fsck.check import check_database
from llmsearch_optuna.space.dimensions import Categorical
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, open_storage
from llmsearch_optuna.study.attributes import REUSED_FROM
from llmsearch_optuna.study.study import study_key
from llmsearch_optuna.study.trials import trial_params

CHATS: list[dict[str, Any]] = [
    {
        "chat": [
            {"role": "system", "content": "Be {brief}."},
            {"role": "user", "content": f"How many apples are {number}?"},
            {"role": "assistant", "content": str(number)},
            {"role": "user", "content": "And one more?"},
            {"role": "assistant", "content": str(number + 1)},
        ],
        "kind": "even" if number % 2 == 0 else "odd",
    }
    for number in range(16)
]
LIMITED: list[dict[str, Any]] = [{**row, "most": index % 4 + 1} for index, row in enumerate(ROWS)]


def chat_tuner(**changes: Any) -> Tuner:
    arguments = {"dataset": CHATS, "messages_col": "chat", "prompt_template": None, "column_mapping": None}
    return make_tuner(**{**arguments, **changes})


def completions(study: optuna.Study, path: Path) -> list[StoredCompletion]:
    store = CompletionStore(open_storage(f"sqlite:///{path}"))
    return [completion for trial in study.trials for completion in store.load(study_key(study), trial.number)]


def held_out(study: optuna.Study, path: Path) -> list[tuple[int, int]]:
    """Rows and numbers of tokens."""
    query = "SELECT row, token_count FROM llmsearch_held_out"
    with open_storage(f"sqlite:///{path}").engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


# Conversations.


@pytest.mark.full
def test_a_search_over_conversations(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    tuner = chat_tuner(scorer="token_f1", holdout_size=4)
    study = search(tuner, path, 4)
    assert tuner.confirm(study, seeds=1, show_progress=False).samples == 4
    samples = CompletionStore(open_storage(f"sqlite:///{path}")).load_samples(study_key(study))
    assert len(samples) == 12
    for sample in samples:
        chat = CHATS[sample.row]["chat"]
        expected = tiny_tokenizer().apply_chat_template(chat[:-1], tokenize=False, add_generation_prompt=True)
        assert sample.prompt == expected
        assert sample.prompt.endswith("<|im_start|>assistant\n")
        assert sample.reference == {"reference": chat[-1]["content"]}
    assert check_database(f"sqlite:///{path}").problems == ()
    assert everything(search(chat_tuner(scorer="token_f1", holdout_size=4), path, 4), path) == everything(study, path)


def test_other_columns_may_be_the_reference(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    def note(references: list[dict[str, Any]], predictions: list[str]) -> list[float]:
        seen.extend(references)
        return scorer(references, predictions)

    tuner = chat_tuner(scorer=note, column_mapping={"eval_cols": ["kind"]})
    tuner.get_score({"temperature": 1.0, "max_new_tokens": 2})
    assert seen == [{"kind": row["kind"]} for row in CHATS]
    assert tuner.dataset["_X"][:] == chat_tuner().dataset["_X"][:]
    assert chat_tuner(column_mapping={"input_cols": [], "eval_cols": []}).dataset["_y"][:] == [{}] * 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": [*CHATS, {"chat": [], "kind": "x"}]}, "^row 16: `chat`: there are no messages$"),
        (
            {"dataset": [{"chat": [{"from": "human", "value": "x"}]}]},
            "^row 0: `chat`: message 0 has .*as in ShareGPT: ",
        ),
        (
            {"messages_col": "chats"},
            r"^the dataset has no column 'chats': it has chat, kind; did you mean 'chat'\?$",
        ),
        ({"prompt_template": "x"}, "got prompt_template and messages_col$"),
        ({"column_mapping": {"input_cols": ["kind"]}}, "^`input_cols` has no effect with `messages_col`"),
        (
            {"column_mapping": {"reference": ["kind"]}},
            "^column_mapping needs the keys input_cols and eval_cols, got refer",
        ),
        ({"messages_col": None, "prompt_template": "x"}, "^column_mapping needs the keys .*, got none$"),
        ({"max_new_tokens_col": "kind"}, "^row 0: `kind` must be an integer >= 1, got 'even'$"),
        ({"take": 0}, "^`take` must be >= 1, got 0$"),
        ({"holdout_stratify_col": "kind"}, "^`holdout_stratify_col` has no effect without `holdout_size`"),
        (
            {"holdout_stratify_col": "kin", "holdout_size": 2},
            r"^the dataset has no column 'kin': it has chat, kind; did you mean 'kind'\?$",
        ),
    ],
)
def test_what_is_wrong_is_told_before_the_model_is_loaded(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refusal:
        chat_tuner(**{"model": "no/such-model", "tokenizer": None, **changes})
    assert len(str(refusal.value).splitlines()) == 1


def server_tuner(server: FakeServer, **changes: Any) -> Tuner:
    openai_server = OpenAIServer(base_url=server.base_url, probe=False, max_retries=3)
    return make_tuner(**{"model": None, "tokenizer": None, "server": openai_server, "holdout_size": 4, **changes})


@pytest.mark.full
def test_conversations_reach_a_server_as_conversations(server: FakeServer, tmp_path: Path) -> None:
    chat = {"dataset": CHATS, "messages_col": "chat", "prompt_template": None, "column_mapping": None}
    tuner = server_tuner(server, **chat, tokenizer=tiny_tokenizer())
    study = search(tuner, tmp_path / "x.db", 3)
    tuner.confirm(study, seeds=1, show_progress=False)
    asked = {json.dumps(request["messages"]) for request in server.requests}
    assert asked == {json.dumps(row["chat"][:-1]) for row in CHATS}
    assert not any("prompt" in request for request in server.requests)
    assert "chat messages" in tuner.diagnosis()["engine"]


# Streams.


def rows(count: list[int]) -> Iterator[dict[str, Any]]:
    for row in ROWS:
        count.append(len(count))
        yield row
    while True:  # without end
        count.append(len(count))
        yield {"question": f"Again {len(count)}?", "answer": "0"}


class Count:
    """What the stream gave; a global, as `datasets` copies what a generator is given."""

    read: list[int] = []  # noqa: RUF012


def stream() -> datasets.IterableDataset:
    Count.read.clear()
    return datasets.IterableDataset.from_generator(lambda: rows(Count.read))


@pytest.mark.full
def test_a_search_of_a_list_goes_on_with_a_stream_of_the_same_rows(tmp_path: Path) -> None:
    whole = search(make_tuner(holdout_size=4), tmp_path / "whole.db", 4, concurrency=1)
    search(make_tuner(holdout_size=4), tmp_path / "x.db", 2, concurrency=1)
    tuner = make_tuner(dataset=stream(), take=16, holdout_size=4)
    study = search(tuner, tmp_path / "x.db", 4, concurrency=1)
    tuner.confirm(study, seeds=1, show_progress=False)
    assert len(Count.read) == 16
    assert everything(study, tmp_path / "x.db") == everything(whole, tmp_path / "whole.db")
    with pytest.raises(FingerprintError, match=r"other prompts .*, other references and other sizes of the splits"):
        search(make_tuner(dataset=stream(), take=17, holdout_size=4), tmp_path / "x.db", 5)


def test_a_stream_without_a_number_of_rows_is_refused() -> None:
    with pytest.raises(TaskError, match="the dataset is a stream, which may have no end: give `take`"):
        make_tuner(dataset=stream())
    with pytest.raises(TaskError, match="the dataset is a stream"):
        make_tuner().get_score({"temperature": 1.0}, dataset=stream())
    assert Count.read == []


# Limits per sample.

MODES: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "sampling": {"temperature": 1.2, "generation_seed": 3},
    "beams": {"num_beams": 2, "do_sample": False},
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("family", "mode"),
    [*(("llama", mode) for mode in MODES), ("mamba", "sampling"), ("t5", "sampling"), ("t5", "beams")],
)
@pytest.mark.parametrize("limit", partly_full([3, 8], fast=[3]))
def test_a_completion_is_what_it_is_under_the_lesser_limit(family: str, mode: str, limit: int) -> None:
    tuner = make_tuner(model=tiny_model(family), dataset=LIMITED, max_new_tokens_col="most")
    plain = make_tuner(model=tiny_model(family))
    params = {**MODES[mode], "max_new_tokens": limit}
    of_all = {most: plain.get_score({**params, "max_new_tokens": min(most, limit)}).outputs for most in range(1, 5)}
    expected = [of_all[row["most"]][index] for index, row in enumerate(LIMITED)]
    assert tuner.get_score(params).outputs == expected
    assert expected != of_all[min(4, limit)]


@pytest.mark.full
def test_a_search_keeps_every_rows_limit(tmp_path: Path) -> None:
    tuner = make_tuner(dataset=LIMITED, max_new_tokens_col="most", holdout_size=4)
    path = tmp_path / "x.db"
    study = search(tuner, path, 6, pruner="none")
    assert tuner.confirm(study, seeds=2, show_progress=False).samples == 4
    stored = [(completion.row, completion.token_count) for completion in completions(study, path)]
    counts = [*stored, *held_out(study, path)]
    assert all(count <= LIMITED[row]["most"] for row, count in counts)
    assert {count for _, count in counts} == {1, 2, 3, 4}
    assert check_database(f"sqlite:///{path}").problems == ()
    assert tuner.diagnosis()["length limits"] == "1 to 4 new tokens, by row"
    assert "length limits" not in make_tuner().diagnosis()
    # As without replay, and as without limits up to where these cut.
    alone = make_tuner(dataset=LIMITED, max_new_tokens_col="most", holdout_size=4, replay_bytes=0)
    unlimited = make_tuner(holdout_size=4)
    assert completions(search(alone, tmp_path / "alone.db", 6, pruner="none"), tmp_path / "alone.db") == completions(
        study, path
    )
    for trial in study.trials[:3]:
        params = trial_params(trial)
        outputs = unlimited.get_score(params).outputs
        limited = CompletionStore(open_storage(f"sqlite:///{path}")).load(study_key(study), trial.number)
        assert all(outputs[completion.row].startswith(completion.text.rstrip("\ufffd")) for completion in limited)


@pytest.mark.full
def test_a_search_with_limits_is_resumed_and_another_is_refused(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"dataset": LIMITED, "max_new_tokens_col": "most", "holdout_size": 4}
    whole = search(make_tuner(**arguments), tmp_path / "whole.db", 4, concurrency=1)
    search(make_tuner(**arguments), tmp_path / "x.db", 2, concurrency=1)
    study = search(make_tuner(**arguments), tmp_path / "x.db", 4, concurrency=1)
    assert everything(study, tmp_path / "x.db") == everything(whole, tmp_path / "whole.db")
    others = [{**row, "most": 3} for row in LIMITED]
    for changes in ({"dataset": others}, {"max_new_tokens_col": None}):
        other = make_tuner(**{**arguments, **changes})
        with pytest.raises(FingerprintError, match="was made with other length limits of rows"):
            search(other, tmp_path / "x.db", 5)
        with pytest.raises(FingerprintError, match="was made with other length limits of rows"):
            other.confirm(study, storage=f"sqlite:///{tmp_path}/x.db", show_progress=False)


@pytest.mark.full
def test_what_is_taken_over_from_an_equal_trial_has_the_rows_limits(tmp_path: Path) -> None:
    space = SearchSpace(temperature=Categorical([0.5, 2.0]), tfs=Categorical([None, 1.0]), max_new_tokens=4)
    stores = []
    for repeatable in (True, False):
        tuner = make_tuner(dataset=LIMITED, max_new_tokens_col="most")
        engine = Counted(tuner._backend.engine)
        replace_backend(tuner, engine=engine, repeatable=repeatable)
        path = tmp_path / f"{repeatable}.db"
        arguments: dict[str, Any] = {"rungs": 4, "concurrency": 1, "storage": f"sqlite:///{path}"}
        study = tuner.search(space, n_trials=8, sampler="random", show_progress=False, **arguments)
        stores.append(completions(study, path))
        assert any(REUSED_FROM in trial.user_attrs for trial in study.trials) == repeatable
    assert stores[0] == stores[1]


def test_a_function_is_told_each_limit() -> None:
    calls: list[tuple[int, int]] = []

    def answer(prompts: list[str], params: dict[str, Any]) -> list[str]:
        calls.append((params["max_new_tokens"], len(prompts)))
        return [f"{prompt} {params['max_new_tokens']}" for prompt in prompts]

    tuner = make_tuner(model=None, custom_pred_function=answer, dataset=LIMITED, max_new_tokens_col="most")
    outputs = tuner.get_score({"temperature": 1.0, "max_new_tokens": 3}).outputs
    assert outputs == [f"{row['question']} {min(3, row['most'])}" for row in LIMITED]
    assert calls == [(1, 4), (2, 4), (3, 8)]


@pytest.mark.full
def test_a_server_is_told_each_limit_and_one_that_fails_is_asked_again(server: FakeServer) -> None:
    tuner = server_tuner(server, dataset=LIMITED, max_new_tokens_col="most")
    tuner.get_score({"temperature": 1.0, "max_new_tokens": 3})
    asked = {request["prompt"]: request["max_tokens"] for request in server.requests}
    assert asked == {row["question"]: min(3, row["most"]) for row in LIMITED}
    # What is remembered of failures is for calls that look for the trial that is to blame: here is only one.
    server.faults = lambda sent, number: Fault(status=400, body=b'{"error": "no"}') if "5?" in sent["prompt"] else None
    for _ in range(2):
        server.requests.clear()
        with pytest.raises(Exception, match="the server refuses the request"):
            tuner.get_score({"temperature": 0.7, "max_new_tokens": 3})
        assert any("5?" in sent["prompt"] for sent in server.requests)


@pytest.mark.full
def test_a_row_that_leaves_no_room_for_its_own_limit_is_refused() -> None:
    tuner = make_tuner(
        dataset=[{**row, "most": 600 if i == 7 else 2} for i, row in enumerate(ROWS)], max_new_tokens_col="most"
    )
    tuner.get_score({"max_new_tokens": 400})
    with pytest.raises(
        TaskError, match=r"^the prompt of row 7 has \d+ tokens, and 600 new ones exceed the model's window"
    ):
        tuner.get_score(GenerationParams(max_new_tokens=1000))


# Strata, and rows that repeat.


def test_a_stratified_hold_out(tmp_path: Path) -> None:
    rare = [{**row, "kind": "rare" if index < 4 else None} for index, row in enumerate(ROWS)]
    tuner = make_tuner(dataset=rare, holdout_size=8, holdout_stratify_col="kind")
    assert sum(sample.row < 4 for sample in tuner.task.holdout) == 2
    study = search(tuner, tmp_path / "x.db", 2)
    with pytest.raises(FingerprintError, match=r"hold-out stratified by: kind then, none now"):
        make_tuner(dataset=rare, holdout_size=8).confirm(study, storage=f"sqlite:///{tmp_path}/x.db")
    assert make_tuner(dataset=rare, holdout_size=8, holdout_stratify_col="kind").task == tuner.task


def test_repeated_rows_are_searched_once_and_scored_by_hand_as_often_as_they_come(
    caplog: pytest.LogCaptureFixture,
) -> None:
    twice = [*ROWS, ROWS[3], {**ROWS[5], "answer": "another"}]
    tuner = make_tuner(dataset=twice, holdout_size=5)
    (warning,) = [record.getMessage() for record in caplog.records if record.name.endswith("data.task")]
    assert warning.startswith(
        "1 of 18 rows repeat another's prompt and reference and are left out (such as rows 3 and 16); 2 row"
    )
    assert (len(tuner.task.search), len(tuner.task.holdout)) == (12, 5)
    outputs = tuner.get_score({"temperature": 1.0, "max_new_tokens": 3}).outputs
    assert len(outputs) == 18
    assert (outputs[16], outputs[17]) == (outputs[3], outputs[5])


# Study files.

STUDY = """
[study]
n_trials = 3
rungs = 4

[model]
name = "model"

[data]
path = "rows.jsonl"
messages_col = "chat"
max_new_tokens_col = "most"
streaming = true
take = 16
holdout_size = 4
holdout_stratify_col = "kind"

[metric]
name = "token_f1"

[space]
temperature = { low = 0.5, high = 1.5 }
max_new_tokens = 3
"""


@pytest.mark.full
def test_a_study_file_with_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model: Any = tiny_model()
    model.save_pretrained(tmp_path / "model")
    tokenizer: Any = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "model")
    lines = [json.dumps({**row, "most": index % 4 + 1}) for index, row in enumerate(CHATS)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, "what comes later is not read"]), encoding="utf-8")
    (tmp_path / "x.toml").write_text(STUDY, encoding="utf-8")
    assert main(["doctor", str(tmp_path / "x.toml")]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "12 samples to search on, 4 held out" in output
    assert "1 to 4 new tokens, by row" in output
    assert main(["run", str(tmp_path / "x.toml"), "--quiet"]) == 0
    assert "4 held-out samples" in " ".join(capsys.readouterr().out.split())
    assert main(["fsck", str(tmp_path / "x.db")]) == 0
    capsys.readouterr()
    assert main(["show", str(tmp_path / "x.db"), "--trial", "0"]) == 0
    assert "And one more?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'messages_col = "chat"',
            'messages_col = "chats"',
            "the dataset has no column 'chats': it has chat, most, kind",
        ),
        ('"most"', '"kind"', "row 0: `kind` must be an integer >= 1, got 'even'"),
        (
            'holdout_stratify_col = "kind"',
            'holdout_stratify_col = "k"',
            "the dataset has no column 'k': it has chat, most",
        ),
        ("take = 16", "take = 17", "row 16: `chat`: there are no messages"),
        ("take = 16\n", "", "`streaming` in [data] needs `take`, the number of rows to read"),
    ],
)
def test_a_wrong_study_file_is_refused_before_the_model_is_loaded(
    old: str, new: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no model here: an attempt to load it would be another error."""
    rows = [*({**row, "most": 1} for row in CHATS), {"chat": [], "most": 1, "kind": "odd"}]
    lines = [json.dumps({key: row[key] for key in ("chat", "most", "kind")}) for row in rows]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert old in STUDY
    (tmp_path / "x.toml").write_text(STUDY.replace(old, new, 1), encoding="utf-8")
    assert main(["run", str(tmp_path / "x.toml")]) == 1
    assert message in capsys.readouterr().err
