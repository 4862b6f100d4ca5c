"""Completions of the best trial next to those of the baselines, with the words in which they differ."""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from optuna.storages import RDBStorage

from llmsearch_optuna.report.record import StudyRecord
from llmsearch_optuna.report.turns import Turn, chat_turns
from llmsearch_optuna.storage import CompletionStore
from llmsearch_optuna.terminal import excerpt, printable

__all__ = [
    "ComparedSample",
    "CompletionComparison",
    "WordChanges",
    "compare_completions",
    "distinctive_parts",
    "readable_turns",
    "word_changes",
]

_MAXIMUM_SAMPLES = 1000
_MAXIMUM_OTHERS = 3
_MAXIMUM_CHARACTERS = 5_000_000
_LENGTHS = (4000, 2000, 1000, 500, 250)
"""Texts are shortened to the first of these lengths at which the page holds at most `_MAXIMUM_CHARACTERS`."""

_MAXIMUM_ROLE = 40
_MAXIMUM_PAIRS = 250_000
_WORD = re.compile(r"\w+|[^\w\s]")


class WordChanges(NamedTuple):
    """The differences between two texts.

    Attributes:
        first: The lengths of consecutive stretches of the first text, in characters. Stretches that both texts share
            alternate with stretches of this text only. The first stretch is a shared one, possibly of length 0. The sum
            of the lengths is the text's length.
        second: The same for the second text.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]


class ComparedSample(NamedTuple):
    """A sample with one completion per compared trial. Texts are shortened, and their control characters are escaped.

    Attributes:
        row: The sample's row in the dataset.
        prompt: The prompt.
        prompt_part: The part of the prompt that differs between samples, without the tokens of a chat template.
        turns: The prompt as the turns of a chat; see `chat_turns`.
        reference: The reference: a string, or its columns as JSON.
        texts: The completions, in the order of the trials.
        scores: The completions' scores; ``None`` if the metric scores only a corpus.
        tokens: The completions' numbers of tokens.
        changes: The differences between the first completion and each of the others.
    """

    row: int
    prompt: str
    prompt_part: str
    turns: tuple[Turn, ...]
    reference: str
    texts: tuple[str, ...]
    scores: tuple[float | None, ...]
    tokens: tuple[int, ...]
    changes: tuple[WordChanges, ...]


class CompletionComparison(NamedTuple):
    """The completions of the best trial next to those of other trials.

    Attributes:
        names: The names of the trials: the best, followed by baselines or one other finalist.
        samples: The samples in the shared order.
        left_out: The number of further samples.
        maximum_length: The number of characters that texts are shortened to.
    """

    names: tuple[str, ...]
    samples: tuple[ComparedSample, ...]
    left_out: int
    maximum_length: int

    @property
    def is_scored(self) -> bool:
        """Whether any completion has a score of its own."""
        return any(score is not None for sample in self.samples for score in sample.scores)


def compare_completions(record: StudyRecord, storage: RDBStorage) -> CompletionComparison | None:
    """Compare the completions of the best trial with the baselines', or with another finalist's without baselines.

    Args:
        record: The study.
        storage: The study's database.

    Returns:
        The comparison; ``None`` if there are fewer than two finalists.

    Raises:
        StorageError: The database cannot be read.
    """
    if record.best is None:
        return None
    trials = {trial.number: trial for trial in record.complete}
    others = [number for number in record.names if number != record.best.number]
    baselines = [number for number in others if trials[number].baseline is not None]
    compared = [record.best.number, *(baselines[:_MAXIMUM_OTHERS] or others[:1])]
    if len(compared) < 2:
        return None
    store = CompletionStore(storage)
    loaded = [store.load(record.key, number) for number in compared]
    rows = [(sample, completions) for sample, *completions in zip(record.samples, *loaded, strict=False)]
    rows = rows[:_MAXIMUM_SAMPLES]
    texts = [
        text
        for sample, completions in rows
        for text in (
            *[sample.prompt] * 2,  # as it is, and as turns
            sample.reference_text,
            *(completion.shown_text for completion in completions),
        )
    ]
    maximum_length = next(
        (size for size in _LENGTHS if sum(min(size, len(text)) for text in texts) <= _MAXIMUM_CHARACTERS), _LENGTHS[-1]
    )
    samples = []
    spoken = ["\n".join(turn.text for turn in chat_turns(sample.prompt)) for sample, _ in rows]
    for (sample, completions), part in zip(rows, distinctive_parts(spoken), strict=True):
        shown = tuple(_readable(completion.shown_text, maximum_length) for completion in completions)
        samples.append(
            ComparedSample(
                row=sample.row,
                prompt=_readable(sample.prompt, maximum_length),
                prompt_part=_readable(part, maximum_length),
                turns=readable_turns(sample.prompt, maximum_length),
                reference=_readable(sample.reference_text, maximum_length),
                texts=shown,
                scores=tuple(completion.score for completion in completions),
                tokens=tuple(int(trials[number].token_counts[sample.position]) for number in compared),
                changes=tuple(word_changes(shown[0], text) for text in shown[1:]),
            )
        )
    return CompletionComparison(
        names=tuple(record.names[number] for number in compared),
        samples=tuple(samples),
        left_out=len(record.samples) - len(rows),
        maximum_length=maximum_length,
    )


def distinctive_parts(prompts: Sequence[str]) -> list[str]:
    """Return each prompt without the beginning and the end that all prompts share, usually a template.

    Only whole words are removed. If any prompt would become empty, all prompts are returned unchanged.
    """
    if len(set(prompts)) < 2:
        return list(prompts)
    start = _common_length(min(prompts), max(prompts))  # in lexicographic order, all others are between these two
    ends = [prompt[start:][::-1] for prompt in prompts]
    end = _common_length(min(ends), max(ends))
    first = prompts[0]
    while start and not first[start - 1].isspace():
        start -= 1
    while end and not first[len(first) - end].isspace():
        end -= 1
    parts = [prompt[start : len(prompt) - end].strip() for prompt in prompts]
    return parts if all(parts) else list(prompts)


def readable_turns(prompt: str, maximum_length: int) -> tuple[Turn, ...]:
    """Return the turns of a prompt, with shortened texts whose control characters are escaped."""
    return tuple(
        Turn(printable(excerpt(role, _MAXIMUM_ROLE)), _readable(text, maximum_length))
        for role, text in chat_turns(prompt)
    )


def _readable(text: str, maximum_length: int) -> str:
    return printable(excerpt(text, maximum_length), newlines=True)


def word_changes(first: str, second: str) -> WordChanges:
    """Find the whole words and punctuation marks in which two texts differ; white space belongs to the word before it.

    `difflib.SequenceMatcher` finds the longest stretches of words in common. If the texts between the common beginning
    and the common end are long, they are not compared: all of their words count as different.
    """
    first_words, second_words = _words(first), _words(second)
    words, other_words = [word for word, _ in first_words], [word for word, _ in second_words]
    start = _common_length(words, other_words)
    maximum = min(len(words), len(other_words)) - start
    end = min(maximum, _common_length(words[::-1], other_words[::-1]))
    middle, other_middle = words[start : len(words) - end], other_words[start : len(other_words) - end]
    matches = [(0, 0, start)]
    if len(middle) * len(other_middle) <= _MAXIMUM_PAIRS:
        matcher = difflib.SequenceMatcher(None, middle, other_middle, autojunk=False)
        matches += [(start + i, start + j, size) for i, j, size in matcher.get_matching_blocks()]
    matches += [(len(words) - end, len(other_words) - end, end)]
    return WordChanges(
        _stretches(first_words, [(i, i + size) for i, _, size in matches if size], len(first)),
        _stretches(second_words, [(j, j + size) for _, j, size in matches if size], len(second)),
    )


def _words(text: str) -> list[tuple[str, int]]:
    """Return the words of a text with their positions."""
    return [(match[0], match.start()) for match in _WORD.finditer(text)]


def _common_length(items: Sequence[str], others: Sequence[str]) -> int:
    pairs = zip(items, others, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(items), len(others)))


def _stretches(words: Sequence[tuple[str, int]], same: Sequence[tuple[int, int]], length: int) -> tuple[int, ...]:
    """Return the lengths of shared and different stretches in characters; see `WordChanges`.

    Args:
        words: The words of a text with their positions.
        same: The ranges of shared words, as indices (begin, end).
        length: The length of the text in characters.
    """
    is_same = [False] * len(words)
    for begin, end in same:
        is_same[begin:end] = [True] * (end - begin)
    ends = [*(begin for _, begin in words[1:]), length]
    lengths, position = [0], 0
    for is_shared, end in zip(is_same, ends, strict=False):
        if is_shared != bool(len(lengths) % 2):
            lengths.append(0)
        lengths[-1] += end - position
        position = end
    lengths[-1] += length - position
    return tuple(lengths)
