from __future__ import annotations

import threading

from firmware_bridge.ports import EncodedFrame, SensorInfo
from firmware_bridge.raspberry_pi.camera_delivery import Delivery
from tests.firmware_bridge.raspberry_pi.camera_rig import until


def frame(n: int, gop: int = 5, size: int = 100) -> EncodedFrame:
    return EncodedFrame(bytes(size), n % gop == 0, n, SensorInfo())


class Consumer:
    """Takes frames only while it is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.taken: list[int] = []
        self.failures: list[Exception] = []

    def take(self, frame: EncodedFrame) -> None:
        self.entered.set()
        assert self.open.wait(30)
        self.taken.append(frame.timestamp_us)


def test_in_order_and_all_of_them_until_stop() -> None:
    consumer = Consumer()
    consumer.open.set()
    delivery = Delivery(consumer.take, consumer.failures.append)
    delivery.start()
    for n in range(200):
        delivery.put(frame(n))
    assert delivery.stop(10)
    assert consumer.taken == list(range(200)) and delivery.lost == 0
    delivery.put(frame(200))
    assert delivery.lost == 1


def test_what_does_not_fit_is_lost_up_to_a_keyframe() -> None:
    """Room for twelve frames behind the one in the consumer's hands; frames 13 to 19 have no room, 20 is a keyframe."""
    consumer = Consumer()
    delivery = Delivery(consumer.take, consumer.failures.append, limit_bytes=1_200)
    delivery.start()
    delivery.put(frame(0))
    assert consumer.entered.wait(10)
    for n in range(1, 18):
        delivery.put(frame(n))
    consumer.open.set()
    until(lambda: len(consumer.taken) == 13)
    for n in range(18, 30):
        delivery.put(frame(n))
    assert delivery.stop(10)
    assert consumer.taken == [*range(13), *range(20, 30)] and delivery.lost == 7


def test_a_consumer_that_does_not_let_go_gets_nothing_more() -> None:
    consumer = Consumer()
    delivery = Delivery(consumer.take, consumer.failures.append)
    delivery.start()
    delivery.put(frame(0))
    delivery.put(frame(1))
    assert consumer.entered.wait(10)
    assert not delivery.stop(0.05)
    consumer.open.set()
    assert delivery.stop(10)
    assert consumer.taken == [0]


def test_a_consumer_that_raises_ends_delivery_and_says_so() -> None:
    failures: list[Exception] = []

    def deliver(frame: EncodedFrame) -> None:
        raise OSError("gone")

    delivery = Delivery(deliver, failures.append)
    delivery.start()
    delivery.put(frame(0))
    assert delivery.stop(10)
    assert [str(failure) for failure in failures] == ["gone"]


def test_one_that_never_started_stops() -> None:
    assert Delivery(lambda frame: None, lambda error: None).stop(0)
