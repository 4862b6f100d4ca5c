"""The command line, end to end on a tiny model."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from study_files import STUDY, write_model_and_rows

from llmsearch_optuna.cli import main


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study file with its model and data, searched once."""
    path = tmp_path_factory.mktemp("study")
    rows = [{"question": f"Is [bold]{i}[/bold] even?", "answer": "\x1b[31myes"} for i in range(10)]
    write_model_and_rows(path, rows)
    (path / "mini.toml").write_text(STUDY.format(trials=4))
    assert main(["run", str(path / "mini.toml"), "--quiet"]) == 0
    return path


def test_run_prints_the_baselines_and_the_best(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(directory / "mini.toml"), "--quiet"]) == 0
    output = capsys.readouterr().out
    for expected in ("model default", "greedy", "best", "(4 trials)", "llmsearch-optuna dashboard "):
        assert expected in output


def test_run_goes_on_when_more_trials_are_asked_for(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(directory / "mini.toml"), "--trials", "6"]) == 0
    captured = capsys.readouterr()
    assert "(6 trials)" in captured.out
    assert "trial 5:" in captured.err
    assert "trial 3:" not in captured.err


@pytest.mark.full
def test_run_ends_with_the_tokens(
    directory: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (directory / "short.toml").write_text(STUDY.format(trials=9))
    assert main(["run", str(directory / "short.toml"), "--max-tokens", "1"]) == 1
    assert "study `short` has no fully evaluated trial yet" in capsys.readouterr().err
    assert main(["run", str(directory / "short.toml"), "--max-tokens", "200", "--timeout", "3600"]) == 0
    assert "tokens are generated, the limit is 200; " in caplog.text
    assert "trial 8" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--trials", "0"], "`n_trials` in [study] must be >= 1, got 0"),
        (["--timeout", "-1"], "`timeout_s` in [study] must be > 0 seconds, got -1.0"),
        (["--max-tokens", "0"], "`max_tokens_total` in [study] must be >= 1, got 0"),
    ],
)
def test_wrong_limits_are_refused(
    option: list[str], message: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(directory / "mini.toml"), *option]) == 1
    assert capsys.readouterr().err == f"llmsearch-optuna: {message}\n"


PIPES = """
import os, sys
from llmsearch_optuna.cli import main
database, rows = sys.argv[1:]
for words in (
    ["--help"], ["best", database], ["best", database, "--json"], ["show", database], ["fsck", database],
    ["export", database, "--to", "vllm"], ["compare", rows, rows + "2"], ["fsck", rows],
):
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    os.close(writer)
    try:
        status = main(words)
    except SystemExit as error:
        status = error.code
    print(words[0], status, file=sys.stderr, flush=True)
"""


