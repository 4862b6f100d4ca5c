import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled

from llmsearch_optuna.engine.sampling import summarise
from llmsearch_optuna.engine.slots.prefix_tree import Node, PrefixStore

PAGE_BYTES = 1_000
SUMMARY_BYTES = 2_780


def logits_of(node: Node) -> torch.Tensor:
    """Any function of the node."""
    path = [node.token]
    while node.parent is not None:
        node = node.parent
        path.append(node.token)
    return torch.randn(300, generator=torch.Generator().manual_seed(hash(tuple(path)) % 2**31))


@settings(max_examples=scaled(60))
@given(st.sampled_from([0, 1, 2, 5, 1000]), st.integers(0, 2**32), st.integers(1, 120))
def test_what_it_knows_is_what_it_was_told(summaries: int, seed: int, operations: int) -> None:
    budget = 8 * SUMMARY_BYTES * summaries
    store = PrefixStore(budget)
    store.begin_pages(PAGE_BYTES)
    draw = random.Random(seed)
    pages: dict[int, Node] = {}
    for _ in range(operations):
        node = store.root((draw.randrange(2), 7))
        for _ in range(draw.randrange(4)):
            node = store.child(node, draw.randrange(3))
        action = draw.randrange(4)
        if action == 0:
            store.keep([node], summarise(logits_of(node)[None]))
        elif action == 1:
            (page,) = store.take_pages([node])
            assert 0 <= page <= store.max_pages
            if page:
                pages[page] = node
        elif action == 2:
            store.touch(node)
        else:
            store.forget(node)
        if store.knows(node):
            assert torch.equal(store.summaries([node]).logits, summarise(logits_of(node)[None]).logits)
        if store.page(node):
            assert pages[store.page(node)] is node
        usage = store.usage
        assert usage.summaries <= summaries
        assert usage.nbytes <= budget


def test_what_was_not_used_for_longest_makes_room_ends_before_beginnings() -> None:
    store = PrefixStore(8 * SUMMARY_BYTES * 4)
    root = store.root((1, 2))
    first, second = store.child(root, 5), store.child(root, 6)
    third = store.child(first, 7)
    for node in (root, first, third, second):
        store.keep([node], summarise(logits_of(node)[None]))
    store.touch(second)
    store.touch(third)
    store.touch(second)
    other = store.root((9,))
    store.keep([other], summarise(logits_of(other)[None]))
    assert [store.knows(node) for node in (root, first, third, second, other)] == [True, True, False, True, True]
    assert 7 not in first.children
    assert store.usage.evicted == 1


def test_a_prompt_that_nothing_is_known_of_is_forgotten() -> None:
    store = PrefixStore(2**20)
    root = store.root((1, 2))
    leaf = store.child(store.child(root, 3), 4)
    store.forget(root)
    assert store.root((1, 2)) is root
    store.forget(leaf)
    assert store.root((1, 2)) is not root


def test_new_memory_holds_no_keys_and_values() -> None:
    store = PrefixStore(2**20)
    store.begin_pages(PAGE_BYTES)
    root = store.root((1, 2))
    nodes = [store.child(root, token) for token in range(3)]
    assert store.take_pages(nodes) == [1, 2, 3]
    before = store.max_pages
    store.shrink()
    store.begin_pages(PAGE_BYTES)
    assert [store.page(node) for node in nodes] == [0, 0, 0]
    assert store.max_pages == (before + 1) // 2 - 1
