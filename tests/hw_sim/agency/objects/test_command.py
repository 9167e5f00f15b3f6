"""``python -m hw_sim.agency.objects`` on a real S3: what it says and its exit codes."""

from __future__ import annotations

import pytest

from hw_sim.agency.objects.__main__ import main
from tests.hw_sim.agency.objects.engines import SeaweedEngine


def test_prepare_and_check(seaweed: SeaweedEngine, capsys: pytest.CaptureFixture[str]) -> None:
    seaweed.start()
    url = seaweed.weed.url("by-command")
    for said in ("made", "was there"):
        assert main(["prepare", "--objects", url]) == 0
        assert said in capsys.readouterr().out
    assert main(["check", "--objects", url]) == 0
    assert "lock_mode compliance" in capsys.readouterr().out


def test_a_bucket_without_object_lock_is_not_fit(seaweed: SeaweedEngine, capsys: pytest.CaptureFixture[str]) -> None:
    seaweed.start()
    store = seaweed.stores.new()
    store.client.create_bucket(Bucket="without-lock")
    assert main(["check", "--objects", seaweed.weed.url("without-lock")]) == 2
    assert "versioning" in capsys.readouterr().err
    store.client.put_bucket_versioning(Bucket="without-lock", VersioningConfiguration={"Status": "Enabled"})
    assert main(["check", "--objects", seaweed.weed.url("without-lock")]) == 2
    assert "Object Lock" in capsys.readouterr().err
    assert main(["check", "--objects", seaweed.weed.url("nowhere")]) == 2


def test_sweep_gives_up_old_unfinished_uploads_alone(
    seaweed: SeaweedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    seaweed.start()
    store = seaweed.stores.new()
    url = seaweed.weed.url(store.bucket, store.prefix.strip("/"))
    for name in ("a", "b"):
        store.client.create_multipart_upload(Bucket=store.bucket, Key=f"{store.prefix}u/j/{name}")
    assert main(["sweep", "--objects", url]) == 0
    assert " 0 " in capsys.readouterr().out
    assert main(["sweep", "--objects", url, "--hours", "-1"]) == 0
    assert " 2 " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["prepare", "sweep"])
def test_a_folder_has_no_bucket(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--objects", "folder:"]) == 2
    assert "S3" in capsys.readouterr().err


def test_a_wrong_url_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--objects", "s3+http://host/bucket?colour=red"]) == 2
    assert "colour" in capsys.readouterr().err
