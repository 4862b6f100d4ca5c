"""The pictures of the explanations are those that their script draws."""

import re
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from studies.pictures.explanations import PICTURES

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
PAGES = Path(__file__).parents[2] / "docs" / "explanations"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_up_to_date_and_on_its_page(name: str) -> None:
    """``python -m studies.pictures.explanations`` draws them anew."""
    drawn, stored = PICTURES[name]().svg(), (PAGES / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert NUMBER.sub("", drawn) == NUMBER.sub("", stored)
    # Other processors round otherwise.
    assert [float(number) for number in NUMBER.findall(drawn)] == pytest.approx(
        [float(number) for number in NUMBER.findall(stored)], abs=0.2
    )
    assert f"](pictures/{name}.svg)" in (PAGES / f"{name}.md").read_text(encoding="utf-8")


def test_every_explanation_has_a_picture() -> None:
    assert sorted(PICTURES) == sorted(page.stem for page in PAGES.glob("*.md"))
