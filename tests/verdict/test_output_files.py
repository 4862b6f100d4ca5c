"""Logs of other programs, written by them: their scores, outputs and clusters, and what is refused.

The files in `logs/` were written in November 2026 by the versions in their names: inspect_ai with its `mockllm/model`,
4 or 2 sums asked in 2 or 1 epochs, the `chunked` one after `inspect log convert-chunked`; lm-eval with a model derived
from its `dummy`, 6 sums in a task with two filters, one with 3 repeats, and one of multiple choice.
"""

import functools
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hand_made_studies
import pyarrow as pa
import pytest

from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.metrics import make_metric
from llmsearch_optuna.verdict.output_files import inspect_ai
from llmsearch_optuna.verdict.output_files.line import Selection
from llmsearch_optuna.verdict.output_files.reading import read_outputs
from llmsearch_optuna.verdict.outputs import compare_outputs, compare_scores

LOGS = Path(__file__).with_name("logs")


EVAL_A, EVAL_B, EVAL_JSON, EVAL_CHUNKED = (
    LOGS / f"inspect_ai_0.3.285_2026-11_{name}" for name in ("a.eval", "b.eval", "c.json", "chunked.eval")
)
LM_A, LM_B, LM_CHOICE, LM_REPEATS = (
    LOGS / f"lm_eval_0.4.13_2026-11_{name}.jsonl" for name in ("a", "b", "choice", "repeats")
)


def scores(path: Path, **selection: Any) -> dict[str, list[float]]:
    outputs = read_outputs(path, Selection(**selection))
    return {name: [line.score for line in lines] for name, lines in outputs.items()}


def texts(path: Path, **selection: Any) -> dict[str, list[str]]:
    outputs = read_outputs(path, Selection(by_metric=True, **selection))
    return {name: [line.prediction for line in lines] for name, lines in outputs.items()}


def clusters(path: Path, **selection: Any) -> dict[str, str | None]:
    return {name: lines[0].cluster for name, lines in read_outputs(path, Selection(**selection)).items()}


refused = functools.partial(hand_made_studies.refused, TaskError)


# inspect_ai.


def test_epochs_of_inspect_are_seeds() -> None:
    assert scores(EVAL_A, score="match") == {"7": [1, 1], "q1": [1, 1], "q2": [1, 1], "q3": [1, 1]}
    assert scores(EVAL_B, score="match") == {"7": [1, 0], "q1": [0, 1], "q2": [1, 1], "q3": [1, 1]}
    verdict = compare_scores(EVAL_A, EVAL_B, score="match")
    assert verdict.metric == "match"
    assert verdict.comparisons[0].gain == -0.25
    assert [(finalist.score, finalist.seeds) for finalist in verdict.finalists] == [(1.0, 2), (0.75, 2)]


def test_a_score_of_inspect_may_be_a_part() -> None:
    assert scores(EVAL_B, score="parts.length")["q1"] == [4, 1]
    assert scores(EVAL_B, score="parts.right") == scores(EVAL_B, score="match")
    message = f"{EVAL_A} has the scores match, parts.right, parts.length: choose one with `--score`"
    assert refused(lambda: compare_scores(EVAL_A, EVAL_B)) == message
    message = f"{EVAL_A}: unknown score `part.right`: did you mean `parts.right`?"
    assert refused(lambda: compare_scores(EVAL_A, EVAL_B, score="part.right")) == message


def test_completions_of_inspect_are_scored() -> None:
    assert texts(EVAL_B)["q1"] == ["hm 1", "2"]
    (verdict,) = compare_outputs(EVAL_A, EVAL_B, [make_metric("exact_match")], cluster="page")
    assert [finalist.score for finalist in verdict.finalists] == [1.0, 0.75]


def test_the_json_log_and_large_samples_of_inspect() -> None:
    assert set(scores(EVAL_JSON)) == {"7", "q1"}  # a single score needs no name
    assert texts(EVAL_JSON).keys() == texts(EVAL_CHUNKED).keys()
    assert set(clusters(EVAL_JSON, cluster="page").values()) == {'"p0"'}
    assert set(clusters(EVAL_CHUNKED, cluster="page", score="match").values()) == {'"p0"'}


