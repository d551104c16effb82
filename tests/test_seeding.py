"""Named seeds: independent of each other, the same everywhere."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline import seeding


def test_golden_seed() -> None:
    """The derivation is part of the format: if it changes, every drawn picture and every model changes."""
    assert seeding.derive(20151119, "order", 0) == 8992238863211850674


@given(st.integers(0, 2**40), st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_children_are_in_range_and_differ_from_their_parent(seed: int, names: list[str]) -> None:
    """A child fits every generator and is not its parent's stream."""
    child = seeding.derive(seed, *names)
    assert 0 <= child < 2**63
    assert child != seeding.derive(seed, *names, "more")


def test_names_are_not_run_together() -> None:
    """("ab", "c") and ("a", "bc") are two uses."""
    assert seeding.derive(1, "ab", "c") != seeding.derive(1, "a", "bc")


def test_generators_repeat() -> None:
    """The same name gives the same draws in numpy and in torch."""
    assert seeding.numpy_rng(1, "x").integers(1 << 40) == seeding.numpy_rng(1, "x").integers(1 << 40)
    assert seeding.torch_generator(1, "x").initial_seed() == seeding.torch_generator(1, "x").initial_seed()
