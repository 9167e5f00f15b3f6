"""How many journals a process holds open has an end, and a journal that is used is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_sim.agency.certificates import file_signer
from hw_sim.agency.objects.folder import FolderStore
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.journal_index import JournalIndex
from hw_sim.agency.store.keeping import Keeper
from hw_sim.agency.store.open_journals import OpenJournals
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.statement_shelf import StatementShelf
from recorder.evidence.trust import Trust
from tests.hw_sim.agency.test_segments import Desks, HandClock
from tests.hw_sim.agency.unit_double import new_key

KEPT = 3


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[OpenJournals]:
    desks, clock = Desks(tmp_path), HandClock()
    alarms = Alarms(tmp_path / "alarms.log", clock)
    keeper = Keeper(FolderStore(tmp_path), clock, 86400.0)
    shelf = StatementShelf(tmp_path / "staging" / "statements", desks.register, keeper, desks.apart)
    index = JournalIndex(desks.register, shelf, alarms)
    receipts = ReceiptDesk(desks.register, file_signer(new_key()), clock, "test")
    yield OpenJournals(tmp_path, desks.register, index, receipts, Trust, clock, alarms, None, KEPT)
    desks.register.close()


def test_the_number_of_open_journals_has_an_end(journals: OpenJournals) -> None:
    for number in range(10):
        with journals.hold("unit", f"journal-{number}") as journal:
            assert journal.opened
        assert journals.count <= KEPT
    assert journals.count == KEPT


def test_the_one_used_last_stays_the_others_are_opened_again(journals: OpenJournals) -> None:
    with journals.hold("unit", "often") as often:
        pass
    with journals.hold("unit", "once") as once:
        pass
    for number in range(10):
        with journals.hold("unit", f"journal-{number}"):
            pass
        with journals.hold("unit", "often") as again:
            assert again is often
    with journals.hold("unit", "once") as again:
        assert again is not once


def test_a_journal_in_use_or_that_something_was_said_about_is_not_closed(journals: OpenJournals) -> None:
    with journals.hold("unit", "said") as said:
        said.forks_full = True
    with journals.hold("unit", "held") as held:
        for number in range(10):
            with journals.hold("unit", f"journal-{number}"):
                pass
        with journals.hold("unit", "held") as same:
            assert same is held
    assert journals.count == KEPT
    with journals.hold("unit", "said") as again:
        assert again is said
