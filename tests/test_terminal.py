"""What a terminal would obey is written out; all else is left as it is."""

import io
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.terminal import escape_unencodable, excerpt, printable

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é, 日本 and 👩‍👧", "plain, é, 日本 and 👩‍👧"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("nul \x00, bell \a, back \b, tab \t, return \r", "nul \\x00, bell \\x07, back \\x08, tab \\t, return \\r"),
        ("lone \ud800", "lone \\ud800"),
        ("\u202eleft\u2069", "\\u202eleft\\u2069"),
        ("zero\u200bwidth\ufeff \U000e0041", "zero\\u200bwidth\\ufeff \\U000e0041"),
        ("one\u2028two\x85three", "one\\u2028two\\x85three"),
        ("\\x1b is no escape", "\\x1b is no escape"),
        ("no-break\xa0space, 　", "no-break\xa0space, 　"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == printable(text, newlines=True) == shown


def test_newlines_are_left_when_asked_for() -> None:
    assert printable("a\nb\r\n") == "a\\nb\\r\\n"
    assert printable("a\nb\r\n", newlines=True) == "a\nb\\r\n"


@given(ANY_TEXT)
def test_any_text_becomes_printable(text: str) -> None:
    shown = printable(text)
    assert {unicodedata.category(character) for character in shown if character not in "\u200c\u200d"} & {
        "Cc",
        "Cf",
        "Cs",
        "Zl",
        "Zp",
    } == set()
    assert printable(shown) == shown
    assert shown.encode().decode() == shown
    assert shown.splitlines() == ([shown] if shown else [])
    assert printable(text, newlines=True) == "\n".join(map(printable, text.split("\n")))
    if text.isprintable():
        assert shown == text


def test_an_excerpt_says_how_much_is_left_out() -> None:
    assert excerpt("abc", 3) == "abc"
    assert excerpt("abcd", 3) == "abc... (1 more characters)"
    assert excerpt("x" * 1_000_000, 10) == "xxxxxxxxxx... (999,990 more characters)"


@pytest.mark.parametrize(("encoding", "written"), [("ascii", b"\\xe9 \\u65e5"), ("latin-1", b"\xe9 \\u65e5")])
def test_standard_output_writes_what_its_encoding_lacks(
    encoding: str, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    escape_unencodable()
    print("é 日", end="", flush=True)
    assert raw.getvalue() == written


def test_another_standard_output_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    escape_unencodable()
    print("é\ud800", end="")
    assert output.getvalue() == "é\ud800"
