"""What several suites need: which set of tests is asked for, and programs that may be missing."""

from __future__ import annotations

import os
import shutil
from typing import Literal

import pytest

Tier = Literal["quick", "ci", "nightly"]


def tier() -> Tier:
    """``quick`` on a desk (15 minutes), ``ci`` with ``CI=true`` (60 minutes), ``nightly`` with ``./dev test --nightly``."""
    if os.environ.get("RECORDER_TESTS") == "nightly":
        return "nightly"
    return "ci" if os.environ.get("CI") == "true" else "quick"


def require_program(name: str) -> str:
    """The path of ``name``. Without it the test is skipped with a reason on a desk, and fails where CI=true: a check that
    CI silently leaves out is no check."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"没有程序 missing program: {name} (packages.apt)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
