"""Where a run may write: an empty folder or a former run, nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hw_sim.runner.layout import MARKER, Layout, OutputFolderError, prepare


def made(out: Path) -> Layout:
    layout = prepare(out)
    shutil.rmtree(layout.run)
    return layout


@pytest.mark.parametrize("before", ["absent", "empty"])
def test_a_new_or_empty_folder_is_taken(tmp_path: Path, before: str) -> None:
    out = tmp_path / "deep" / "run"
    if before == "empty":
        out.mkdir(parents=True)
    layout = made(out)
    assert layout.unit.is_dir() and layout.logs.is_dir() and (out / MARKER).is_file()


def test_a_former_run_is_replaced(tmp_path: Path) -> None:
    layout = made(tmp_path / "run")
    (layout.unit / "journal").mkdir()
    layout.result.write_text("{}")
    made(tmp_path / "run")
    assert not layout.result.exists() and list(layout.unit.iterdir()) == []


def test_a_removal_that_was_interrupted_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = made(tmp_path / "run")
    layout.result.write_text("{}")

    def interrupted(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("hw_sim.runner.layout.shutil.rmtree", interrupted)
    with pytest.raises(OutputFolderError, match="No space left"):
        prepare(tmp_path / "run")
    monkeypatch.undo()
    made(tmp_path / "run")
    assert not layout.result.exists()


def test_a_foreign_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputFolderError, match=r"不是空文件夹.*neither empty nor an earlier run"):
        prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.write_text("a file")
    with pytest.raises(OutputFolderError, match="不是文件夹 not a folder"):
        prepare(out)
    assert out.read_text() == "a file"


def test_a_folder_below_a_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFolderError, match="无法使用 cannot be used"):
        prepare(tmp_path / "file" / "run")


def test_what_a_link_in_a_former_run_points_to_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    layout = made(tmp_path / "run")
    (layout.out / "link").symlink_to(precious)
    made(tmp_path / "run")
    assert (precious / "thesis.txt").exists()


def test_the_sockets_folder_is_short(tmp_path: Path) -> None:
    layout = made(tmp_path / ("x" * 120))
    assert len(str(layout.world_socket)) < 107
