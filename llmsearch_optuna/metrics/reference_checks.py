"""Checks of the references before anything is generated: what a metric cannot see, or silence would match."""

import logging
import math
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics.base import Metric, Reference, SampleMetric, acceptable_texts, bound_arguments
from llmsearch_optuna.metrics.built_in import SAMPLE_FUNCTIONS
from llmsearch_optuna.metrics.choice import ChoiceMetric
from llmsearch_optuna.metrics.corpus import BLEU_TOKENIZER, CorpusMetric, bleu
from llmsearch_optuna.metrics.evaluate_module import EvaluateMetric
from llmsearch_optuna.metrics.items import ItemsMetric
from llmsearch_optuna.metrics.json_schema import JsonSchemaMetric
from llmsearch_optuna.metrics.judge import JudgeMetric
from llmsearch_optuna.metrics.math_answers import MathAnswers
from llmsearch_optuna.metrics.numbers import is_date
from llmsearch_optuna.metrics.reducers import unreduced
from llmsearch_optuna.metrics.regex_answers import RegexAnswers
from llmsearch_optuna.metrics.rouge import ASCII, rouge1, rouge2, rouge_l
from llmsearch_optuna.metrics.scorer import CallableMetric
from llmsearch_optuna.metrics.text import contains, numeric
from llmsearch_optuna.metrics.words import is_unspaced, unicode_words

__all__ = ["check_references"]

_LOG = logging.getLogger(__name__)

_ROUGE = (rouge1, rouge2, rouge_l)
_BLEU_OF_WORDS = (BLEU_TOKENIZER, "intl", "none")  # tokenizers that split at spaces
_LONGEST_WORD = 4  # characters of a script without spaces: longer ones are sentences that are not segmented
_NEGLIGIBLE = 0.05  # the share of words that a metric may misread without a warning
_PROBED = 4  # references that an `evaluate` module is tried on

_EMPTY_ADVICE = "check the column, or leave such rows out"
_SCRIPT = (
    'reads words of a-z and 0-9 only, and the references have others: set tokenize = "unicode" for words of any '
    'script, or "char"'
)
_SEGMENT = (
    "takes what has no spaces for one word, and the references are in a script without spaces: set tokenize = "
    '"zh", "ja-mecab" or "char"'
)

_Texts = Sequence[tuple[str, ...]]


class _Finding(NamedTuple):
    """References with a common fault.

    Attributes:
        indices: Their indices.
        fault: What is wrong with them.
        is_fatal: Whether the metric is refused; by default if all references have the fault.
    """

    indices: Sequence[int]
    fault: str
    is_fatal: bool | None = None


def check_references(metric: Metric, references: Sequence[Reference], names: Sequence[str] | None = None) -> None:
    """Validate the references of a metric, so that faults are found before anything is generated.

    A built-in metric scores the references against themselves and against silence. If the scores of all references
    mean nothing, an error is raised; if those of some do, a warning is logged. An ``evaluate`` module is called on a
    few references, which shows whether its result has the ``key``. Callables are not called, because they may be slow
    or count their calls. For them, a warning counts the references without a value.

    Args:
        metric: The metric.
        references: The references, at least one.
        names: The names of the references in messages; by default ``row 0``, ``row 1``, ...

    Raises:
        MetricError: A column is missing or ambiguous, or holds values that the metric cannot compare.
    """
    metric = unreduced(metric)
    names = [f"row {index}" for index in range(len(references))] if names is None else names
    if isinstance(metric, EvaluateMetric):
        metric.probe(references[:_PROBED])
    if isinstance(metric, ItemsMetric | ChoiceMetric | JsonSchemaMetric):
        metric(references, [""] * len(references))
    if isinstance(metric, JudgeMetric):
        for sample, reference in enumerate(references):
            metric.questions(reference, "", sample)
    if isinstance(metric, CallableMetric):
        _warn_of_missing_values(metric, references, names)
    if not isinstance(metric, SampleMetric | CorpusMetric):
        return
    texts = acceptable_texts(references, metric.column, range(len(references)))
    for indices, fault, is_fatal in _findings(metric, texts):
        if not indices:
            continue
        example = f"{names[indices[0]]} has {_shown(texts[indices[0]])}"
        message = f"metric `{metric.name}` {fault} ({len(indices)} of {len(texts)} references: {example})"
        if is_fatal or (is_fatal is None and len(indices) == len(texts)):
            raise MetricError(message)
        _LOG.warning("%s", message)


def _warn_of_missing_values(metric: CallableMetric, references: Sequence[Reference], names: Sequence[str]) -> None:
    """Warn of evaluation columns in which some rows have no value, which a user's scorer may not expect."""
    missing: dict[str, list[int]] = {}
    for index, reference in enumerate(references):
        for column, value in reference.items():
            is_nan = isinstance(value, float) and math.isnan(value)
            if value is None or is_nan or (isinstance(value, str) and not value.strip()):
                missing.setdefault(column, []).append(index)
    for column, indices in missing.items():
        first = indices[0]
        _LOG.warning(
            "`%s` is empty in %d of %d rows (%s has %r), and the scorer `%s` gets these, too: fill them in, or leave "
            "the rows out",
            *(column, len(indices), len(references), names[first], references[first][column]),
            metric.name.partition("#")[0],
        )


