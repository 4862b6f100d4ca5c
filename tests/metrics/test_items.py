"""What counts as an item of a list, as the same item, and as one that was asked for."""

from string import ascii_lowercase

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsearch_optuna.errors import MetricError
from llmsearch_optuna.metrics import distinct_items, make_metric
from llmsearch_optuna.metrics.items import split_items
from llmsearch_optuna.metrics.reference_checks import check_references


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Here are three fruits:\n1. Apple\n2) Pear\n(3) **Plum**\n", ["appl", "pear", "plum"]),
        ("- apple\n* pears\n\u2022 Plum.", ["appl", "pear", "plum"]),
        ('"Apple", pear; and plum.', ["appl", "pear", "plum"]),
        ("a. apple\nb) pear", ["appl", "pear"]),
        ("1, 2, 3.", ["1", "2", "3"]),
        ("3.5, 7-up", ["3.5", "7-up"]),
        ("C, C++, C#", ["c", "c++", "c#"]),
        (" ,;\n\n --- \n```", []),
        ("\u82f9\u679c\u3001\u68a8\uff0c\u674e", ["\u82f9\u679c", "\u68a8", "\u674e"]),
        ("guinea  pigs", ["guinea pig"]),
        (
            "cafe\u0301, \uff23\uff21\uff26\u00c9, ca\u00adf\u00e9\u00a0bars",
            ["caf\u00e9", "caf\u00e9", "caf\u00e9 bar"],
        ),
    ],
)
def test_split_items(text: str, items: list[str]) -> None:
    assert split_items(text) == items


@pytest.mark.parametrize(
    ("singular", "plural"),
    [
        ("apple", "apples"),
        ("axe", "axes"),
        ("bee", "bees"),
        ("berry", "berries"),
        ("box", "boxes"),
        ("bus", "buses"),
        ("dish", "dishes"),
        ("fly", "flies"),
        ("glass", "glasses"),
        ("house", "houses"),
        ("iris", "irises"),
        ("kiwi", "kiwis"),
        ("movie", "movies"),
        ("pie", "pies"),
        ("tomato", "tomatoes"),
    ],
)
def test_singular_and_plural_are_one_item(singular: str, plural: str) -> None:
    assert distinct_items(f"{singular}, {plural}") == 0.5
    assert distinct_items(plural, [singular]) == distinct_items(singular, [plural]) == 1.0


def test_distinct_items_reads_members_and_count() -> None:
    metric = make_metric("distinct_items")
    assert metric([{"count": 4}], ["apple, pear"]).value == 2 / 4
    assert metric([{"count": 2}], ["apple, pear, plum, apple"]).value == 3 / 4
    assert metric([{"count": 2, "fruits": ["apple", "pear"]}], ["pears, stone, Apples"]).value == 2 / 3
    assert metric([{}], ["apple, pear, apple"]).value == 2 / 3
    assert metric([{"prompt": "a text"}], ["apple, pear"]).value == 1.0
    assert metric([{"fruits": np.array(["apple", "pear"])}], ["apple"]).value == 1.0
    chosen = make_metric("distinct_items", column="fruits")
    assert chosen([{"fruits": ["apple"], "stones": ["ruby"], "count": 1}], ["apple"]).value == 1.0
    with pytest.raises(MetricError, match="`fruits`, `stones`"):
        metric([{"fruits": ["apple"], "stones": ["ruby"], "count": 1}], ["apple"])


@pytest.mark.parametrize("count", [0, -1, 2.0, "2", True])
def test_distinct_items_refuses_a_bad_count(count: object) -> None:
    with pytest.raises(MetricError, match=r"`count` of sample 9 must be an integer >= 1, got "):
        make_metric("distinct_items")([{"count": count}], ["apple"], sample_ids=[9])


@pytest.mark.parametrize("members", [[], ["apple", 3]])
def test_distinct_items_refuses_bad_members(members: list[object]) -> None:
    with pytest.raises(MetricError, match="the members of sample 0 must be strings"):
        make_metric("distinct_items")([{"fruits": members}], ["apple"])


@pytest.mark.parametrize("member", ["Washington, D.C.", "1,000", "a; b", "\u82f9\u679c\u3001\u68a8"])
def test_members_that_a_list_would_split_are_refused_before_the_search(member: str) -> None:
    with pytest.raises(MetricError, match=r"^the members of sample 1 must have no comma .*: write it") as refusal:
        check_references(make_metric("distinct_items"), [{"cities": ["Paris"]}, {"cities": ["Rome", member]}])
    assert repr(member) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_marks_at_the_ends_of_members_are_no_separators() -> None:
    assert distinct_items("Paris, New York", ["Paris,", "New\nYork;"]) == 1.0
    assert make_metric("distinct_items")([{"cities": ["Paris,", "New\nYork;"]}], ["New York, Paris"]).value == 1.0


@given(st.lists(st.text(ascii_lowercase, min_size=2, max_size=8), min_size=1, unique_by=lambda text: text[:2]))
def test_listing_all_members_scores_1(members: list[str]) -> None:
    references = [{"members": members, "count": len(members)}]
    metric = make_metric("distinct_items")
    assert metric(references, [", ".join(members)]).value == 1.0
    numbered = "Here they are:\n" + "\n".join(f"{i}. **{member.title()}**" for i, member in enumerate(members, start=1))
    assert metric(references, [numbered]).value == 1.0
    assert metric(references, [", ".join([*members, members[0]])]).value == len(members) / (len(members) + 1)
