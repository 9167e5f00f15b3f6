"""The reader of codes: real codes in real pictures, and a camera thread that is never made to wait."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from firmware_bridge.ports import Plane
from hw_sim.devices.code_card import hold_up, modules, write_png
from hw_sim.devices.scene import Scene
from recorder.capture.code_watch import INTERVAL_US, SMALL_WIDTH, CodeWatch, Decoder, load_decoder, subsampled
from tests.capture.doubles import ManualClock

TEXT = "eyJhbGciOiJFUzI1NiJ9." + "A" * 400
S = 1_000_000


def scene(width: int, height: int, text: str = TEXT) -> Plane:
    luma = np.zeros((height, width), np.uint8)
    half = np.zeros((height // 2, width // 2), np.uint8)
    Scene(width, height, 1).draw(luma, half, half.copy(), 3 * S, lux=200.0, covered=False)
    if text:
        hold_up(luma, text)
    return luma


@pytest.mark.parametrize(("width", "height"), [(320, 180), (640, 360), (1280, 720), (1920, 1080)])
def test_a_code_is_read_at_every_size_and_a_street_holds_none(width: int, height: int) -> None:
    decode = load_decoder()
    assert decode(subsampled(scene(width, height))) == [TEXT]
    assert decode(subsampled(scene(width, height, ""))) == []


def test_a_hand_that_is_not_steady_does_not_matter() -> None:
    picture = Image.fromarray(scene(1280, 720)).rotate(7, fillcolor=90).filter(ImageFilter.GaussianBlur(1.0))
    assert load_decoder()(subsampled(np.asarray(picture))) == [TEXT]


def test_only_qr_codes_are_looked_for() -> None:
    import zxingcpp

    code = zxingcpp.create_barcode("13010077665544", zxingcpp.BarcodeFormat.Code128)
    assert load_decoder()(np.array(code.to_image(scale=3), np.uint8)) == []


def test_the_printed_card_is_the_code(tmp_path: Path) -> None:
    write_png(tmp_path / "card.png", TEXT)
    assert load_decoder()(np.asarray(Image.open(tmp_path / "card.png"))) == [TEXT]
    assert modules(TEXT).shape[0] == modules(TEXT).shape[1]


def test_a_large_picture_is_read_small() -> None:
    assert subsampled(np.zeros((1080, 1920), np.uint8)).shape == (540, SMALL_WIDTH)
    assert subsampled(np.zeros((2160, 3840), np.uint8)).shape == (540, SMALL_WIDTH)
    assert subsampled(np.zeros((360, 640), np.uint8)).shape == (360, 640)


class Desk:
    """A watch whose decoder waits for the test's word. ``offered``: planes the decoder was given."""

    def __init__(self, texts: list[str] | None = None, error: Exception | None = None) -> None:
        self.clock = ManualClock()
        self.reports: list[str] = []
        self.errors: list[str] = []
        self.offered: list[Plane] = []
        self.go = threading.Semaphore(0)
        self.given = threading.Semaphore(0)
        self.loads = 0
        self._texts = texts or []
        self._error = error
        self.watch = CodeWatch(self.clock, self.reports.append, self.errors.append, self._load)

    def _load(self) -> Decoder:
        self.loads += 1
        return self._decode

    def _decode(self, luma: Plane) -> list[str]:
        self.offered.append(luma.copy())
        self.given.release()
        assert self.go.acquire(timeout=10)
        if self._error is not None:
            raise self._error
        return self._texts

    def frame(self, at_us: int, value: int = 0) -> None:
        self.clock.now_us = at_us
        self.watch.offer(np.full((90, 160), value, np.uint8), at_us)

    def end(self) -> None:
        """Let the window pass and its thread go."""
        thread = self.watch._thread
        self.watch.until(0)
        for _ in range(4):
            self.go.release()
        if thread is not None:
            thread.join(10)
            assert not thread.is_alive()


def test_nothing_is_loaded_or_copied_while_nobody_asks() -> None:
    desk = Desk()
    desk.frame(1 * S)
    assert desk.loads == 0 and desk.watch._thread is None and desk.watch._buffer is None


def test_two_frames_a_second_at_most_and_none_while_one_is_read() -> None:
    desk = Desk()
    desk.watch.until(60 * S)
    desk.frame(1 * S, 1)
    assert desk.given.acquire(timeout=10)
    desk.frame(1 * S + INTERVAL_US, 2)  # the reader is busy
    desk.go.release()
    desk.end()
    assert [int(plane[0, 0]) for plane in desk.offered] == [1]

    desk = Desk()
    desk.watch.until(60 * S)
    desk.frame(1 * S, 1)
    assert desk.given.acquire(timeout=10)
    desk.go.release()
    desk.end()
    desk.watch.until(60 * S)
    desk.frame(1 * S + INTERVAL_US - 1, 2)
    assert not desk.watch._full, "too soon"
    desk.frame(1 * S + INTERVAL_US, 3)
    assert desk.given.acquire(timeout=10)
    desk.end()
    assert [int(plane[0, 0]) for plane in desk.offered] == [1, 3]


def test_each_text_is_told_once_a_window() -> None:
    desk = Desk(["a", "a", "b"])
    desk.watch.until(60 * S)
    for second in (1, 2):
        desk.go.release()
        desk.frame(second * S)
        assert desk.given.acquire(timeout=10)
        while desk.watch._full:
            threading.Event().wait(0.001)
    desk.end()
    assert desk.reports == ["a", "b"]
    assert desk.watch._buffer is None, "what it held is given back"


def test_the_window_ends_by_the_clock() -> None:
    desk = Desk()
    desk.watch.until(2 * S)
    desk.frame(2 * S)
    assert not desk.watch._full
    desk.end()


def test_a_decoder_that_fails_is_told_and_the_next_window_tries_again() -> None:
    desk = Desk(error=RuntimeError("no"))
    desk.watch.until(60 * S)
    thread = desk.watch._thread
    desk.frame(1 * S)
    desk.go.release()
    assert thread is not None
    thread.join(10)
    assert desk.errors == ["RuntimeError: no"]
    desk.frame(3 * S)
    assert not desk.watch._full, "it does not look any more"
    desk.watch.until(60 * S)
    assert desk.watch._thread is not None
    desk.end()
