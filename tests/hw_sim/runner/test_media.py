"""A file that cannot be played is refused before anything is started, by name and in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.runner.media import MEDIA, Media, MediaError, check


def playing(device: str, path: Path) -> Media:
    media = Media()
    setattr(media, device, path)
    return media


def test_the_shipped_media_can_be_played() -> None:
    check(Media(camera=MEDIA / "clip.mp4", microphone=MEDIA / "street.wav", gnss=MEDIA / "walk.nmea"))


def test_nothing_chosen_is_nothing_to_check() -> None:
    assert Media().chosen() == {}
    check(Media())


@pytest.mark.parametrize("device", ["camera", "microphone", "gnss"])
@pytest.mark.parametrize("kind", ["missing", "folder", "text", "empty"])
def test_what_cannot_be_played_is_named(device: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("not footage\n" if kind == "text" else "")
    with pytest.raises(MediaError) as caught:
        check(playing(device, path))
    message = str(caught.value)
    assert message.startswith(f"--{device}") and str(path) in message
    assert any("\u4e00" <= character <= "\u9fff" for character in message), "Chinese"
    assert any(word in message for word in ("no such file", "cannot", "no sound", "no picture", "no NMEA")), message


@pytest.mark.parametrize(("device", "other"), [("camera", "street.wav"), ("microphone", "walk.nmea")])
def test_footage_of_another_kind_is_refused(device: str, other: str) -> None:
    with pytest.raises(MediaError, match=other):
        check(playing(device, MEDIA / other))
