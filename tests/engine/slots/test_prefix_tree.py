import random

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import scaled

from llmsearch_optuna.engine.sampling import summarise, summary_parts
from llmsearch_optuna.engine.slots.prefix_tree import Node, Places, PrefixTree

PAGE_BYTES = 1_000
SUMMARY_BYTES = 2_780


def logits_of(node: Node) -> torch.Tensor:
    """Any function of the node."""
    path = [node.token]
    while node.parent is not None:
        node = node.parent
        path.append(node.token)
    return torch.randn(300, generator=torch.Generator().manual_seed(hash(tuple(path)) % 2**31))


def store(tree: PrefixTree, node: Node) -> None:
    """Store the summary of a node's logits."""
    parts = summary_parts(logits_of(node)[None])
    tree.table.store(tree.allocate_summaries([node]), parts, 300)


@settings(max_examples=scaled(60))
@given(st.sampled_from([0, 1, 2, 5, 1000]), st.integers(0, 2**32), st.integers(1, 120))
def test_what_it_knows_is_what_it_was_told(summaries: int, seed: int, operations: int) -> None:
    budget = 8 * SUMMARY_BYTES * summaries
    tree = PrefixTree(budget)
    tree.reset_pages(PAGE_BYTES)
    draw = random.Random(seed)
    pages: dict[int, Node] = {}
    for _ in range(operations):
        node = tree.root((draw.randrange(2), 7))
        for _ in range(draw.randrange(4)):
            node = tree.child(node, draw.randrange(3))
        action = draw.randrange(4)
        if action == 0:
            store(tree, node)
        elif action == 1:
            ((_, page),) = tree.allocate([node])
            store(tree, node)
            assert 0 <= page <= tree.max_pages
            if page:
                pages[page] = node
        elif action == 2:
            tree.touch(node)
        else:
            tree.prune(node)
        if tree.has_summary(node):
            kept = tree.table.read(torch.tensor([tree.summary_number(node)]))
            assert torch.equal(kept.logits, summarise(logits_of(node)[None]).logits)
        if tree.page(node):
            assert pages[tree.page(node)] is node
        assert len(tree._summaries.numbers) <= summaries
        assert tree.nbytes <= budget


def test_what_was_not_used_for_longest_makes_room_ends_before_beginnings() -> None:
    tree = PrefixTree(8 * SUMMARY_BYTES * 4)
    root = tree.root((1, 2))
    first, second = tree.child(root, 5), tree.child(root, 6)
    third = tree.child(first, 7)
    for node in (root, first, third, second):
        store(tree, node)
    tree.touch(second)
    tree.touch(third)
    tree.touch(second)
    other = tree.root((9,))
    store(tree, other)
    assert [tree.has_summary(node) for node in (root, first, third, second, other)] == [True, True, False, True, True]
    assert 7 not in first.children


def test_a_prompt_that_nothing_is_known_of_is_forgotten() -> None:
    tree = PrefixTree(2**20)
    root = tree.root((1, 2))
    leaf = tree.child(tree.child(root, 3), 4)
    tree.prune(root)
    assert tree.root((1, 2)) is root
    tree.prune(leaf)
    assert tree.root((1, 2)) is not root


def test_new_memory_holds_no_keys_and_values() -> None:
    tree = PrefixTree(2**20)
    tree.reset_pages(PAGE_BYTES)
    root = tree.root((1, 2))
    nodes = [tree.child(root, token) for token in range(3)]
    assert [places.page for places in tree.allocate(nodes)] == [1, 2, 3]
    before = tree.max_pages
    tree.shrink()
    tree.reset_pages(PAGE_BYTES)
    assert [tree.page(node) for node in nodes] == [0, 0, 0]
    assert tree.max_pages == (before + 1) // 2 - 1


@settings(max_examples=scaled(60))
@given(st.integers(0, 6), st.lists(st.sampled_from(["reserve", "bind", "release", "allocate"]), max_size=60))
def test_a_number_belongs_to_one_node_or_is_reserved_once(count: int, actions: list[str]) -> None:
    tree = PrefixTree(8 * SUMMARY_BYTES * count)
    tree.limit_pages((count + 1) * PAGE_BYTES)
    tree.reset_pages(PAGE_BYTES)
    root = tree.root((1, 2))
    nodes = [tree.child(root, token) for token in range(8)]
    draw = random.Random(len(actions))
    reserved: list[Places] = []
    for action in actions:
        node = draw.choice(nodes)
        if action == "reserve":
            reserved.append(tree.reserve())
        elif action == "allocate":
            tree.allocate([node])
        elif reserved:
            places = reserved.pop(draw.randrange(len(reserved)))
            if action == "bind":
                tree.bind(node, places)
                assert bool(tree.page(node)) >= bool(places.page)
                assert bool(tree.summary_number(node)) >= bool(places.summary)
            else:
                tree.release(places)
        for numbers in (
            [*(places.page for places in reserved), *map(tree.page, nodes)],
            [*(places.summary for places in reserved), *map(tree.summary_number, nodes)],
        ):
            used = [number for number in numbers if number]
            assert len(set(used)) == len(used) <= count
