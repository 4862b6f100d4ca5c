"""The completions of the best beside those of the baselines, and where they differ, word by word."""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from optuna.storages import RDBStorage

from llmsearch_optuna.report.record import StudyRecord, TrialRecord
from llmsearch_optuna.storage import CompletionStore, StoredCompletion, StoredSample
from llmsearch_optuna.terminal import excerpt, printable

__all__ = ["Changes", "Comparison", "Contestant", "Shown", "compared_completions", "own_parts", "word_changes"]

_MOST_SAMPLES = 1000
_MOST_OTHERS = 3
_MOST_CHARACTERS = 5_000_000
_LENGTHS = (4000, 2000, 1000, 500, 250)
"""Texts are shortened to the first of these at which all of them are not too many characters for a page."""

_MOST_PAIRS = 250_000
_WORD = re.compile(r"\w+|[^\w\s]")


class Changes(NamedTuple):
    """How two texts differ.

    Attributes:
        one: The lengths of stretches of the first text: one that both have, one that only it has, one that both have,
            ...; their sum is its length.
        other: The same of the second text.
    """

    one: tuple[int, ...]
    other: tuple[int, ...]


class Contestant(NamedTuple):
    """A fully evaluated trial whose completions are shown.

    Attributes:
        name: ``"best"``, a baseline's name, or ``"runner-up 1"``.
        trial: The trial.
    """

    name: str
    trial: TrialRecord


class Shown(NamedTuple):
    """A sample and what the contestants made of it; texts are shortened, and their control characters written out.

    Attributes:
        row: The sample's row in the dataset.
        prompt: The prompt.
        own: The part of the prompt that is not the same in all of them.
        reference: The reference: its text, or its columns as JSON.
        texts: The completions, in the order of the contestants.
        scores: Their scores; ``None`` where the metric scores only a corpus.
        tokens: The numbers of their tokens.
        changes: Between the first contestant and each of the others.
    """

    row: int
    prompt: str
    own: str
    reference: str
    texts: tuple[str, ...]
    scores: tuple[float | None, ...]
    tokens: tuple[int, ...]
    changes: tuple[Changes, ...]


class Comparison(NamedTuple):
    """The completions of the best beside those of others.

    Attributes:
        contestants: The best, and then the others.
        samples: In the shared order.
        left_out: How many samples there are beside these.
        longest: The number of characters that texts are shortened to.
    """

    contestants: tuple[Contestant, ...]
    samples: tuple[Shown, ...]
    left_out: int
    longest: int


def compared_completions(record: StudyRecord, storage: RDBStorage) -> Comparison | None:
    """The completions of the best, the baselines and, if there is none, the runner-up.

    Args:
        record: The study.
        storage: The database that it lives in.

    Returns:
        ``None`` if there are no two fully evaluated trials to compare.

    Raises:
        StorageError: The database cannot be read.
    """
    if record.best is None:
        return None
    by_number = {trial.number: trial for trial in record.complete}
    named = [Contestant(name, by_number[number]) for number, name in record.names.items()]
    first = next(one for one in named if one.trial is record.best)
    others = [one for one in named if one is not first and one.trial.baseline is not None]
    others += [one for one in named if one is not first and one.trial.baseline is None][: max(0, 1 - len(others))]
    contestants = (first, *others[:_MOST_OTHERS])
    if len(contestants) < 2:
        return None
    store = CompletionStore(storage)
    found = [store.load(record.key, one.trial.number) for one in contestants]
    rows = [(sample, own) for sample, *own in zip(record.samples, *found, strict=False)][:_MOST_SAMPLES]
    texts = [
        text for sample, own in rows for text in (sample.prompt, sample.reference_text, *(one.text for one in own))
    ]
    longest = next(
        (size for size in _LENGTHS if sum(min(size, len(text)) for text in texts) <= _MOST_CHARACTERS), _LENGTHS[-1]
    )
    return Comparison(
        contestants=contestants,
        samples=tuple(
            _shown(sample, part, contestants, own, longest)
            for (sample, own), part in zip(rows, own_parts([sample.prompt for sample, _ in rows]), strict=True)
        ),
        left_out=len(record.samples) - len(rows),
        longest=longest,
    )


