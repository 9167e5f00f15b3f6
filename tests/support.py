"""What several suites need: which set of tests is asked for, and programs that may be missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Literal, NoReturn

import pytest

Tier = Literal["quick", "ci", "nightly"]


def tier() -> Tier:
    """``quick`` on a desk (15 minutes), ``ci`` with ``CI=true`` (60 minutes), ``nightly`` with ``./dev test --nightly``."""
    if os.environ.get("RECORDER_TESTS") == "nightly":
        return "nightly"
    return "ci" if os.environ.get("CI") == "true" else "quick"


def require_whole(suite: str, without: str, flag: str | None = None) -> None:
    """Skip what only ``./dev test --SUITE`` runs, also in CI, whose hour it does not fit into; ``without``: what is left
    out; ``flag``: where it is not called as the suite is."""
    if suite not in os.environ.get("RECORDER_WHOLE", "").split():
        pytest.skip(f"{without} (./dev test --{flag or suite})")


def leave_to_ci(without: str) -> None:
    """Skip on a desk what takes minutes of real time and is tried there by something shorter; CI runs it always."""
    if tier() == "quick":
        pytest.skip(f"{without} (CI=true ./dev test)")


def require_module(name: str) -> None:
    """Like :func:`require_program` for a Python module that is compiled where its headers are (packages.apt)."""
    if importlib.util.find_spec(name) is not None:
        return
    _missing(f"没有模块 missing module: {name} (./dev setup)")


def require_program(name: str) -> str:
    """The path of ``name``. Without it the test is skipped with a reason on a desk, and fails where CI=true: a check that
    CI silently leaves out is no check."""
    path = shutil.which(name)
    if path is not None:
        return path
    _missing(f"没有程序 missing program: {name} (packages.apt)")


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
