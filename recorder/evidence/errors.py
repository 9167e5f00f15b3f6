"""The one error that ends a verification without a verdict (exit code 2)."""

from __future__ import annotations

from pathlib import Path


class CannotRead(Exception):
    """``path`` cannot be read or used; ``zh`` and ``en`` say why."""

    def __init__(self, path: Path, zh: str, en: str) -> None:
        super().__init__(f"{path}: {zh} {en}")
        self.path = path
        self.zh = zh
        self.en = en
