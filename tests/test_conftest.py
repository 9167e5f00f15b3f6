"""The profile of hypothesis in force in every test."""

from __future__ import annotations

import os

from hypothesis import settings


def test_no_example_is_timed_and_nothing_else_is_changed() -> None:
    usual = settings.get_profile("ci" if os.environ.get("CI") == "true" else "default")
    assert settings().deadline is None
    assert (settings().derandomize, settings().max_examples) == (usual.derandomize, usual.max_examples)
