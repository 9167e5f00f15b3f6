"""The unit's poster against the real store, from a card that has damaged lines: what can be read goes up, and the store is
told of exactly what cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import LEAF_DAYS, file_signer
from hw_sim.agency.store.device_keys import DeviceKeys
from hw_sim.agency.store.journal_log import JournalLog
from hw_sim.agency.store.journals import MOST_AHEAD
from hw_sim.agency.store.tls import load
from recorder.evidence import jws
from recorder.evidence.encoding import b64u, unb64u
from recorder.evidence.trust import Trust
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.faults import UplinkFault
from recorder.uplink.http import StoreClient
from recorder.uplink.journal_lines import JournalLines
from recorder.uplink.journal_post import JournalPoster
from tests.hw_sim.agency.test_segments import HandClock
from tests.hw_sim.agency.unit_double import UnitDouble, csr, new_key

Damage = Callable[[list[bytes]], bytes]
HEAD = 19


def flipped(*numbers: int, at: int = -10) -> Damage:
    """One character of each of these lines is another one; in the signature they still read as lines."""

    def damage(lines: list[bytes]) -> bytes:
        changed = [bytearray(line) for line in lines]
        for number in numbers:
            changed[number][at] = ord("B") if changed[number][at] == ord("A") else ord("A")
        return b"".join(bytes(line) + b"\n" for line in changed)

    return damage


def renamed(*numbers: int) -> Damage:
    """The header of each of these lines names a key that nobody has, and is whole."""

    def damage(lines: list[bytes]) -> bytes:
        changed = list(lines)
        for number in numbers:
            header, rest = lines[number].split(b".", 1)
            said = unb64u(header.decode()).replace(b'"kid":"', b'"kid":"-')
            end = said.index(b'"', said.index(b'"kid":"-') + 8)
            changed[number] = b64u(said[: end - 1] + said[end:]).encode() + b"." + rest
        return b"".join(line + b"\n" for line in changed)

    return damage


def zeroed(first: int, last: int) -> Damage:
    """A sector from the middle of one line to the middle of another, the line ends between them with it."""

    def damage(lines: list[bytes]) -> bytes:
        body = bytearray(b"".join(line + b"\n" for line in lines))
        begin = sum(len(line) + 1 for line in lines[:first]) + 100
        end = sum(len(line) + 1 for line in lines[:last]) + 250
        body[begin:end] = bytes(end - begin)
        return bytes(body)

    return damage


class Card:
    def __init__(self, store: StoreProcess, unit: UnitDouble, folder: Path) -> None:
        self.unit = unit
        unit.write_boot()
        unit.write_events(HEAD)
        folder.mkdir()
        self.file = folder / f"{0:012d}.jws"
        url = f"https://127.0.0.1:{store.port}"
        self.client = StoreClient(url, unit.directory, ConnectionOptions(5, 5), SystemClock())
        self.receipts: list[str] = []
        self.lost: list[str] = []
        self.poster = JournalPoster(
            self.client, JournalLines(folder), self.receipts.append, lambda fault: self.lost.append(fault.detail)
        )
        self.stored = JournalLog(store.root / unit.unit_id / unit.journal_id / "journal")

    def post(self, from_seq: int | None = None) -> int:
        return self.poster.post(self.unit.journal_id, from_seq, HEAD)


@pytest.fixture
def card(store: StoreProcess, unit: UnitDouble, tmp_path: Path) -> Iterator[Card]:
    made = Card(store, unit, tmp_path / "journal")
    yield made
    made.client.close()


@pytest.mark.parametrize(
    ("damage", "runs"),
    [
        (flipped(5), [(5, 5)]),
        (flipped(5, 6, 7), [(5, 7)]),
        (flipped(5, 9), [(5, 5), (9, 9)]),
        (flipped(5, at=3), [(5, 5)]),
        (renamed(5), [(5, 5)]),
        (renamed(5, 6), [(5, 6)]),
        (zeroed(5, 5), [(5, 5)]),
        (zeroed(5, 8), [(5, 8)]),
    ],
    ids=["a bit", "three lines", "two places", "a header", "a key", "two keys", "zeros", "a sector with its line ends"],
)
def test_what_is_damaged_is_declared_and_all_else_is_stored(
    card: Card, damage: Damage, runs: list[tuple[int, int]]
) -> None:
    card.file.write_bytes(damage(card.unit.lines))
    next_seq: int | None = None
    while next_seq != HEAD + 1:
        next_seq = card.post(next_seq)
    gone = {seq for first, last in runs for seq in range(first, last + 1)}
    kept = [(seq, line) for seq, line in enumerate(card.unit.lines) if seq not in gone]
    assert list(card.stored.lines(0)) == kept
    assert [text.split(" 已")[0] for text in card.lost] == [f"seq {first}..{last}" for first, last in runs]
    gaps = jws.split(card.receipts[-1]).payload["gaps"]
    assert [tuple(gap) for gap in gaps] == runs


@pytest.mark.parametrize("damage", [flipped(5), renamed(5)], ids=["a bit", "a key"])
def test_damage_behind_what_is_stored_loses_nothing(card: Card, damage: Damage) -> None:
    assert card.unit.post(0, 6).status == 200
    card.file.write_bytes(damage(card.unit.lines))
    assert card.post(None) == HEAD + 1
    assert list(card.stored.lines(0)) == list(enumerate(card.unit.lines))
    assert jws.split(card.receipts[-1]).payload.get("gaps", []) == []


def test_a_line_that_stands_as_written_is_never_declared_lost(card: Card) -> None:
    """Refused for whatever other reason: here it names another unit."""
    del card.unit.lines[10:]
    card.unit.write(card.unit.boot(unit_id="zfy-other"))
    card.unit.write_events(HEAD - 10)
    card.file.write_bytes(card.unit.body(0))
    with pytest.raises(UplinkFault, match=r"journal-invalid: .*seq 10"):
        card.post()
    assert card.lost == []
    assert [seq for seq, _ in card.stored.lines(0)] == list(range(10))


def restarted(card: Card) -> int:
    """The unit starts again and writes on: the newest ``seq``."""
    card.unit.write(card.unit.boot(previous_end="unclean", same_boot=True))
    card.unit.write_events(3)
    return card.unit.next_seq - 1


@pytest.mark.parametrize("damage", [flipped(0), flipped(0, at=3), zeroed(0, 0)], ids=["a bit", "a header", "zeros"])
def test_without_its_first_line_a_journal_goes_up_from_the_next_start_on(
    card: Card, damage: Damage, unit: UnitDouble
) -> None:
    card.file.write_bytes(damage(unit.lines))
    for _ in range(2):  # named each time, never a loss that was not one
        with pytest.raises(UplinkFault, match=r"journal-invalid: .*seq 1: .*boot record of its key .* is damaged"):
            card.post()
    assert (card.lost, list(card.stored.lines(0))) == ([], [])
    segment = unit.segment(1000)  # a recording meanwhile: its bytes go up at once
    unit.close(segment)
    assert unit.upload(segment).status == 204
    assert unit.receipt(segment).json["state"] == "awaiting-journal"
    head = restarted(card)
    card.file.write_bytes(damage(unit.lines))
    next_seq: int | None = None
    while next_seq != head + 1:
        next_seq = card.poster.post(unit.journal_id, next_seq, head)
    assert list(card.stored.lines(0)) == list(enumerate(unit.lines))[1:]
    assert [text.split(" 已")[0] for text in card.lost] == ["seq 0..0"]
    assert [tuple(gap) for gap in jws.split(card.receipts[-1]).payload["gaps"]] == [(0, 0)]
    assert unit.receipt(segment).status == 200


def test_lines_found_again_are_kept_apart_though_their_key_is_unknown_by_then(card: Card, authority: Authority) -> None:
    """The unit was enrolled anew, everything before that was declared lost, the line that brought the former key too."""
    unit, former = card.unit, card.unit.signer
    del unit.lines[4:]
    signing, client = new_key(), new_key()
    enrolment = authority.enrol(unit.unit_id, csr(signing, unit.unit_id), csr(client, unit.unit_id))
    chain = tuple(x509.load_pem_x509_certificates(enrolment.device_cert_pem_chain))
    unit.signer = file_signer(signing, chain)
    unit.write_boot()
    unit.write_events(2)
    body, kind = unit.body(4), {"Content-Type": "application/jose"}
    assert unit.request("POST", f"/journals/{unit.journal_id}?from=4&after=0", kind, body).status == 200
    refused = unit.post(1, 4)
    assert (refused.status, refused.json["seq"], refused.json["unknown_kid"]) == (422, 1, former.kid)
    card.file.write_bytes(unit.body(0))
    assert card.poster.offer(unit.journal_id, 1, 3) is None
    assert unit.post(1, 4).json["type"] == "urn:zfy:journal-late"


def test_a_key_comes_only_with_a_boot_line_of_this_unit_and_journal(
    card: Card, unit: UnitDouble, new_unit: Callable[[], UnitDouble]
) -> None:
    def bring(line: bytes, who: UnitDouble = unit, kind: str = "application/jose") -> tuple[int, str]:
        reply = who.request("POST", f"/journals/{unit.journal_id}/keys", {"Content-Type": kind}, line + b"\n")
        return reply.status, reply.json.get("kid", reply.json.get("reason", ""))

    stranger = new_unit()
    stranger.write_boot()
    forged = bytearray(unit.lines[0])
    forged[-10] = ord("B") if forged[-10] == ord("A") else ord("A")
    assert bring(unit.lines[1])[0] == 422  # an event
    assert bring(bytes(forged))[0] == 422
    assert bring(b"no line")[0] == 422
    assert bring(stranger.lines[0])[0] == 422  # another unit's key
    assert bring(stranger.lines[0], stranger) == (422, f"journal_id {stranger.journal_id} is not {unit.journal_id}")
    assert bring(unit.line(unit.boot(unit_id="zfy-other")))[0] == 422
    assert bring(unit.lines[0], stranger)[0] == 422
    assert bring(unit.lines[0], kind="text/plain")[0] == 415
    refused = unit.request(
        "POST", f"/journals/{unit.journal_id}?from=1&after=0", {"Content-Type": "application/jose"}, unit.body(1)
    )
    assert (refused.status, refused.json["seq"], refused.json["unknown_kid"]) == (422, 1, unit.signer.kid)
    for _ in range(2):
        assert bring(unit.lines[0]) == (200, unit.signer.kid)
    assert unit.post(1).status == 409  # a gap has to be declared as before
    assert bring(unit.lines[0], stranger)[0] == 422


def test_journals_that_have_a_key_and_no_line_are_few(store: StoreProcess, unit: UnitDouble) -> None:
    jose_type, begun = {"Content-Type": "application/jose"}, list[tuple[str, bytes]]()

    def bring(journal_id: str, line: bytes) -> int:
        return unit.request("POST", f"/journals/{journal_id}/keys", jose_type, line + b"\n").status

    for _ in range(MOST_AHEAD + 1):
        unit.journal_id = unit.uuid()
        begun.append((unit.journal_id, unit.line(unit.boot())))
    assert [bring(*it) for it in begun] == [200] * MOST_AHEAD + [429]
    assert len(list((store.root / unit.unit_id).iterdir())) == MOST_AHEAD
    assert bring(*begun[0]) == 200  # not one more
    journal_id, line = begun[0]
    assert unit.request("POST", f"/journals/{journal_id}?from=0", jose_type, line + b"\n").status == 200
    assert [bring(*begun[-1]), bring(*begun[0])] == [200, 200]


def test_a_revoked_or_expired_key_is_not_taken_behind_lost_lines(
    unit: UnitDouble, authority: Authority, tmp_path: Path
) -> None:
    trusted = load(authority.ca_file, authority.crl_file)
    current, clock = [trusted], HandClock(SystemClock().wall_us() / 1e6)
    keys = DeviceKeys(tmp_path / "keys", unit.unit_id, lambda: current[0], clock)
    unit.write_boot()
    keys.adopt(keys.introduce(jws.split(unit.lines[0].decode())))
    kid = unit.signer.kid
    assert keys.good(kid) is not None
    leaf = x509.load_pem_x509_certificates((unit.directory / "device-cert.pem").read_bytes())[0]
    current[0] = Trust(trusted.authorities, (), ((leaf.issuer, leaf.serial_number, clock.wall),))
    assert (keys.good(kid), keys.known(kid) is not None) == (None, True)
    current[0] = trusted
    clock.wall += (LEAF_DAYS + 1) * 86400
    assert keys.good(kid) is None
    assert keys.good("x" * 43) is None
