"""The gauges by their data sheets' numbers; nonsense is None and never a number."""

from __future__ import annotations

import errno

import pytest

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.fuel_gauge import GaugeModel, GaugeReading, Max1704x
from tests.firmware_bridge.raspberry_pi.i2c_stub import StubBus

VCELL, SOC, VERSION, CRATE = 0x02, 0x04, 0x08, 0x16


def gauge(model: GaugeModel, **registers: int) -> Max1704x:
    bus = StubBus()
    for name, register in (("vcell", VCELL), ("soc", SOC), ("version", VERSION), ("crate", CRATE)):
        bus.put(0x36, register, registers.get(name, 0))
    return Max1704x(bus, model)


@pytest.mark.parametrize(
    ("model", "vcell", "volts"),
    [
        ("max17043", 3000 << 4 | 0xF, 3.75),  # the low four bits are no part of it
        ("max17044", 3000 << 4, 7.5),
        ("max17048", 48000, 3.75),
        ("max17049", 48000, 7.5),
    ],
)
def test_voltage_of_each_model(model: GaugeModel, vcell: int, volts: float) -> None:
    assert gauge(model, vcell=vcell, soc=0x5780).read().voltage_v == pytest.approx(volts)


def test_charge_is_in_256ths_of_a_percent() -> None:
    assert gauge("max17048", vcell=48000, soc=0x5780).read().percent == 87.5


@pytest.mark.parametrize(("crate", "rate"), [(0, 0.0), (100, 20.8), (0x10000 - 50, -10.4)])
def test_rate_has_a_sign_and_only_the_newer_chips_have_it(crate: int, rate: float) -> None:
    assert gauge("max17048", vcell=48000, soc=0x1000, crate=crate).read().rate_percent_h == pytest.approx(rate)
    assert gauge("max17043", vcell=48000, soc=0x1000, crate=crate).read().rate_percent_h is None


@pytest.mark.parametrize(("soc", "percent"), [(0x6900, 100.0), (0x6E00, 100.0), (0x6F00, None), (0xFFFF, None)])
def test_more_than_full_is_full_and_far_more_is_nonsense(soc: int, percent: float | None) -> None:
    reading = gauge("max17048", vcell=53000, soc=soc).read()
    assert reading.percent == percent and reading.voltage_v is not None


@pytest.mark.parametrize("vcell", [0x0000, 0xFFFF, 20000])
def test_a_voltage_no_cell_has_takes_the_charge_with_it(vcell: int) -> None:
    """0: not measured yet after power-on; all ones: a bus stuck high; 1.56 V: no lithium cell."""
    assert gauge("max17048", vcell=vcell, soc=0x5780, crate=20).read() == GaugeReading(None, None, None)


def test_a_gauge_that_is_gone_is_an_error() -> None:
    with pytest.raises(DeviceError, match="max17043") as caught:
        Max1704x(StubBus(), "max17043").read()
    assert caught.value.errno == errno.ENODEV


def test_version_tells_a_gauge_from_an_empty_address() -> None:
    assert gauge("max17048", version=0x0012).version() == 0x0012
    for nothing in (0x0000, 0xFFFF):
        with pytest.raises(DeviceError, match="impossible version"):
            gauge("max17048", version=nothing).version()
