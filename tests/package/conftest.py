"""Packages built once for all tests of this folder, compressed fast: what is compressed is the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.support import require_program, require_whole, tier
from tools.package.build import build
from tools.package.target import Target

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("dh", "dpkg-buildpackage", "dpkg-deb", "readelf")

Built = Callable[[str, str], Path]
"""(architecture, version of Python) → the package."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if tier() == "quick":
        require_whole("package", "构建软件包 building packages takes a minute; CI does")
    for program in PROGRAMS:
        require_program(program)
    out = tmp_path_factory.mktemp("deb")

    @cache
    def package(architecture: str, python: str) -> Path:
        return build(ROOT, Target(architecture, python), out, xz_level=0)

    return package
