"""What waited during a stall comes as one block, and nothing else is touched."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.ports import AudioBlock
from recorder.capture.late_blocks import LateBlocks

RATE, BLOCK = 48_000, 960


def block(number: int, read_at_us: int, *, overflowed: bool = False) -> AudioBlock:
    return AudioBlock(np.full(BLOCK, number, np.int16), read_at_us, overflowed)


def numbers(blocks: list[AudioBlock]) -> list[list[int]]:
    return [each.samples[::BLOCK].tolist() for each in blocks]


def test_without_a_stall_every_block_passes_however_late() -> None:
    late = LateBlocks(RATE)
    blocks = [block(n, 1_000_000) for n in range(20)]
    assert [late.take(each) for each in blocks] == [[each] for each in blocks]
    assert late.rest() == []


def test_what_waited_is_one_block_read_when_the_last_of_it_was() -> None:
    late = LateBlocks(RATE)
    late.hold()
    assert [late.take(block(n, 1_000_000 + 100 * n, overflowed=n == 0)) for n in range(4)] == [[]] * 4
    joined, in_pace = late.take(block(4, 1_020_000))
    assert numbers([joined, in_pace]) == [[0, 1, 2, 3], [4]]
    assert (joined.read_at_us, joined.overflowed, in_pace.overflowed) == (1_000_300, True, False)
    assert len(late.take(block(5, 1_020_100))) == 1, "held once only"


def test_one_block_and_nothing_after_it_is_not_withheld() -> None:
    late = LateBlocks(RATE)
    late.hold()
    assert late.take(block(7, 1_000_000)) == []
    assert numbers(late.rest()) == [[7]]
    assert late.rest() == []


def test_a_device_that_is_faster_than_sound_is_not_held_for_good() -> None:
    late = LateBlocks(RATE)
    late.hold()
    came = [late.take(block(n, 1_000_000 + n)) for n in range(200)]
    assert sum(len(each) for each in came) == 1 + 50 and len(came[149][0].samples) == 150 * BLOCK


@given(st.lists(st.tuples(st.integers(0, 40_000), st.sampled_from(["block", "nothing", "hold"])), max_size=60))
def test_every_block_comes_once_and_in_order(steps: list[tuple[int, str]]) -> None:
    late, at_us, given_blocks, taken = LateBlocks(RATE), 0, 0, list[AudioBlock]()
    for later_us, step in steps:
        at_us += later_us
        if step == "block":
            taken += late.take(block(given_blocks, at_us))
            given_blocks += 1
        elif step == "nothing":
            taken += late.rest()
        else:
            late.hold()
    taken += late.rest()
    assert [number for each in numbers(taken) for number in each] == list(range(given_blocks))
