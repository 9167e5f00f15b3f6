"""The shipped files are found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.config.paths import ShippedFilesMissing, defaults_file, shipped_dir


def test_in_this_checkout() -> None:
    assert defaults_file().is_file()


def make(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "defaults.toml").write_text("")
    return path


def test_in_a_wheel_its_own_files_come_before_a_stranger_called_config(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "recorder"
    stranger = make(tmp_path / "site-packages" / "config")
    assert shipped_dir(package) == stranger  # as in a checkout
    own = make(package / "share" / "config")
    assert shipped_dir(package) == own


def test_a_broken_installation_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ShippedFilesMissing, match="share"):
        shipped_dir(tmp_path / "recorder")