def _findings(metric: SampleMetric | CorpusMetric, texts: _Texts) -> list[_Finding]:
    function, arguments = bound_arguments(metric.score)
    reader = getattr(function, "__self__", None)
    findings: list[_Finding] = []
    if function in _ROUGE and arguments.get("tokenize", ASCII) == ASCII:
        findings.append(_other_scripts(texts))
    if function is bleu and arguments.get("tokenize", BLEU_TOKENIZER) in _BLEU_OF_WORDS:
        findings.append(_unsegmented(texts))
    if isinstance(metric, CorpusMetric):
        findings += _faults_of_corpus(metric, texts)
    elif function in SAMPLE_FUNCTIONS.values():
        reported = {index for finding in findings for index in finding.indices}
        findings += _faults_of_samples(metric.score, function, texts, reported)
    elif isinstance(reader, RegexAnswers):
        findings.append(_partly_matched(reader, texts))
    elif isinstance(reader, MathAnswers):
        lost = [index for index, accepted in enumerate(texts) if not any(reader.score(text, text) for text in accepted)]
        findings.append(_Finding(lost, "gives 0 to every completion, as the reference has no expression that it reads"))
    else:  # a scorer of the user's, which may refuse a reference
        for accepted in texts:
            for text in accepted:
                metric.score("", text)
    return findings


def _faults_of_samples(
    score: Callable[[str, str], float], function: object, texts: _Texts, reported: Collection[int]
) -> list[_Finding]:
    """Find references that silence matches, and references that do not even match themselves.

    Args:
        score: ``(prediction, reference) -> float``.
        function: The function of the package behind `score`.
        texts: The acceptable strings of each sample.
        reported: The indices of references whose fault is known.
    """
    silent = [index for index, accepted in enumerate(texts) if any(score("", text) == 1.0 for text in accepted)]
    lost = [index for index, accepted in enumerate(texts) if all(score(text, text) == 0.0 for text in accepted)]
    if function is not contains:  # one empty string of several is a choice, as for unanswerable questions of SQuAD 2.0
        silent = [index for index in silent if not any(text.strip() for text in texts[index])]
    empty = "every completion" if function is contains else "an empty completion"
    findings = [_Finding(silent, f"gives 1 to {empty}, as the reference is empty: {_EMPTY_ADVICE}")]
    dates = [index for index in lost if function is numeric and any(is_date(text) for text in texts[index])]
    fault = "compares one number, and the reference is a date, a time, a ratio or a range: use exact_match"
    findings.append(_Finding(dates, fault))
    reason = "the reference is empty or has no word that it reads"
    if function is numeric:
        reason = "the reference has no number"
    elif function is rouge2:
        reason = "the reference has fewer than two words"
    rest = [index for index in lost if index not in {*dates, *reported}]
    advice = "use another metric or column"
    if not any(text.strip() for index in rest for text in texts[index]):
        reason, advice = "the reference is empty", _EMPTY_ADVICE
    return [*findings, _Finding(rest, f"gives 0 to every completion, as {reason}: {advice}")]


def _partly_matched(reader: RegexAnswers, texts: _Texts) -> _Finding:
    """Find references in which the expression matches a part, so that no match is likely to equal the whole."""
    indices = [
        index
        for index, accepted in enumerate(texts)
        if all(reader.answer(text) and not reader.score(text, text) for text in accepted)
    ]
    return _Finding(indices, "compares its match with the whole reference, and matches only a part of that")


def _faults_of_corpus(metric: CorpusMetric, texts: _Texts) -> list[_Finding]:
    empty = [index for index, accepted in enumerate(texts) if not any(text.strip() for text in accepted)]
    findings = [_Finding(empty, f"can match nothing of an empty reference: {_EMPTY_ADVICE}")]
    if len(empty) < len(texts) and metric.score([accepted[0] for accepted in texts], texts) == 0.0:
        fault = "gives 0 even to the references themselves, as none is long enough (BLEU needs four words): use chrf"
        findings.append(_Finding(range(len(texts)), fault, is_fatal=False))
    return findings


def _other_scripts(texts: _Texts) -> _Finding:
    """Find references of which a metric loses or cuts most words, because they are not of a-z and 0-9."""
    words = [[word for text in accepted for word in unicode_words(text)] for accepted in texts]
    misread = [sum(not word.isascii() for word in words_of_sample) for words_of_sample in words]
    mostly = [index for index, count in enumerate(misread) if 2 * count > len(words[index])]
    if 2 * len(mostly) > len(texts):
        return _Finding(mostly, _SCRIPT, is_fatal=True)
    if sum(misread) > _NEGLIGIBLE * sum(map(len, words)):
        mostly = [index for index, count in enumerate(misread) if count]
    # Of words with a few accents, most letters are read: the scores keep a meaning.
    return _Finding(mostly, _SCRIPT)


def _unsegmented(texts: _Texts) -> _Finding:
    """Find references whose words are mostly whole sentences of a script without spaces."""

    def is_whole_sentence(accepted: tuple[str, ...]) -> bool:
        words = [word for text in accepted for word in text.split()]
        lengths = [count for word in words if (count := sum(map(is_unspaced, word)))]
        return 2 * len(lengths) > len(words) and sum(lengths) > _LONGEST_WORD * len(lengths)

    indices = [index for index, accepted in enumerate(texts) if is_whole_sentence(accepted)]
    return _Finding(indices, _SEGMENT, is_fatal=2 * len(indices) > len(texts))


def _shown(accepted: tuple[str, ...]) -> str:
    text = repr(accepted[0] if len(accepted) == 1 else list(accepted))
    return text if len(text) <= 60 else text[:60] + "..."