def _shown(
    sample: StoredSample,
    own: str,
    contestants: Sequence[Contestant],
    completions: Sequence[StoredCompletion],
    longest: int,
) -> Shown:
    texts = tuple(_readable(one.text, longest) for one in completions)
    return Shown(
        row=sample.row,
        prompt=_readable(sample.prompt, longest),
        own=_readable(own, longest),
        reference=_readable(sample.reference_text, longest),
        texts=texts,
        scores=tuple(one.score for one in completions),
        tokens=tuple(int(one.trial.token_counts[sample.position]) for one in contestants),
        changes=tuple(word_changes(texts[0], text) for text in texts[1:]),
    )


def own_parts(prompts: Sequence[str]) -> list[str]:
    """Of each prompt, what does not stand at the beginning or at the end of all: templates say the same every time.

    Only whole words are taken off, and none where a prompt consists of nothing else.
    """
    if len(set(prompts)) < 2:
        return list(prompts)
    start = _common(min(prompts), max(prompts))  # all others are between them
    ends = [prompt[start:][::-1] for prompt in prompts]
    end = _common(min(ends), max(ends))
    first = prompts[0]
    while start and not first[start - 1].isspace():
        start -= 1
    while end and not first[len(first) - end].isspace():
        end -= 1
    parts = [prompt[start : len(prompt) - end].strip() for prompt in prompts]
    return parts if all(parts) else list(prompts)


def _readable(text: str, longest: int) -> str:
    return printable(excerpt(text, longest), newlines=True)


def word_changes(one: str, other: str) -> Changes:
    """Where two texts differ, in whole words and punctuation marks; white space belongs to the word before it.

    The longest stretches of words in common, as `difflib.SequenceMatcher` finds them. Of texts that are long and have
    neither beginning nor end in common, all counts as different.
    """
    own, others = _words(one), _words(other)
    words, other_words = [word for word, _ in own], [word for word, _ in others]
    start = _common(words, other_words)
    most = min(len(words), len(other_words)) - start
    end = min(most, _common(words[::-1], other_words[::-1]))
    middle, other_middle = words[start : len(words) - end], other_words[start : len(other_words) - end]
    matches = [(0, 0, start)]
    if len(middle) * len(other_middle) <= _MOST_PAIRS:
        matcher = difflib.SequenceMatcher(None, middle, other_middle, autojunk=False)
        matches += [(start + i, start + j, size) for i, j, size in matcher.get_matching_blocks()]
    matches += [(len(words) - end, len(other_words) - end, end)]
    return Changes(
        _stretches(own, [(i, i + size) for i, _, size in matches if size], len(one)),
        _stretches(others, [(j, j + size) for _, j, size in matches if size], len(other)),
    )


def _words(text: str) -> list[tuple[str, int]]:
    """Words with the place where each begins."""
    return [(match[0], match.start()) for match in _WORD.finditer(text)]


def _common(words: Sequence[str], others: Sequence[str]) -> int:
    pairs = zip(words, others, strict=False)
    return next((index for index, (one, other) in enumerate(pairs) if one != other), min(len(words), len(others)))


def _stretches(words: Sequence[tuple[str, int]], same: Sequence[tuple[int, int]], length: int) -> tuple[int, ...]:
    """Lengths of stretches in characters, the same and different in turn, from ranges of words that are the same."""
    is_same = [False] * len(words)
    for begin, end in same:
        is_same[begin:end] = [True] * (end - begin)
    ends = [*(begin for _, begin in words[1:]), length]
    lengths, at = [0], 0
    for known, end in zip(is_same, ends, strict=False):
        if known != bool(len(lengths) % 2):
            lengths.append(0)
        lengths[-1] += end - at
        at = end
    lengths[-1] += length - at
    return tuple(lengths)