@pytest.mark.full
def test_a_reader_that_has_gone_ends_a_command_quietly(directory: Path, tmp_path: Path) -> None:
    for name, score in (("rows", 0.5), ("rows2", 0.6)):
        lines = [json.dumps({"id": row, "score": score + row / 100}) for row in range(4)]
        (tmp_path / name).write_text("\n".join(lines))
    command = [sys.executable, "-c", PIPES, str(directory / "mini.db"), str(tmp_path / "rows")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    of_help, *lines = ended.stderr.splitlines()
    assert of_help in ("--help 0", "--help 141")  # releases of Python differ
    assert lines == ["best 141", "best 141", "show 141", "fsck 141", "export 141", "compare 141", "fsck 141"]
    assert ended.returncode == 0
    if Path("/dev/full").exists():
        program = "import sys; from llmsearch_optuna.cli import main; sys.exit(main(sys.argv[1:]))"
        with Path("/dev/full").open("w") as full:
            command = [sys.executable, "-c", program, "best", str(directory / "mini.db")]
            ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (
            1,
            "llmsearch-optuna: the output cannot be written: the disk is full\n",
        )


def test_doctor_tells_the_engine_and_why(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(directory / "mini.toml")]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "64 slots, which support LlamaForCausalLM: logits differ from those of a plain forward pass by" in output
    assert "8 samples to search on, 0 held out" in output
    assert "token_f1" in output
    assert 'reference "\\u001b[31myes"' in output
    assert '[/bold] even?"' in output
    assert " (ended by: " in output
    assert " score 0 likely cause " in output


def test_libraries_draw_no_bars_into_a_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS", "TQDM_DISABLE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for is_terminal, value in ((True, None), (False, "1")):
        monkeypatch.setattr(sys.stderr, "isatty", lambda is_terminal=is_terminal: is_terminal)
        assert main(["doctor", str(directory / "mini.toml")]) == 0
        assert [os.environ.get(name) for name in names] == [value] * 3


def test_best_as_json(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", str(directory / "mini.db"), "--json"]) == 0
    best = json.loads(capsys.readouterr().out)
    assert set(best) == {"trial", "score", "params", "verdict"}
    assert best["params"]["max_new_tokens"] == 4
    assert best["verdict"] is None


def test_best_as_a_table(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["best", str(directory / "mini.db")]) == 0
    assert "Scores on the search split" in capsys.readouterr().out


def test_show_puts_completions_beside_references_and_takes_no_text_for_markup(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(directory / "mini.db"), "--trial", "1"]) == 0
    output = capsys.readouterr().out
    assert "trial 1, complete" in output
    assert output.count("completion: ") == 8
    assert "Is [bold]" in output
    assert "\x1b" not in output.replace("\\u001b", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["best", "nowhere.db"], "there is no database nowhere.db"),
        (["show", "mini.db", "--trial", "99"], "has no trial 99: its trials are 0 to"),
        (["best", "mini.db", "--study", "minni"], "unknown study `minni`: did you mean `mini`?"),
        (["best", "rows.jsonl"], "file is not a database"),
        (["best", "mini.toml"], "mini.toml is a study file: give the database that it names as `storage`"),
        (["run", "nowhere.toml"], "study file nowhere.toml cannot be read"),
        (["confirm", "nowhere.db"], "there is no database nowhere.db"),
        (["confirm", "mini.db", "--study", "minni"], "unknown study `minni`: did you mean `mini`?"),
        (["confirm", "mini.db", "--seeds", "0"], "`--seeds` must be >= 1, got 0"),
        (["compare", "nowhere.jsonl", "rows.jsonl"], "nowhere.jsonl cannot be read"),
        (["compare", "rows.jsonl", "rows.jsonl"], "line 1 of rows.jsonl has no `id`"),
        (["power", "--gain=0.1"], "name two files of a pilot, or give `--baseline`"),
        (["power", "a", "--gain=0.1"], "name two files of a pilot, or give `--baseline`"),
        (["power", "a", "b", "--gain=0.1", "--baseline=0.5"], "name two files of a pilot, or give `--baseline`"),
        (["power", "a", "b", "--gain=0.1", "--agreement=0.5"], "`--agreement` is for `--baseline`: a pilot has its "),
        (["power", "--gain=0.1", "--baseline=0.5", "--cluster=x"], "`--cluster` is for the files of a pilot, not for"),
        (["power", "--gain=0.1", "--baseline=0.5", "--seeds=0"], "`seeds` must be >= 1, got 0"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str],
    message: str,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(directory)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_ctrl_c_says_how_to_go_on(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("llmsearch_optuna.search.loop.Search._advance", interrupt)
    assert main(["run", str(directory / "mini.toml"), "--trials", "9", "--quiet"]) == 130
    assert "the same command goes on from here" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(["run", str(directory / "mini.toml"), "--trials", "7", "--quiet"]) == 0


# The verdict.


@pytest.fixture(scope="module")
def confirmed(directory: Path) -> Path:
    """A study with samples held out, searched and confirmed."""
    text = STUDY.format(trials=4).replace("search_size = 8", "search_size = 4\nholdout_size = 6")
    (directory / "held.toml").write_text(text.replace("token_f1", "chrf"))
    assert main(["run", str(directory / "held.toml"), "--quiet"]) == 0
    return directory / "held.db"


@pytest.fixture
def copy(confirmed: Path, tmp_path: Path) -> Path:
    """The confirmed study in a database of its own."""
    path = tmp_path / "copy.db"
    with sqlite3.connect(confirmed) as source, sqlite3.connect(path) as target:
        source.backup(target)
    return path


def shown_verdict(output: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith("verdict: ")]
    return line


def test_run_says_what_to_set_for_a_verdict(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(directory / "mini.toml"), "--quiet"]) == 0
    assert "no verdict: no samples are held out" in capsys.readouterr().out
    assert main(["confirm", str(directory / "mini.db")]) == 1
    error = capsys.readouterr().err
    assert "set `holdout_size`" in error
    assert error.count("\n") == 1  # no model was loaded


def test_run_ends_with_the_verdict_and_best_repeats_it(
    confirmed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", str(confirmed.with_suffix(".toml")), "--quiet"]) == 0
    output = capsys.readouterr().out
    assert "Scores on 6 held-out samples (chrf)" in output
    verdict = shown_verdict(output)
    assert "held-out samples x 2 seeds" in verdict or "nothing better than the baseline" in verdict
    assert main(["best", str(confirmed)]) == 0
    assert shown_verdict(capsys.readouterr().out) == verdict
    assert main(["best", str(confirmed), "--json"]) == 0
    best = json.loads(capsys.readouterr().out)
    assert f"verdict: {best['verdict']['sentence']}" == verdict
    assert main(["confirm", str(confirmed), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == best["verdict"]


def test_confirm_finds_model_and_data_by_the_study_file(
    confirmed: Path, copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)
    assert main(["confirm", str(copy), "--seeds", "5", "--json", "--quiet"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["planned_seeds"] == 5
    assert main(["best", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == verdict
    assert main(["best", str(confirmed), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["planned_seeds"] == 4


def test_a_verdict_on_other_finalists_is_not_shown(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(copy) as target:
        target.execute("update trial_user_attributes set value_json = replace(value_json, 'temperature', 'top_p')")
        target.execute("update trial_user_attributes set value_json = replace(value_json, ': 1.', ': 0.')")
    assert main(["best", str(copy)]) == 0
    output = capsys.readouterr().out
    assert f"the finalists have changed since the last verdict: llmsearch-optuna confirm {copy} --study held" in output
    assert "verdict: " not in output.replace("last verdict: ", "")
    assert main(["best", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] is None


def test_confirm_of_a_study_made_in_python_says_what_to_use(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(copy) as target:
        target.execute("delete from study_user_attributes where key in ('llmsearch_study_file', 'llmsearch_verdict')")
    assert main(["confirm", str(copy)]) == 1
    error = capsys.readouterr().err
    assert "study `held` stores no study file" in error
    assert "call `Tuner.confirm` in Python" in error
    assert error.count("\n") == 1
    assert main(["best", str(copy)]) == 0
    assert f"no verdict yet: llmsearch-optuna confirm {copy} --study held" in capsys.readouterr().out


def write_outputs(path: Path, right: int) -> str:
    lines = [
        {"id": i, "score": float(i < right), "prediction": str(i * (i < right)), "reference": i} for i in range(40)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def test_compare_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write_outputs(tmp_path / "a.jsonl", 10), write_outputs(tmp_path / "b.jsonl", 30)]
    assert main(["compare", *files]) == 0
    output = capsys.readouterr().out
    assert "Scores on 40 samples (score)" in output
    assert shown_verdict(output).startswith("verdict: improved by 0.50 [0.3")
    assert main(["compare", *files, "--lower-is-better"]) == 0
    assert shown_verdict(capsys.readouterr().out).startswith("verdict: no gain: worse by 0.50")


def test_compare_by_metrics_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write_outputs(tmp_path / "a.jsonl", 10), write_outputs(tmp_path / "b.jsonl", 30)]
    metrics = ["exact_match", "ignore_case=true", "numeric", "column=reference"]
    assert main(["compare", *files, "--json", "--metric", *metrics]) == 0
    exact, numeric = map(json.loads, capsys.readouterr().out.splitlines())
    assert exact["metric"] == "exact_match(ignore_case=True)"
    assert numeric["metric"] == "numeric(column='reference')"
    assert exact["improved"] is numeric["improved"] is True
    assert exact["comparisons"][0]["gain"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "exact_mach"], "unknown metric `exact_mach`: did you mean `exact_match`?"),
        (["--metric", "lowercase=true"], "`--metric` must begin with the name of a metric, got lowercase=true"),
        (["--metric", "numeric", "colum=x"], "takes no arguments, got `colum`"),
        (["--metric", "numeric", "column=x"], "unknown reference column `x`"),
        (["--metric", "numeric", "greater_is_better=1"], "`greater_is_better` must be true or false, got 1"),
    ],
)
def test_compare_refuses_wrong_metrics_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write_outputs(tmp_path / "a.jsonl", 10), write_outputs(tmp_path / "b.jsonl", 30)]
    assert main(["compare", *files, *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("condition", "better", "worse", "equal"), [(None, 0, 0, 0), ("worse", 0, 3, 0), ("not-better", 0, 3, 3)]
)
def test_compare_fails_if_it_is_told_to(
    condition: str | None, better: int, worse: int, equal: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    low, high, same = (
        write_outputs(tmp_path / name, right) for name, right in (("low", 10), ("high", 30), ("same", 11))
    )
    options = [] if condition is None else ["--fail-if", condition]
    assert main(["compare", low, high, *options]) == better
    assert main(["compare", high, low, *options, "--json"]) == worse
    assert capsys.readouterr().err == (f"llmsearch-optuna: {condition}: score\n" if worse else "")
    assert main(["compare", low, same, *options]) == equal
    # For any of several metrics.
    metrics = ["--metric", "exact_match", "numeric"]
    assert main(["compare", high, low, *options, *metrics]) == worse
    assert main(["compare", tmp_path.as_posix(), low, *options]) == 1
    with pytest.raises(SystemExit, match="2"):
        main(["compare", high, low, "--fail-if", "better"])


def test_compare_by_clusters_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs = Path(__file__).parents[1] / "verdict" / "logs"
    files = [str(logs / f"inspect_ai_0.3.285_2026-11_{name}.eval") for name in "ab"]
    assert main(["compare", *files, "--score", "match", "--cluster", "page", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clusters"] == 2
    files = [str(logs / f"lm_eval_0.4.13_2026-11_{name}.jsonl") for name in "ab"]
    assert main(["compare", *files, "--filter", "strict", "--metric", "exact_match", "--cluster", "page"]) == 0
    assert "on 6 samples in 3 clusters x 1 seed" in shown_verdict(capsys.readouterr().out)
    assert main(["compare", *files, "--score", "acc", "--metric", "exact_match"]) == 1
    assert "give `--score`, which the files have, or `--metric`" in capsys.readouterr().err


def test_power(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--baseline", "0.62", "--gain", "0.03"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("score: 4,041 samples x 1 seed show a gain of 0.03 with a chance of 80 %")
    assert second.startswith("assumed: scores 0 and 1, 0.62 on average for the baseline; a correlation of 0")
    files = [write_outputs(tmp_path / "a.jsonl", 10), write_outputs(tmp_path / "b.jsonl", 30)]
    arguments = ["--samples", "200", "--metric", "exact_match", "numeric", "--seeds", "4", "--json"]
    assert main(["power", *files, *arguments]) == 0
    plans = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [(plan["metric"], plan["samples"], plan["seeds"]) for plan in plans] == [
        ("exact_match", 200, 4),
        ("numeric", 200, 4),
    ]
    assert 0.0 < plans[0]["gain"] == plans[1]["gain"] < 0.2


def test_help_and_version_need_no_model_library() -> None:
    program = "import sys, llmsearch_optuna.cli as c\ntry:\n c.main(['--help'])\nexcept SystemExit: pass\n"
    program += "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'datasets')))"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.full
def test_reading_needs_no_model_library(directory: Path, confirmed: Path, tmp_path: Path) -> None:
    files = [write_outputs(tmp_path / "a.jsonl", 10), write_outputs(tmp_path / "b.jsonl", 30)]
    program = f"import sys, llmsearch_optuna.cli as c\nc.main(['best', {str(directory / 'mini.db')!r}])\n"
    program += f"c.main(['best', {str(confirmed)!r}])\nc.main(['confirm', {str(confirmed)!r}])\n"
    program += f"c.main(['compare', *{files!r}, '--metric', 'exact_match'])\n"
    program += f"c.main(['power', *{files!r}, '--gain', '0.1'])\n"
    logs = [str(path) for path in sorted((Path(__file__).parents[1] / "verdict" / "logs").glob("*_[ab].eval"))]
    program += f"assert c.main(['compare', *{logs!r}, '--score', 'match']) == 0\n"
    program += f"c.main(['show', {str(directory / 'mini.db')!r}])\n"
    program += "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'datasets')))"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_the_database_opens_in_optuna_dashboard(directory: Path) -> None:
    """The real server on loopback, asked for the study and its trials as its pages ask."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), f"sqlite:///{directory / 'mini.db'}"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=10) as answer:
                    studies = json.load(answer)["study_summaries"]
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail("the dashboard did not answer within 20 seconds")
        assert [study["study_name"] for study in studies] == ["mini"]
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/api/studies/{studies[0]['study_id']}?after=0", timeout=10
        ) as answer:
            trials = json.load(answer)["trials"]
        with sqlite3.connect(directory / "mini.db") as connection:
            assert len(trials) == connection.execute("select count(*) from trials").fetchone()[0]
        assert trials[0]["intermediate_values"]
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"{question}"', '"{quest}"', "the template names `{quest}`, which is not among input_cols (question)"),
        ('eval_cols = ["answer"]', 'eval_cols = ["answers"]', "the dataset has no column 'answers': it has question"),
        ("rows.jsonl", "openai/gsm8k.v2", "hub dataset openai/gsm8k.v2 needs a split"),
        ('"token_f1"', '"token_f1"\ncolumn = "anser"', "unknown reference column `anser`: did you mean `answer`?"),
        ('name = "token_f1"', 'name = "token_f2"', "unknown metric `token_f2`: did you mean `token_f1`?"),
        ('"token_f1"', '"bleu"\n[pruner]\nname = "paired"', "the paired pruner needs scores of single samples"),
    ],
)
def test_a_wrong_study_file_is_refused_before_the_model_is_loaded(
    old: str, new: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no model here: an attempt to load it would be another error."""
    (tmp_path / "rows.jsonl").write_text('{"question": "?", "answer": "!"}')
    text = STUDY.format(trials=1)
    assert old in text
    (tmp_path / "wrong.toml").write_text(text.replace(old, new))
    assert main(["run", str(tmp_path / "wrong.toml")]) == 1
    assert message in capsys.readouterr().err


def dump(database: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("command", [["export", "--to", "vllm"], ["export", "--to", "hf"]])
def test_nothing_is_written_over_the_study(
    command: list[str], directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = directory / "mini.db"
    before = dump(database)
    assert main([*command, str(database), "-o", str(database)]) == 1
    assert "`--output` must not be the database itself" in capsys.readouterr().err
    assert dump(database) == before


def test_a_verdict_with_more_seeds_is_kept(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["confirm", str(copy), "--json"]) == 0
    kept = json.loads(capsys.readouterr().out)
    assert main(["confirm", str(copy), "--seeds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == kept
