"""What a report consists of, as a browser would parse it; and a study whose every text is hostile."""

import json
from html.parser import HTMLParser
from typing import Any

import optuna
from hostile_texts import EVIL, HOSTILE, UTF8
from optuna.storages import RDBStorage

from llmsearch_optuna.study.attributes import STUDY_FILE
from studies.benchmarks.synthetic_studies import Plan

_TEXTS, _PROMPTS = list(HOSTILE.values()), list(UTF8.values())
_MARKUP = f"</script></td><img src=x onerror=alert(1)>{EVIL}"

HOSTILE_PLAN = Plan(
    samples=len(_TEXTS),
    trials=12,
    name=_MARKUP,
    metric=_MARKUP,
    error=_MARKUP,
    text=lambda trial, position: _TEXTS[(position + trial // 4) % len(_TEXTS)],
    prompt=lambda position: _PROMPTS[position % len(_PROMPTS)],
)


def make_hostile(study: optuna.Study, storage: RDBStorage) -> None:
    """Give a study hostile texts where `write_study` has none."""
    study.set_user_attr(STUDY_FILE, {"text": _MARKUP, "directory": _MARKUP})


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        tags: How often there is which element.
        attributes: All attributes, as (element, name, value).
        scripts: What runs.
        data: The JSON parts, by their ids.
        words: All other text.
    """

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: dict[str, int] = {}
        self.attributes: list[tuple[str, str, str | None]] = []
        self.scripts: list[str] = []
        self.data: dict[str, Any] = {}
        self.words = ""
        self._open: dict[str, str | None] | None = None
        self._in_style = False
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._in_style = tag == "style"
        if tag == "script":
            self._open = dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
        if tag == "script":
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is None:
            self.words += "" if self._in_style else data
        elif self._open.get("type") == "application/json":
            self.data[str(self._open["id"])] = json.loads(data)
        else:
            self.scripts.append(data)
