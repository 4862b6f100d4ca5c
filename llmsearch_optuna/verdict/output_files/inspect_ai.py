"""The logs of inspect_ai: ``.eval`` archives and ``.json`` files."""

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from llmsearch_optuna.errors import TaskError
from llmsearch_optuna.verdict.output_files.line import OutputLine, Selection, choose, cluster_of, parse_json, shown

__all__ = ["is_archive", "is_log", "read_archive", "read_log"]

_VERSION = 2
_LOCAL_HEADER = struct.Struct("<26xHH")
_ZSTANDARD = 93

# A sample is one file, or, if it is large, a folder of which two files matter here.
_SAMPLE = re.compile(r"samples/(?P<key>.*_epoch_\d+)(\.json|/sample\.json)")

# Of many samples, these would not fit into memory.
_LARGE = ("attachments", "events", "events_data", "messages", "store")

_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def is_archive(content: bytes) -> bool:
    """Return whether a file is a zip archive, given its first bytes."""
    return content.startswith(b"PK\x03\x04")


def is_log(values: Mapping[str, Any]) -> bool:
    """Return whether an object is a log."""
    return "version" in values and "status" in values and isinstance(values.get("eval"), dict)


def read_archive(path: Path, selection: Selection) -> list[OutputLine]:
    """Return the outputs of an ``.eval`` archive.

    Args:
        path: The file.
        selection: What is compared.

    Raises:
        TaskError: See `read_log`; or the archive is damaged, or no log.
    """
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = {member.filename: member for member in archive.infolist()}
                if "header.json" not in members and "_journal/start.json" in members:
                    raise TaskError(f"{path} holds an evaluation that has not ended: wait for it, or run it again")
                if "header.json" not in members:
                    raise TaskError(f"{path} is an archive, but no log of inspect_ai: it has no header.json")
                header = parse_json(_content(archive, members["header.json"], file), f"header.json of {path}")
                _check_header(header, path)
                samples = list(_samples(archive, members, file, path))
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error) as error:
            raise TaskError(f"{path} cannot be read: {error}") from error
    return _outputs(samples, path, selection)


def read_log(log: Mapping[str, Any], path: Path, selection: Selection) -> list[OutputLine]:
    """Return the outputs of a log.

    The id is the sample's, its epochs are the seeds, the reference is `target`, the prediction the completion. The
    score is that of a scorer: a number, a string that stands for one as in inspect_ai's `value_to_float`, or an entry
    ``SCORER.KEY`` of a dictionary.

    Args:
        log: The parsed log.
        path: The file.
        selection: What is compared.

    Raises:
        TaskError: The log is of an unknown version, its evaluation failed, or several scores fit the selection.
    """
    _check_header(log, path)
    samples = log.get("samples")
    return _outputs(samples if isinstance(samples, list) else [], path, selection)


def _samples(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], file: IO[bytes], path: Path
) -> Iterator[Any]:
    """Yield the parsed samples of an archive."""
    for name, member in members.items():
        match = _SAMPLE.fullmatch(name)
        if match is None:
            continue
        sample = parse_json(_content(archive, member, file), f"{name} of {path}")
        if not isinstance(sample, dict):
            raise TaskError(f"{name} of {path} must be an object, got {shown(sample)}")
        sample = {key: value for key, value in sample.items() if key not in _LARGE}
        metadata = members.get(f"samples/{match['key']}/metadata.json")
        if metadata is not None:
            sample["metadata"] = parse_json(_content(archive, metadata, file), f"{metadata.filename} of {path}")
        yield sample


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: IO[bytes]) -> bytes:
    """Return the content of a member of an archive. `zipfile` reads Zstandard only from Python 3.14 on."""
    if member.compress_type != _ZSTANDARD:
        return archive.read(member)
    import pyarrow as pa  # noqa: PLC0415  # importing it takes long

    file.seek(member.header_offset)
    name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    file.seek(name + extra, 1)
    compressed = pa.BufferReader(file.read(member.compress_size))
    with pa.CompressedInputStream(compressed, "zstd") as stream:  # of one or more frames
        content: bytes = stream.read()
    if zlib.crc32(content) != member.CRC:
        raise zipfile.BadZipFile(f"{member.filename} is damaged")
    return content


def _check_header(header: Mapping[str, Any], path: Path) -> None:
    if not is_log(header):
        raise TaskError(f"{path} is no log of inspect_ai: it has no `version`, `status` and `eval`")
    if header["version"] != _VERSION:
        raise TaskError(
            f"{path} has version {shown(header['version'])} of the log format, but only version {_VERSION} can be "
            "read: convert it with `inspect log convert`, or run the evaluation again"
        )
    if header["status"] != "success":
        error = header.get("error")
        reason = f": {error.get('message')}" if isinstance(error, dict) else ""
        raise TaskError(
            f"{path} holds an evaluation that did not succeed (status {shown(header['status'])}){reason}; complete it "
            "with `inspect eval-retry`"
        )
    if header.get("invalidated"):
        raise TaskError(f"{path} has samples that were invalidated: complete it with `inspect eval-retry`")


def _outputs(samples: list[Any], path: Path, selection: Selection) -> list[OutputLine]:
    if selection.filter_name is not None:
        raise TaskError(f"{path} has no filters: `--filter` is for logs of lm-eval")
    for sample in samples:
        key = (sample.get("id"), sample.get("epoch")) if isinstance(sample, dict) else (None, None)
        if not isinstance(key[0], str | int) or not isinstance(key[1], int):
            raise TaskError(f"{path} has a sample without `id` and `epoch`: {shown(sample)}")
    samples = sorted(samples, key=lambda sample: sample["epoch"])
    scores = [dict(_scores(sample.get("scores"))) for sample in samples]
    name = ""
    if samples and not selection.by_metric:
        name = choose("score", "--score", selection.score, (key for table in scores for key in table), path)
    lines = []
    for sample, table in zip(samples, scores, strict=True):
        place = f"sample {sample['id']}, epoch {sample['epoch']} of {path}"
        error = sample.get("error")
        if isinstance(error, dict) and (selection.by_metric or name not in table):
            raise TaskError(f"{place} failed: {error.get('message')}; complete it with `inspect eval-retry`")
        output = sample.get("output")
        texts = {"prediction": output.get("completion") if isinstance(output, dict) else None}
        texts["reference"] = sample.get("target")
        lines.append(
            OutputLine(
                place=place,
                id=str(sample["id"]),
                values=texts if selection.by_metric else {"score": _number(table[name])} if name in table else {},
                score_name=name,
                cluster=cluster_of(selection.cluster, (sample.get("metadata"), sample), place),
                data=json.dumps(sample.get("target")),
            )
        )
    return lines


def _scores(scores: Any) -> Iterator[tuple[str, Any]]:
    """Yield the scores of a sample with their names; those in a dictionary as ``SCORER.KEY``."""
    for scorer, score in scores.items() if isinstance(scores, dict) else ():
        value = score.get("value") if isinstance(score, dict) else None
        if isinstance(value, dict):
            yield from ((f"{scorer}.{key}", part) for key, part in value.items())
        else:
            yield scorer, value


def _number(value: Any) -> Any:
    """Return the number that a score stands for; the score itself if it stands for none."""
    if not isinstance(value, str):
        return value
    if value in _LETTERS or value.lower() in _WORDS:
        return _LETTERS.get(value, _WORDS.get(value.lower()))
    try:
        return float(value)
    except ValueError:
        return value
