from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from recorder.uplink.facts import Segment
from recorder.uplink.outbox import Outbox, message_id

J = "00000000-0000-4000-8000-000000000000"


def seg(seq: int) -> Segment:
    return Segment(J, seq, "a", f"{seq:08x}", "d", 5, 0.0)


def test_rows_and_cursor_survive_and_go_only_on_the_stores_ack(tmp_path: Path) -> None:
    path = tmp_path / "uplink" / "outbox.db"
    box = Outbox(path)
    assert box.cursor(J) == -1
    box.add(J, 9, [seg(3), seg(9)])
    box.close()
    box = Outbox(path)
    assert box.cursor(J) == 9
    assert [message.msg_id for message in box.pending(10)] == [f"{J}:3", f"{J}:9"]
    box.acknowledged([f"{J}:3", "unknown"])
    box.acknowledged([f"{J}:3"])
    assert [message.msg_id for message in box.pending(10)] == [f"{J}:9"]
    assert box.count() == 1
    box.close()


def test_adding_twice_doubles_nothing(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db")
    box.add(J, 3, [seg(3)])
    box.add(J, 3, [seg(3)])
    assert box.count() == 1
    box.close()


def test_rows_and_cursor_move_together_or_not_at_all(tmp_path: Path) -> None:
    """``with db.conn:`` would keep the first row here; ``atomic`` must not."""
    box = Outbox(tmp_path / "outbox.db")
    broken = Segment(J, 4, "a", "b", b"not json", 5, 0.0)  # type: ignore[arg-type]  # to fail in the middle
    with pytest.raises(TypeError):
        box.add(J, 9, [seg(3), broken])
    assert (box.count(), box.cursor(J)) == (0, -1)
    box.close()


def test_settings_of_the_database(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db")
    box.add(J, 1, [seg(1)])
    box.close()
    with sqlite3.connect(tmp_path / "outbox.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_what_lies_behind_the_cursor_is_taken_once(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db")
    other = Segment("another", 5, "a", "b", "d", 5, 0.0)
    assert box.take(J, [seg(3), other, seg(4)])
    assert (box.count(), box.cursor(J), box.cursor("another")) == (2, 4, -1)
    box.acknowledged([f"{J}:3", f"{J}:4"])
    assert box.take(J, [seg(3), seg(4)])
    assert box.count() == 0
    box.close()


def test_message_ids_depend_on_the_journal_only() -> None:
    assert message_id(seg(5)) == f"{J}:5"
