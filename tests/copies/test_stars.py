"""Copies are gathered around the best representative, and never by chains."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.copies.stars import stars


def test_a_chain_is_no_star() -> None:
    chain = [(place, place + 1) for place in range(5)]
    assert stars(6, chain, range(6)).tolist() == [0, 0, 2, 2, 4, 4]
    assert stars(6, chain, [3, 0, 1, 2, 4, 5]).tolist() == [0, 0, 3, 3, 3, 5]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda one: one[0] != one[1])),
    order=st.permutations(range(12)),
)
def test_each_picture_is_a_copy_of_the_best_that_it_can_belong_to(
    pairs: list[tuple[int, int]], order: list[int]
) -> None:
    middles = stars(12, pairs, order).tolist()
    copies = {frozenset(pair) for pair in pairs}
    for place, middle in enumerate(middles):
        assert middle == place or frozenset((place, middle)) in copies
        assert middles[middle] == middle
        better = [one for one in order[: order.index(place)] if frozenset((one, place)) in copies]
        free = [one for one in better if middles[one] == one]
        assert middle == (free[0] if free else place)
