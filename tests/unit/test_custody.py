"""Nothing leaves the unit without a believed receipt and a durable tombstone (promise 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from recorder.channel import messages
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.p256 import PublicKey
from recorder.evidence.receipts import ReceiptCheck
from recorder.evidence.records import Receipt, StoredSegment
from recorder.evidence.signer import FileSigner
from recorder.unit.events import ButtonEdge
from recorder.unit.store_key import StoreKeyFile
from tests.evidence.kit import signer
from tests.unit.unit_kit import DIGEST, SEGMENT, UnitKit

STORE = file_signer(ec.generate_private_key(ec.SECP256R1()))
JTI = "00000000-0000-4000-8000-0000000000aa"
EVERYTHING_MB = 10**9


def shift_with_one_segment(data_dir: Path, **options: Any) -> tuple[UnitKit, Path]:
    """A recorded, stopped session of one segment; its file is there."""
    kit = UnitKit(data_dir, **options)
    kit.pin(STORE.public_key())
    kit.worker_up()
    kit.events.put(ButtonEdge("record", True, kit.clock.now_us))
    kit.turn(100_000)
    kit.events.put(ButtonEdge("record", False, kit.clock.now_us))
    kit.turn()
    session_id = kit.unit.p.machine.session_id
    assert session_id is not None
    kit.say(kit.opened(1, session_id))
    kit.say(kit.entry(1, 0))
    kit.turn(100_000)
    path = data_dir / "segments" / session_id / f"{SEGMENT.format(1)}.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(65536))
    kit.events.put(ButtonEdge("record", True, kit.clock.now_us))
    kit.turn(1_600_000)
    kit.say(
        messages.Closed(
            camera_id="cam0",
            at_us=kit.clock.now_us,
            n=kit.next_n(),
            session_id=session_id,
            segment_id=SEGMENT.format(1),
            reason="stop",
            last_of_session=True,
            entries=1,
            size=65536,
            sha256=sha256_b64u(bytes(65536)),
            plaintext_size=65536,
            plaintext_sha256=DIGEST,
            media_start_us=kit.clock.now_us - 1_700_000,
            media_end_us=kit.clock.now_us,
            frames=51,
            dropped_frames=0,
            audio_gaps_us=0,
            fix_seconds=0,
        )
    )
    kit.turn()
    assert kit.unit.p.machine.session_id is None
    return kit, path


def receipt(kit: UnitKit, key: FileSigner = STORE, **changes: object) -> str:
    row = kit.index.segment(SEGMENT.format(1))
    durable = kit.journal.durable
    assert row is not None
    assert durable is not None
    stored = {
        "segment_id": row["segment_id"],
        "session_id": row["session_id"],
        "sha256": row["sha256"],
        "size": row["size"],
        "object": "o",
        "version": "1",
        "lock_mode": "compliance",
        "retain_until": kit.clock.wall_us() / 1e6 + 86400 * 400,
        "stored_at": kit.clock.wall_us() / 1e6,
        **changes,
    }
    payload = Receipt(
        ver=1,
        iss="store",
        iat=kit.clock.wall_us() / 1e6,
        jti=JTI,
        unit_id="zfy-000000",
        device_kid=signer().kid,
        journal_id=kit.journal.journal_id,
        head_seq=durable[0],
        head_digest=durable[1],
        segments=(StoredSegment.model_validate(stored),),
    )
    return jws.sign("receipt", payload.model_dump(mode="json"), key)


def deliver(kit: UnitKit, text: str) -> None:
    folder = kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    (folder / f"{JTI}.jws").write_text(text + "\n")
    kit.custody.receipts_arrived()
    for _ in range(4):
        kit.turn(2_100_000)


def test_a_receipted_segment_is_released_with_its_tombstone_first(tmp_path: Path) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit", keep_window_h=0.0, release_below_free_mb=EVERYTHING_MB)
    deliver(kit, receipt(kit))
    kinds = kit.types()
    assert kinds.index("receipt") < kinds.index("release")
    assert not path.exists()
    assert kit.types().count("release") == 1


def test_the_file_stays_while_the_tombstone_is_not_durable(tmp_path: Path) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit", keep_window_h=0.0, release_below_free_mb=EVERYTHING_MB)
    text = receipt(kit)
    kit.files.refuse = True
    deliver(kit, text)
    assert path.exists()
    kit.files.refuse = False
    for _ in range(4):
        kit.turn(2_100_000)
    assert not path.exists()


@pytest.mark.parametrize(
    ("keep_window_h", "below_mb"), [(72.0, EVERYTHING_MB), (0.0, 0)], ids=["keep-window", "space-is-left"]
)
def test_a_receipt_alone_releases_nothing(tmp_path: Path, keep_window_h: float, below_mb: int) -> None:
    kit, path = shift_with_one_segment(tmp_path / "u", keep_window_h=keep_window_h, release_below_free_mb=below_mb)
    deliver(kit, receipt(kit))
    assert "receipt" in kit.types()
    assert "release" not in kit.types()
    assert path.exists()


@pytest.mark.parametrize("kind", ["foreign-key", "wrong-digest", "wrong-size"])
def test_a_receipt_that_is_not_believed_releases_nothing(tmp_path: Path, kind: str) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit", keep_window_h=0.0, release_below_free_mb=EVERYTHING_MB)
    text = {
        "foreign-key": lambda: receipt(kit, file_signer(ec.generate_private_key(ec.SECP256R1()))),
        "wrong-digest": lambda: receipt(kit, sha256=DIGEST),
        "wrong-size": lambda: receipt(kit, size=65535),
    }[kind]()
    deliver(kit, text)
    assert "receipt" not in kit.types()
    assert path.exists()
    refusals = [payload for typ, payload in kit.records() if typ == "event" and payload["event"] == "receipt-refused"]
    assert [refusal["detail"]["receipt_id"] for refusal in refusals] == [JTI]


def test_a_release_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit", keep_window_h=0.0, release_below_free_mb=EVERYTHING_MB)
    content = path.read_bytes()
    deliver(kit, receipt(kit))
    path.write_bytes(content)  # as if the power had gone between tombstone and removal
    kit.index._db.execute("UPDATE segments SET state = 'released' WHERE segment_id = ?", [SEGMENT.format(1)])
    kit.custody.finish_releases()
    assert not path.exists()


def head_receipt(kit: UnitKit, number: int, iat: float) -> None:
    """A receipt that only anchors the head, on disk."""
    durable = kit.journal.durable
    assert durable is not None
    jti = f"00000000-0000-4000-8000-{number:012d}"
    payload = Receipt(
        ver=1,
        iss="store",
        iat=iat,
        jti=jti,
        unit_id="zfy-000000",
        device_kid=signer().kid,
        journal_id=kit.journal.journal_id,
        head_seq=durable[0],
        head_digest=durable[1],
        segments=(),
    )
    folder = kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    (folder / f"{jti}.jws").write_text(jws.sign("receipt", payload.model_dump(mode="json"), STORE) + "\n")


def test_a_session_begins_with_its_anchor_in_the_journal(tmp_path: Path) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    head_receipt(kit, 7, iat=1000.0)
    kit.custody.receipts_arrived()
    kit.turn(2_100_000)
    assert "receipt" not in kit.types()
    kit.unit.decide(kit.unit.start_request("command"))
    kit.turn()
    kinds = kit.types()
    assert kinds.index("receipt") < len(kinds) - 1 - kinds[::-1].index("session-start")
    starts = [payload for typ, payload in kit.records() if typ == "session-start"]
    recorded = [payload for typ, payload in kit.records() if typ == "receipt"]
    assert starts[-1]["last_receipt"] == recorded[-1]["receipt_digest"]


def test_old_receipts_of_the_head_are_thinned_and_the_rest_stays(tmp_path: Path) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    for number, iat in enumerate([0.0, 5.0, 10.0, 700.0, 705.0, 9000.0, 9005.0]):
        head_receipt(kit, number, iat)
    kit.custody.receipts_arrived()
    kit.turn(2_100_000)
    left = sorted(int(path.stem[-12:]) for path in (kit.data_dir / "receipts").iterdir())
    assert left == [0, 3, 5, 6]


# --- the store's key -------------------------------------------------------------------------------------------------


def recorded(kit: UnitKit) -> int:
    kit.turn(5_100_000)
    kit.turn(300_000)
    return kit.types().count("receipt")


def test_a_key_installed_while_the_unit_runs_is_believed_without_a_restart(tmp_path: Path) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    (kit.data_dir / "trust" / "store-key.pem").unlink()
    recorded(kit)
    deliver(kit, receipt(kit))
    assert recorded(kit) == 0
    kit.pin(file_signer(ec.generate_private_key(ec.SECP256R1())).public_key())
    assert recorded(kit) == 0, "another store's key"
    (kit.data_dir / "trust" / "store-key.pem").write_text("no key")
    assert recorded(kit) == 0
    kit.pin(STORE.public_key())
    assert recorded(kit) == 1, "the receipt that nobody could judge is judged now"


def test_a_key_that_does_not_change_is_read_once(tmp_path: Path) -> None:
    made: list[object] = []
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    path = kit.data_dir / "trust" / "store-key.pem"

    def make(key: PublicKey) -> ReceiptCheck:
        made.append(key)
        return ReceiptCheck(key, "zfy-000000", [signer().kid], kit.journal.journal_id)

    file = StoreKeyFile(path, make)
    assert [file.look() for _ in range(3)] == [True, False, False]
    assert len(made) == 1
    path.unlink()
    assert [file.look(), file.look(), file.check] == [True, False, None]


def test_old_tombstones_are_gone_through_over_many_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index made anew knows of every tombstone there ever was; no turn of the loop is long because of it."""
    monkeypatch.setattr("recorder.unit.custody.RELEASES_PER_TURN", 2)
    kit, path = shift_with_one_segment(tmp_path / "unit")
    for number in range(5):
        kit.index._db.execute(
            "INSERT INTO segments (segment_id, session_id, state) VALUES (?, ?, 'released')", [f"s{number}", "old"]
        )
    kit.index._db.execute("UPDATE segments SET state = 'released' WHERE segment_id = ?", [SEGMENT.format(1)])
    kit.custody.finish_releases()
    left = [len(kit.index.released())]
    for _ in range(4):
        kit.turn(300_000)
        left.append(len(kit.index.released()))
    assert left == [4, 2, 0, 0, 0]
    assert not path.exists()


def test_a_tombstone_the_disk_refuses_does_not_hold_up_those_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.unit.custody.RELEASES_PER_TURN", 1)
    kit, path = shift_with_one_segment(tmp_path / "unit")
    kit.index._db.execute("UPDATE segments SET state = 'released' WHERE segment_id = ?", [SEGMENT.format(1)])
    kit.index._db.execute("INSERT INTO segments (segment_id, session_id, state) VALUES ('s', 'old', 'released')")

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(kit.files, "remove", refuse)
    kit.custody.finish_releases()
    kit.turn(300_000)
    assert [segment for _, _, segment in kit.index.released()] == [SEGMENT.format(1)]
    monkeypatch.setattr(kit.files, "remove", Path.unlink)
    kit.custody.finish_releases()
    assert not path.exists()
