"""Key files: what is refused, what systemd passes on, what is never made."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.signer import KeyFileError, load_key, load_or_create_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    load_or_create_key(folder / "store-key.pem")
    return folder / "store-key.pem"


def test_a_key_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"nowhere\.pem: 没有这个密钥文件 there is no such key file"):
        load_key(tmp_path / "nowhere.pem", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_in_systemd_s_folder_the_group_s_bits_are_the_mask_of_an_acl(key: Path, mode: int) -> None:
    key.chmod(mode)
    assert load_key(key, key.parent).public == load_key(key, key.parent).public


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o450, 0o404])
def test_others_may_not_read_it_there_either(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(KeyFileError, match="readable by others"):
        load_key(key, key.parent)


@pytest.mark.parametrize("place", ["other", "sub/..", "credentials/.."])
def test_elsewhere_the_group_may_not_read_it(key: Path, tmp_path: Path, place: str) -> None:
    key.chmod(0o440)
    (tmp_path / place.split("/")[0]).mkdir(exist_ok=True)
    for folder in (None, tmp_path / place):
        with pytest.raises(KeyFileError, match="0440"):
            load_key(key, folder)


def test_a_link_out_of_the_folder_is_not_in_it(key: Path, tmp_path: Path) -> None:
    key.chmod(0o440)
    other = tmp_path / "run"
    other.mkdir()
    (other / "store-key.pem").symlink_to(key)
    with pytest.raises(KeyFileError, match="0440"):
        load_key(other / "store-key.pem", other)