def test_clusters_of_inspect_are_metadata_or_parts_of_the_sample() -> None:
    of_pages = {"7": '"p0"', "q1": '"p0"', "q2": '"p1"', "q3": '"p1"'}
    assert clusters(EVAL_A, score="match", cluster="page") == of_pages
    assert clusters(EVAL_A, score="match", cluster="metadata.page") == of_pages
    assert clusters(EVAL_A, score="match", cluster="target")["q3"] == '"6"'
    verdict = compare_scores(EVAL_A, EVAL_B, score="match", cluster="page")
    assert verdict.clusters == 2
    assert "on 4 samples in 2 clusters x 2 seeds" in verdict.sentence
    expected = f"sample 7, epoch 1 of {EVAL_A} has no cluster: `pages` must be a string or a number, in every sample"
    assert refused(lambda: compare_scores(EVAL_A, EVAL_B, score="match", cluster="pages")) == expected
    message = refused(lambda: compare_scores(EVAL_A, EVAL_B, score="match", cluster="metadata"))
    assert message.endswith('the cluster `metadata` must be a string or a number, got {"page": "p0"}')


def contents(path: Path) -> dict[str, Any]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return {
            member.filename: json.loads(inspect_ai._content(archive, member, file)) for member in archive.infolist()
        }


def written(path: Path, members: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, values in members.items():
            archive.writestr(name, values if isinstance(values, str) else json.dumps(values))
    return path


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of the first log with a change, by the usual compression."""
    members = contents(EVAL_A)
    edit(members)
    return written(path, members)


def test_other_compressions_are_read(tmp_path: Path) -> None:
    for number, method in enumerate((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)):
        copy = written(tmp_path / f"{number}.log", contents(EVAL_B), method)
        assert scores(copy, score="match") == scores(EVAL_B, score="match")


def test_several_frames_of_zstandard_are_one_content(tmp_path: Path) -> None:
    """inspect_ai begins a new frame after 200 MB."""
    text = json.dumps(contents(EVAL_A)["header.json"]).encode()
    frames = b"".join(pa.compress(part, "zstd", asbytes=True) for part in (text[:99], text[99:]))
    path = tmp_path / "frames.zip"
    member = zipfile.ZipInfo("header.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, frames)
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        (info,) = archive.infolist()
        info.compress_type, info.CRC = 93, zlib.crc32(text)
        assert inspect_ai._content(archive, info, file) == text


@pytest.mark.parametrize(
    ("value", "score"),
    [("C", 1), ("I", 0), ("P", 0.5), ("N", 0), ("yes", 1), ("False", 0), ("0.25", 0.25), (True, 1), (0.4, 0.4), (3, 3)],
)
def test_values_of_inspect_are_numbers(value: Any, score: float, tmp_path: Path) -> None:
    def edit(members: dict[str, Any]) -> None:
        members["samples/q2_epoch_1.json"]["scores"]["match"]["value"] = value

    assert scores(edited(tmp_path / "x.eval", edit), score="match")["q2"] == [score, 1]


@pytest.mark.parametrize("value", ["?", float("nan"), [1], None])
def test_other_values_of_inspect_are_refused(value: Any, tmp_path: Path) -> None:
    def edit(members: dict[str, Any]) -> None:
        members["samples/q2_epoch_1.json"]["scores"]["match"]["value"] = value

    path = edited(tmp_path / "x.eval", edit)
    message = f"sample q2, epoch 1 of {path}: `match` must be a finite number, got {json.dumps(value)}"
    assert refused(lambda: compare_scores(EVAL_A, path, score="match")) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "has version 3 of the log format, but only version 2 can be read: convert it with"),
        (
            {"status": "error", "error": {"message": "no key"}},
            'holds an evaluation that did not succeed (status "error"): no key; complete it with `inspect eval-retry`',
        ),
        ({"status": "cancelled"}, 'did not succeed (status "cancelled"); complete it'),
        ({"invalidated": True}, "has samples that were invalidated"),
        ({"eval": None}, "is no log of inspect_ai: it has no `version`, `status` and `eval`"),
    ],
)
def test_logs_of_failed_evaluations_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = edited(tmp_path / "x.eval", lambda members: members["header.json"].update(change))
    assert message in refused(lambda: compare_scores(path, EVAL_B, score="match"))
    document = json.loads(EVAL_JSON.read_text())
    changed = tmp_path / "x.json"
    changed.write_text(json.dumps({**document, **change}, indent=2))
    if "eval" not in change:
        assert message in refused(lambda: compare_scores(changed, EVAL_JSON))


def test_archives_that_are_no_whole_log_are_refused(tmp_path: Path) -> None:
    def message(path: Path) -> str:
        return refused(lambda: compare_scores(path, EVAL_B, score="match"))

    running = edited(tmp_path / "running.eval", lambda members: members.pop("header.json"))
    assert message(running) == f"{running} holds an evaluation that has not ended: wait for it, or run it again"
    assert "is an archive, but no log of inspect_ai" in message(written(tmp_path / "other.zip", {"a.json": {}}))
    broken = edited(tmp_path / "broken.eval", lambda members: members.update({"header.json": "{"}))
    assert message(broken).startswith(f"header.json of {broken} is not JSON: ")
    wrong = edited(tmp_path / "wrong.eval", lambda members: members.update({"samples/q2_epoch_1.json": [1]}))
    assert message(wrong) == f"samples/q2_epoch_1.json of {wrong} must be an object, got [1]"
    cut = tmp_path / "cut.eval"
    cut.write_bytes(EVAL_A.read_bytes()[:-2000])
    assert message(cut).startswith(f"{cut} cannot be read: ")
    damaged = tmp_path / "damaged.eval"
    content = bytearray(EVAL_A.read_bytes())
    content[400] ^= 255
    content[2000] ^= 255
    damaged.write_bytes(content)
    assert message(damaged).startswith(f"{damaged} cannot be read: ")
    nothing = edited(tmp_path / "none.eval", lambda members: [members.pop(key) for key in [*members] if "samp" in key])
    assert message(nothing) == f"{nothing} is empty: it must have a line per output"


def test_samples_of_inspect_that_failed_are_named(tmp_path: Path) -> None:
    def fail(members: dict[str, Any]) -> None:
        members["samples/q2_epoch_2.json"].update(error={"message": "timed out"}, scores=None)

    path = edited(tmp_path / "x.eval", fail)
    message = f"sample q2, epoch 2 of {path} failed: timed out; complete it with `inspect eval-retry`"
    assert refused(lambda: compare_scores(EVAL_A, path, score="match")) == message
    assert refused(lambda: compare_outputs(EVAL_A, path, [make_metric("exact_match")])) == message


def test_other_data_under_the_same_id_are_refused(tmp_path: Path) -> None:
    path = edited(tmp_path / "x.eval", lambda members: members["samples/q2_epoch_2.json"].update(target="5"))
    assert refused(lambda: compare_scores(EVAL_A, path, score="match")) == (
        f"id q2 must be the same sample in sample q2, epoch 1 of {EVAL_A} and sample q2, epoch 2 of {path}: "
        "their data differ"
    )

    def move(members: dict[str, Any]) -> None:
        members["samples/q2_epoch_1.json"]["metadata"] = {"page": 5}

    moved = edited(tmp_path / "y.eval", move)
    message = refused(lambda: compare_scores(EVAL_A, moved, score="match", cluster="page"))
    assert message.endswith('got "p1" and 5')


def test_what_is_no_list_of_samples_is_refused(tmp_path: Path) -> None:
    document = json.loads(EVAL_JSON.read_text())
    path = tmp_path / "x.json"
    for samples, message in (
        (True, f"{path} is empty: it must have a line per output"),
        (None, f"{path} is empty: it must have a line per output"),
        ([1], f"{path} has a sample without `id` and `epoch`: 1"),
        ([{"id": "q1"}], f'{path} has a sample without `id` and `epoch`: {{"id": "q1"}}'),
    ):
        path.write_text(json.dumps({**document, "samples": samples}))
        assert refused(lambda: compare_scores(path, EVAL_JSON)) == message


# lm-eval.


def test_metrics_of_lm_eval_by_filter() -> None:
    assert scores(LM_A, filter_name="strict") == {str(n): [float(n % 3 > 0)] for n in range(6)}
    verdict = compare_scores(LM_A, LM_B, filter_name="flexible")
    assert verdict.metric == "exact_match,flexible"
    assert [finalist.score for finalist in verdict.finalists] == pytest.approx([4 / 6, 4 / 6])
    message = f"{LM_A} has the filters strict, flexible: choose one with `--filter`"
    assert refused(lambda: compare_scores(LM_A, LM_B)) == message
    message = f"{LM_A}: unknown filter `strickt`: did you mean `strict`?"
    assert refused(lambda: compare_scores(LM_A, LM_B, filter_name="strickt")) == message
    assert "must have the same ids" not in refused(lambda: compare_scores(LM_A, LM_REPEATS, filter_name="strict"))


def test_several_metrics_of_lm_eval() -> None:
    message = f"{LM_CHOICE} has the scores acc, acc_norm: choose one with `--score`"
    assert refused(lambda: compare_scores(LM_CHOICE, LM_CHOICE)) == message
    assert scores(LM_CHOICE, score="acc").keys() == scores(LM_CHOICE, score="acc_norm").keys()
    with pytest.raises(TaskError, match=r"has the score exact_match, but .* has acc: name one with `--score`"):
        compare_scores(LM_REPEATS, one_metric(LM_CHOICE))


def one_metric(path: Path) -> Path:
    copy = Path(f"{path.stem}.tmp")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    copy.write_text("\n".join(json.dumps({**row, "metrics": ["acc"]}) for row in rows))
    return copy


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_responses_of_lm_eval_are_scored() -> None:
    assert [text for (text,) in texts(LM_B, filter_name="strict").values()] == ["hm", "2", "4", "it is 6", "8", "hm"]
    flexible = ["[invalid]", "2", "4", "6", "8", "[invalid]"]
    assert [text for (text,) in texts(LM_B, filter_name="flexible").values()] == flexible
    (verdict,) = compare_outputs(LM_A, LM_B, [make_metric("exact_match")], filter_name="strict", cluster="page")
    logged = compare_scores(LM_A, LM_B, filter_name="strict", cluster="page")
    assert verdict.comparisons == logged.comparisons
    assert verdict.clusters == 3


def test_repeats_of_lm_eval_are_seeds() -> None:
    assert all(len(of_sample) == 3 for of_sample in texts(LM_REPEATS).values())
    assert texts(LM_REPEATS)["0"] == ["hm", "0", "0"]
    assert all(len(of_sample) == 1 for of_sample in scores(LM_REPEATS).values())  # as lm-eval scores the first only
    message = refused(lambda: compare_outputs(LM_REPEATS, LM_CHOICE, [make_metric("exact_match")]))
    assert message == (
        f"line 1 of {LM_CHOICE} has no generated text that a metric could score: compare its scores, without `--metric`"
    )


def test_clusters_of_lm_eval_are_columns_of_the_document() -> None:
    of_pages = {str(n): f'"p{n // 2}"' for n in range(6)}
    assert clusters(LM_A, filter_name="strict", cluster="page") == of_pages
    assert clusters(LM_A, filter_name="strict", cluster="doc.page") == of_pages
    assert clusters(LM_A, filter_name="strict", cluster="n")["3"] == "3"


@pytest.mark.parametrize("key", ["filter", "metrics", "filtered_resps", "doc_id"])
def test_logs_of_older_versions_of_lm_eval_are_refused(key: str, tmp_path: Path) -> None:
    """Before 0.4.7, the lines of several filters cannot be told apart."""
    lines = LM_A.read_text().splitlines()
    lines[1] = json.dumps({name: value for name, value in json.loads(lines[1]).items() if name != key})
    path = tmp_path / "old.jsonl"
    path.write_text("\n".join(lines))
    assert refused(lambda: compare_scores(path, LM_B, filter_name="strict")) == (
        f"line 2 of {path} is no sample of lm-eval 0.4.7 or later: it must have `doc_id`, `filtered_resps`, `filter` "
        "and `metrics`"
    )


def test_results_of_lm_eval_have_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"results": {"sums": {"exact_match,none": 0.5}}, "lm_eval_version": "0.4.13"}, indent=2))
    assert refused(lambda: compare_scores(path, LM_B)) == (
        f"{path} has no samples, only the results of lm-eval 0.4.13: name the file samples_*.jsonl, which "
        "`--log_samples` writes"
    )


def test_other_documents_under_the_same_id_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(LM_B.read_text().replace('"doc_hash": "1a45', '"doc_hash": "2b45'))
    message = refused(lambda: compare_scores(LM_A, path, filter_name="strict"))
    assert message.startswith(f"id 0 must be the same sample in line 1 of {LM_A} and line 1 of {path}")


# Our own lines.


def own(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_score_and_a_cluster_of_our_own_lines(tmp_path: Path) -> None:
    rows = [{"id": n, "f1": n / 10, "of": {"page": n // 2}} for n in range(6)]
    path, other = own(tmp_path / "a", rows), own(tmp_path / "b", rows)
    assert scores(path, score="f1")["3"] == [0.3]
    verdict = compare_scores(path, other, score="f1", cluster="of.page")
    assert (verdict.metric, verdict.clusters) == ("f1", 3)
    message = refused(lambda: compare_scores(path, other))
    assert message == f"line 1 of {path} has no `score`; to score its `prediction`, name a metric"
    message = refused(lambda: compare_scores(path, other, score="f1", filter_name="strict"))
    assert message == f"{path} has no filters: `--filter` is for logs of lm-eval"
    own(other, [{**row, "of": {"page": 1}} for row in rows])
    assert "must have the same cluster in" in refused(
        lambda: compare_scores(path, other, score="f1", cluster="of.page")
    )
    own(path, [{**row, "of": {"page": 1}} for row in rows])
    message = refused(lambda: compare_scores(path, other, score="f1", cluster="of.page"))
    assert message == "all samples are in the same cluster, 1: an interval needs at least 2 clusters"
    own(path, [{**row, "of": None} for row in rows])
    message = refused(lambda: compare_scores(path, other, score="f1", cluster="of.page"))
    assert message == f"line 1 of {path} has no cluster: `of.page` must be a string or a number, in every sample"


def test_corpus_metrics_have_clusters(tmp_path: Path) -> None:
    def lines(change: int) -> list[dict[str, Any]]:
        texts = [f"the quick brown fox number {n} jumps over the lazy dog" for n in range(20)]
        predictions = [text if n % change else "nothing of the kind" for n, text in enumerate(texts)]
        rows = zip(texts, predictions, strict=True)
        return [{"id": n, "prediction": p, "reference": r, "page": n // 5} for n, (r, p) in enumerate(rows)]

    files = own(tmp_path / "a", lines(2)), own(tmp_path / "b", lines(9))
    (alone,) = compare_outputs(*files, [make_metric("bleu")])
    (together,) = compare_outputs(*files, [make_metric("bleu")], cluster="page")
    (each,) = compare_outputs(*files, [make_metric("bleu")], cluster="id")
    assert each.comparisons == alone.comparisons
    assert together.comparisons[0].gain == alone.comparisons[0].gain
    assert together.comparisons[0].low != alone.comparisons[0].low
