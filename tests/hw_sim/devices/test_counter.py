"""The mark in every frame: read back from raw planes, and from what the encoder leaves of them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hw_sim.devices.counter import FLASH_US, crc8, layout, plane_of, read_counter, read_file, read_flash, stamp
from hw_sim.devices.scene import Scene
from tests.hw_sim.devices.footage import SIZES, encode_h264, planes


def test_crc8_check_value() -> None:
    assert crc8(b"123456789") == 0xA1  # CRC-8/I-432-1


def test_place_of_the_mark_is_the_documented_one() -> None:
    for width in (640, 1280, 1920):
        place = layout(width)
        assert (place.block, place.x, place.y) == (16, 64, 16)
    for width in range(160, 3841, 2):
        place = layout(width)
        assert place.x - place.quiet >= 0 and place.x + 32 * place.block + place.quiet <= width


@example(counter=0, size=(640, 360), background=0)
@example(counter=0xFFFFFF, size=(640, 360), background=255)
@given(counter=st.integers(0, 2**40), size=st.sampled_from(SIZES), background=st.integers(0, 255))
def test_round_trip(counter: int, size: tuple[int, int], background: int) -> None:
    y = np.full((size[1], size[0]), background, np.uint8)
    stamp(y, counter, 0)
    assert read_counter(y) == counter % 2**24


@given(bit=st.integers(0, 31))
def test_one_wrong_block_is_not_a_counter(bit: int) -> None:
    y = np.full((360, 640), 90, np.uint8)
    stamp(y, 0xA5A5A5, 0)
    block = y[16:32, 64 + 16 * bit : 80 + 16 * bit]
    block[:] = 235 if block[0, 0] == 16 else 16
    assert read_counter(y) is None


def test_no_mark_no_counter() -> None:
    for value in (0, 18, 255):
        assert read_counter(np.full((360, 640), value, np.uint8)) is None
    y, u, v = planes(640, 360)
    Scene(640, 360, 3).draw(y, u, v, 0, lux=200, covered=False)
    assert read_counter(y) is None
    assert read_counter(np.zeros((100, 100), np.uint8)) is None and read_counter(np.zeros((4, 640), np.uint8)) is None


def test_flash_is_the_first_tenth_of_each_second() -> None:
    y = np.zeros((360, 640), np.uint8)
    for at_us in (0, 5_000_000, 5_000_000 + FLASH_US - 1):
        stamp(y, 1, at_us)
        assert read_flash(y)
    for at_us in (FLASH_US, 5_999_999):
        stamp(y, 1, at_us)
        assert not read_flash(y)


@pytest.mark.parametrize(
    ("size", "bitrate", "lux", "covered"),
    [
        ((1280, 720), 1_000_000, 200.0, False),
        ((1280, 720), 500_000, 0.2, False),
        ((640, 360), 500_000, 200.0, False),
        ((426, 240), 300_000, 200.0, False),
        ((320, 180), 200_000, 200.0, False),
        ((160, 120), 100_000, 200.0, False),
        ((640, 360), 500_000, 200.0, True),
    ],
)
def test_counter_survives_h264_at_low_bitrate(
    tmp_path: Path, size: tuple[int, int], bitrate: int, lux: float, covered: bool
) -> None:
    path = tmp_path / "x.mp4"
    encode_h264(path, size, bitrate, 60, lux=lux, covered=covered)
    frames = read_file(path)
    assert [frame.counter for frame in frames] == list(range(1000, 1060)), "0 missing, 0 wrong"
    assert [frame.flash for frame in frames] == [n * 1_000_000 // 30 % 1_000_000 < FLASH_US for n in range(1000, 1060)]
    assert frames[0].keyframe and frames[1].at_us == pytest.approx(33_333, abs=100)


def test_planes_are_views_without_padding() -> None:
    frame = av.VideoFrame(426, 240, "yuv420p")
    assert plane_of(frame, 0).shape == (240, 426) and plane_of(frame, 1).shape == (120, 213)
