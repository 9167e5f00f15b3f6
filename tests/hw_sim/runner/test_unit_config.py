"""The TOML a simulated unit is configured with says what was asked for."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from hw_sim.runner.unit_config import to_toml

KEYS = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
SCALARS = st.one_of(
    st.integers(-(2**40), 2**40), st.booleans(), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.text(max_size=12)
)
TABLES = st.recursive(
    st.dictionaries(KEYS, st.one_of(SCALARS, st.lists(st.integers(0, 9), max_size=4)), max_size=4),
    lambda inner: st.dictionaries(KEYS, st.one_of(SCALARS, inner), max_size=4),
    max_leaves=12,
)


def without_empty_tables(value: object) -> object:
    """An empty table leaves no trace in a layer, and none is needed."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty_tables(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item != {}}


@given(TABLES)
def test_what_is_written_reads_back_the_same(values: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(values)) == without_empty_tables(values)
