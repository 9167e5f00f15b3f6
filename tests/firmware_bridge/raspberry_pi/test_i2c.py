"""Words in the chips' byte order, and errors that say which chip."""

from __future__ import annotations

import errno
from unittest.mock import call, create_autospec

import pytest
import smbus2

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.i2c import I2cChip, SmbusBus, open_bus, signed, swapped
from tests.firmware_bridge.raspberry_pi.i2c_stub import StubBus


def test_words_are_turned_on_the_way_in_and_out() -> None:
    bus = StubBus(chips={0x40: {0x00: 0x6745}})
    chip = I2cChip(bus, "ina226", 0x40)
    assert chip.word(0x00) == 0x4567
    chip.write_word(0x01, 0x1234)
    assert bus.chips[0x40][0x01] == 0x3412
    assert swapped(swapped(0xBEEF)) == 0xBEEF


@pytest.mark.parametrize(("word", "value"), [(0, 0), (0x7FFF, 32767), (0x8000, -32768), (0xFFFF, -1)])
def test_two_s_complement(word: int, value: int) -> None:
    assert signed(word) == value


@pytest.mark.parametrize("code", [errno.ENODEV, errno.ENXIO, errno.EREMOTEIO])
def test_a_chip_that_is_not_there_is_said_to_be_missing(code: int) -> None:
    """ENODEV is i2c-stub's word for it, EREMOTEIO the Pi's."""
    chip = I2cChip(StubBus(number=3, chips={0x36: {}}, failing=code), "max17048", 0x36)
    with pytest.raises(DeviceError, match=r"max17048: i2c-3 0x36 .*0x02: 无应答.* no answer") as caught:
        chip.word(0x02)
    assert caught.value.errno == code


def test_a_refused_transfer_is_no_missing_chip() -> None:
    chip = I2cChip(StubBus(chips={0x36: {}}, failing=errno.ETIMEDOUT), "max17048", 0x36)
    with pytest.raises(DeviceError, match="cannot write"):
        chip.write_word(0x06, 0x4000)


def test_the_library_is_asked_for_bytes_and_words_and_nothing_else() -> None:
    """With the real library's signatures: ``i2c-stub`` and some adapters refuse block and plain I²C transfers."""
    library = create_autospec(smbus2.SMBus, instance=True)
    library.read_word_data.return_value = 0x6745
    library.read_byte_data.return_value = 0x45
    bus = SmbusBus(1, library)
    assert (bus.read_word(0x40, 2), bus.read_byte(0x40, 3)) == (0x6745, 0x45)
    bus.write_word(0x40, 0, 0x1234)
    bus.write_byte(0x40, 1, 0x12)
    bus.close()
    assert library.mock_calls == [
        call.read_word_data(0x40, 2),
        call.read_byte_data(0x40, 3),
        call.write_word_data(0x40, 0, 0x1234),
        call.write_byte_data(0x40, 1, 0x12),
        call.close(),
    ]


def test_a_bus_that_is_not_there_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match=r"i2c-250: .*dtparam=i2c_arm=on.*group i2c") as caught:
        open_bus(250)
    assert caught.value.errno == errno.ENOENT
