"""Texts that contain control sequences, and a study full of them."""

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from tiny_models import tiny_tokenizer

from llmsearch_optuna import SearchSpace, Tuner
from llmsearch_optuna.space.dimensions import Categorical, Float
from llmsearch_optuna.storage import CompletionStore, open_storage, sqlite_url

MEGABYTE = "All work and no play. " * 50_000

HOSTILE = {
    "SQL": "'; DROP TABLE llmsearch_completions; --",
    "SQL parameters": ":study_key ? %s %(row)s $1",
    "HTML": "<script>alert('owned')</script><img src=x onerror=alert(1)>",
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "clear": "\x1b[2J\x1b[H\x1b[3J",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "link": "\x1b]8;;https://evil.example\x1b\\harmless\x1b]8;;\x1b\\",
    "C1": "\x9b31m and \x9d0;owned\x9c",
    "overwritten": "wrong\rright\b\b",
    "markup": "[bold red]x[/] [/bold] [link=https://evil.example]y[/link] :pile_of_poo:",
    "Markdown": "[x](javascript:alert(1)) ![x](https://evil.example/pixel.png)",
    "Markdown table": "| a | b |\n| --- | --- |\n```\nfence",
    "format": "{0.__class__.__mro__} {} {prompt} %s %(asctime)s $HOME `id`",
    "CSV command": "=cmd|' /C calc'!A0",
    "CSV plus": "+1+1",
    "CSV minus": "-2+3",
    "CSV at": "@SUM(1+1)",
    "NUL": "before\0after",
    "surrogate": "lone \ud800 and \udfff",
    "bidi": "\u202eevas ot\u202c \u2066isolated\u2069",
    "zero width": "y\u200be\u2060s\ufeff\u00ad",
    "tags": "yes\U000e0041\U000e0042",
    "separators": "one\u2028two\u2029three\x85four\x0bfive\x1cnine",
    "emoji": "👩\u200d👧 🏳️\u200d🌈 \U0001faf6",
    "right to left": "שלום مرحبا",
    "piled up": "Z\u0351\u036b\u0343\u036a\u0302" * 20,
    "forged line": "1\nverdict: improved by 9\ntrial 99: 1.0000\n2026-01-01T00:00:00+00:00 ERROR [1] x: y",
    "a megabyte": MEGABYTE,
    "blank": " \t\n ",
}

EVIL = "é'; DROP TABLE studies; --\x1b[2J[/red]\u202e{x}%s"
"""A name with control characters of every kind."""

EVIL_FILE = EVIL.replace("/", "?#100%25")

UTF8 = {name: text for name, text in HOSTILE.items() if "\ud800" not in text}


def assert_harmless(output: str) -> None:
    """Whether a terminal that is sent this shows text and does nothing else."""
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    bad = {
        character
        for character in output
        if character not in "\n\u200c\u200d" and unicodedata.category(character) in hidden
    }
    assert bad == set()


def completion_of(prompt: str) -> str:
    """A hostile text for each prompt, which names it."""
    return HOSTILE[prompt.partition("|")[0]]


def complete(prompts: Sequence[str], params: Any) -> list[str]:
    return [completion_of(prompt) for prompt in prompts]


def unchanged(text: str) -> str:
    return text


def score(references: list[dict[str, Any]], predictions: list[str]) -> list[float]:
    return [(len(prediction) % 7) / 7 for prediction in predictions]


COLUMN = EVIL
"""An evaluation column."""

SPACE = SearchSpace(temperature=Float(0.1, 1.0), generation_seed=Categorical([0, 1, 2]), max_new_tokens=4)


def make_tuner(predict: Callable[..., list[str]] = complete, scorer: object = score, holdout: int = 20) -> Tuner:
    """Prompts, completions and references are all hostile texts; each is on two rows."""
    rows = [
        {"q": f"{name}|{copy}|{text[:200] if text in UTF8.values() else ''}", COLUMN: text if name in UTF8 else name}
        for copy in range(2)
        for name, text in HOSTILE.items()
    ]
    return Tuner(
        tokenizer=tiny_tokenizer(),
        custom_pred_function=predict,
        dataset=rows,
        scorer=scorer,
        column_mapping={"input_cols": ["q"], "eval_cols": [COLUMN]},
        prompt_template="{q}",
        output_preproc=unchanged,
        holdout_size=holdout,
    )


class Searched(NamedTuple):
    database: Path
    study: optuna.Study
    tuner: Tuner

    @property
    def store(self) -> CompletionStore:
        return CompletionStore(open_storage(sqlite_url(str(self.database))))


def search(tuner: Tuner, database: Path, **changes: Any) -> optuna.Study:
    arguments: dict[str, Any] = {"n_trials": 5, "rungs": 16, "concurrency": 2, "show_progress": False}
    return tuner.search(SPACE, study_name=EVIL, storage=sqlite_url(str(database)), **{**arguments, **changes})
