from __future__ import annotations

import json
from typing import Any

from firmware_bridge.ports import SensorInfo
from recorder.capture.telemetry import SegmentTelemetry, TelemetryBook
from recorder.channel.messages import Position, Telemetry


def position(received_us: int, quality: int = 1) -> Position:
    return Position(
        received_us=received_us,
        latitude=38.04,
        longitude=114.51,
        altitude_m=80.0,
        speed_mps=1.0,
        course_deg=90.0,
        quality=quality,
        satellites=9,
        hdop=0.9,
    )


def state(at_us: int, fix: Position | None = None) -> Telemetry:
    return Telemetry(
        camera_id="cam0",
        at_us=at_us,
        position=fix,
        lux=3.0,
        night=True,
        lamp=True,
        battery_percent=81.0,
        temperature_c=36.5,
    )


def fragment(telemetry: SegmentTelemetry, from_us: int, to_us: int) -> dict[str, Any]:
    content = json.loads(telemetry.fragment(from_us, to_us, SensorInfo(20_000, 4.0, 2.5), 7))
    assert isinstance(content, dict)
    return content


def test_fresh_values_and_their_fix() -> None:
    book = TelemetryBook(0)
    book.add(state(10_100_000, position(10_050_000)))
    content = fragment(SegmentTelemetry(book, 10_000_000), 10_000_000, 10_500_000)
    assert (content["stale"], content["position_stale"]) == (False, False)
    assert [fix["received_us"] for fix in content["fixes"]] == [10_050_000]
    assert (content["night"], content["lamp"], content["battery_percent"]) == (True, True, 81.0)
    assert (content["lux"], content["scene_lux"], content["exposure_us"], content["gain"]) == (3.0, 2.5, 20_000, 4.0)
    assert content["dropped_frames"] == 7


def test_old_values_are_stale_and_an_old_fix_is_not_repeated() -> None:
    book = TelemetryBook(0)
    book.add(state(10_000_000, position(10_000_000)))
    telemetry = SegmentTelemetry(book, 10_000_000)
    assert len(fragment(telemetry, 10_000_000, 10_500_000)["fixes"]) == 1
    book.add(state(11_900_000, position(10_000_000)))  # told again, not received again
    content = fragment(telemetry, 12_000_000, 12_500_000)
    assert (content["fixes"], content["position_stale"], content["stale"]) == ([], True, False)
    content = fragment(telemetry, 14_000_000, 14_500_000)
    assert content["stale"]


def test_preroll_gets_what_was_known_then() -> None:
    book = TelemetryBook(30_000_000)
    for second in range(1, 20):
        book.add(state(second * 1_000_000, position(second * 1_000_000)))
    content = fragment(SegmentTelemetry(book, 5_000_000), 5_000_000, 5_600_000)
    assert [fix["received_us"] for fix in content["fixes"]] == [5_000_000]
    assert not content["stale"]


def test_fix_seconds_count_seconds_with_a_believed_fix() -> None:
    book = TelemetryBook(60_000_000)
    telemetry = SegmentTelemetry(book, 0)
    for received_us, quality in ((100_000, 1), (600_000, 1), (1_200_000, 0), (2_400_000, 1)):
        book.add(state(received_us, position(received_us, quality)))
    fragment(telemetry, 0, 1_500_000)
    fragment(telemetry, 1_500_000, 3_000_000)
    assert telemetry.fix_seconds == 2


def test_the_book_forgets() -> None:
    book = TelemetryBook(1_000_000)
    for second in range(1000):
        book.add(state(second * 1_000_000, position(second * 1_000_000)))
    assert book.at(0, 900_000_000)[0] is None
