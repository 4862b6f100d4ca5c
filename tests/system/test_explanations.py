"""The explanations in docs/explanations: their pictures, and their tables of families and of proofs."""

import re
from collections.abc import Iterator

import optuna
import pytest
from documentation import DOCS
from families import with_table

from studies.pictures.explanations import PICTURES

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
DIRECTORY = DOCS / "explanations"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DIRECTORY.glob("*.md"))}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_up_to_date_and_on_its_page(name: str) -> None:
    """``python -m studies.pictures.explanations`` draws them."""
    drawn, stored = PICTURES[name]().svg(), (DIRECTORY / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert NUMBER.sub("", drawn) == NUMBER.sub("", stored)
    # Other processors round otherwise.
    assert [float(number) for number in NUMBER.findall(drawn)] == pytest.approx(
        [float(number) for number in NUMBER.findall(stored)], abs=0.2
    )
    assert f"](pictures/{name}.svg)" in PAGES[name]


def test_every_explanation_has_a_picture() -> None:
    assert PICTURES.keys() == PAGES.keys()


def test_the_table_of_families_is_that_of_the_tests() -> None:
    """``python tests/helpers/families.py`` writes it."""
    assert with_table(PAGES["exactness"]) == PAGES["exactness"]


def test_what_survives_is_proved() -> None:
    assert len(re.findall(r"`tests/[\w/]+\.py::[\w:]+`", PAGES["durability"])) >= 20
