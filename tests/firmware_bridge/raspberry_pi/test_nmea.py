"""Sentences to fixes; everything that is not one is counted."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import GnssCounters
from firmware_bridge.raspberry_pi.nmea import NmeaEpochs, Reading
from hw_sim.devices import nmea

UTC = int(datetime.datetime(2026, 5, 18, 1, 30, tzinfo=datetime.UTC).timestamp()) * 1_000_000
PLACE = nmea.Place(38.0428, 114.5149, 80.5, 1.5, 91.5)


def feed(
    lines: list[str], counters: GnssCounters | None = None, idle: bool = True
) -> tuple[list[Reading], GnssCounters]:
    counters = counters or GnssCounters()
    epochs = NmeaEpochs(counters)
    readings = [reading for n, line in enumerate(lines) for reading in epochs.line(line.encode() + b"\r\n", 1000 + n)]
    return readings + (epochs.idle() if idle else []), counters


@pytest.mark.parametrize("order", [1, -1])
def test_gga_and_rmc_become_one_fix_in_either_order(order: int) -> None:
    readings, counters = feed(nmea.epoch_lines(PLACE, UTC)[::order], idle=False)
    assert len(readings) == 1, "delivered as soon as both halves are there"
    fix = readings[0].fix
    assert fix.latitude == pytest.approx(38.0428, abs=1e-6) and fix.longitude == pytest.approx(114.5149, abs=1e-6)
    assert (fix.altitude_m, fix.quality, fix.satellites, fix.hdop) == (80.5, 1, 12, 0.83)
    assert fix.speed_mps == pytest.approx(1.5, abs=0.01) and fix.course_deg == 91.5
    assert fix.utc_us == UTC and fix.received_us == 1000
    assert counters == GnssCounters(sentences=2)


def test_half_an_epoch_is_told_with_what_it_has() -> None:
    rmc, gga = nmea.epoch_lines(PLACE, UTC)
    only_gga = feed([gga])[0][0].fix
    assert only_gga.utc_us is None and only_gga.speed_mps is None and only_gga.altitude_m == 80.5
    only_rmc = feed([rmc])[0][0].fix
    assert only_rmc.utc_us == UTC and only_rmc.altitude_m is None and only_rmc.quality == 1


def test_bad_checksum_is_counted() -> None:
    lines = [nmea.with_bad_checksum(line) for line in nmea.epoch_lines(PLACE, UTC)]
    assert feed(lines) == ([], GnssCounters(sentences=2, bad_checksum=2))


def test_truncated_sentence_is_not_accepted() -> None:
    """pynmea2 #128: without a demanded checksum, a cut sentence is a wrong position."""
    readings, counters = feed([nmea.truncated(line) for line in nmea.epoch_lines(PLACE, UTC)])
    assert readings == [] and counters.bad_checksum + counters.unparsable == 2


@given(cut=st.integers(0, 70))
def test_no_cut_of_a_sentence_gives_a_position(cut: int) -> None:
    for line in nmea.epoch_lines(PLACE, UTC):
        assert feed([line[: min(cut, len(line) - 1)]])[0] == []


@given(junk=st.binary(max_size=150))
def test_noise_on_the_line_gives_nothing_and_raises_nothing(junk: bytes) -> None:
    epochs = NmeaEpochs(GnssCounters())
    assert epochs.line(junk, 1) == [] and epochs.line(b"$" + junk, 2) == [] and epochs.idle() == []


def test_no_fix_is_counted_and_not_told() -> None:
    assert feed(nmea.no_fix_lines(UTC)) == ([], GnssCounters(sentences=2, no_fix=2))


@pytest.mark.parametrize("order", [1, -1])
def test_one_half_without_fix_spoils_the_epoch(order: int) -> None:
    mixed = [nmea.epoch_lines(PLACE, UTC)[0], nmea.no_fix_lines(UTC)[1]][::order]
    readings, counters = feed(mixed)
    assert readings == [] and counters.no_fix >= 1


@pytest.mark.parametrize("quality", [0, 6, 7, 8])
def test_dead_reckoning_manual_and_simulator_are_no_evidence(quality: int) -> None:
    _, gga = nmea.epoch_lines(PLACE, UTC)
    fields = gga[1:].partition("*")[0].split(",")
    fields[6] = str(quality)
    assert feed([nmea.with_checksum(",".join(fields))]) == ([], GnssCounters(sentences=1, no_fix=1))


def test_a_repeated_epoch_is_not_told_again() -> None:
    lines = nmea.epoch_lines(PLACE, UTC)
    readings, counters = feed(lines * 3)
    assert len(readings) == 1 and counters.repeated == 4


@pytest.mark.parametrize(
    "body",
    [
        "GNGGA,013000.00,3802.56800,,11430.89400,E,1,12,0.83,80.0,M,-9.6,M,,",
        "GNGGA,013000.00,3862.56800,N,11430.89400,E,1,12,0.83,80.0,M,-9.6,M,,",
        "GNGGA,013000.00,9902.56800,N,11430.89400,E,1,12,0.83,80.0,M,-9.6,M,,",
        "GNGGA,013000.00,3802.56800,N,18130.89400,E,1,12,0.83,80.0,M,-9.6,M,,",
        "GNGGA,,3802.56800,N,11430.89400,E,1,12,0.83,80.0,M,-9.6,M,,",
        "GNGGA,253000.00,3802.56800,N,11430.89400,E,1,12,0.83,80.0,M,-9.6,M,,",
        "GNGGA,013000.00,,,,,1,12,0.83,80.0,M,-9.6,M,,",
        "GNGGA,013000.00",
    ],
)
def test_a_right_checksum_does_not_make_nonsense_a_place(body: str) -> None:
    readings, counters = feed([nmea.with_checksum(body)])
    assert readings == []
    assert counters.unparsable + counters.no_fix == 1


def test_a_rolled_over_date_gives_no_utc_but_a_place() -> None:
    rollover = UTC - 1024 * 7 * 86_400 * 1_000_000
    fix = feed(nmea.epoch_lines(PLACE, rollover))[0][0].fix
    assert fix.utc_us is None and fix.latitude == pytest.approx(38.0428, abs=1e-6)


def test_other_sentences_are_welcome_and_unused() -> None:
    gsv = nmea.with_checksum("GPGSV,1,1,00")
    proprietary = nmea.with_checksum("PUBX,00,013000.00")
    unknown = nmea.with_checksum("GNXYZ,1,2,3")
    readings, counters = feed([gsv, proprietary, unknown])
    assert readings == [] and counters == GnssCounters(sentences=3)


@given(
    latitude=st.floats(-89.9, 89.9),
    longitude=st.floats(-179.9, 179.9),
    utc=st.integers(UTC, UTC + 300 * 86_400 * 1_000_000).map(lambda t: t - t % 10_000),
)
def test_round_trip(latitude: float, longitude: float, utc: int) -> None:
    fix = feed(nmea.epoch_lines(nmea.Place(latitude, longitude), utc))[0][0].fix
    assert fix.latitude == pytest.approx(latitude, abs=1e-6) and fix.longitude == pytest.approx(longitude, abs=1e-6)
    assert fix.utc_us == pytest.approx(utc, abs=2)
