"""Whether the unit believes a receipt (储存回执) of the agency store: pure, and strict, because belief permits deletion.

A receipt is believed only if the pinned store key signed it, it speaks of this unit, this journal and one of this unit's
keys, its head is a line of our own journal, and every segment it names is ours byte for byte and locked long enough. One
wrong segment refuses the whole receipt: a store that is wrong about one thing is not trusted about the next.

Lines it says the unit had lost (``gaps``) are not the store's word against ours: somebody declared them lost, and what came
behind them is anchored all the same. Those that are here after all are named, and what they touch is not let go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from pydantic import ValidationError

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.jws import JwsError
from recorder.evidence.p256 import PublicKey
from recorder.evidence.records import Receipt, StoredSegment

TYP = "receipt"
DAY_S = 86_400.0
STORE_GAP_EVENT = "store-gap"
"""The unit's own word on a gap a receipt names."""
STORE_GAP_FAULT = "store-gap"
"""The fault while lines of such a gap are here."""


class StoreKeyError(ValueError):
    """The pinned store key cannot be used."""


@dataclass(frozen=True, slots=True)
class OwnSegment:
    """What our journal says of a segment: digest and size of the stored file."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class LockPolicy:
    """What the store must have promised: an immutable object, kept so many days from storing on (0: no term asked)."""

    require_lock: bool = True
    min_days: float = 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines ``first`` … ``last`` the store does not have. ``held``: (first, last) of those that are here after all; None:
    they are lost here, too."""

    first: int
    last: int
    held: tuple[int, int] | None

    def touches(self, first: int, last: int) -> bool:
        """Whether it takes a line from ``first`` … ``last``."""
        return self.first <= last and first <= self.last


@dataclass(frozen=True, slots=True)
class Believed:
    """``receipt_digest``: SHA-256 of the receipt's whole line, what ``receipt`` and ``release`` records name. ``gaps``: as
    our own journal knows them; nothing that one of them touches and that is ``held`` may be released on this receipt."""

    receipt: Receipt
    receipt_digest: str
    gaps: tuple[Gap, ...] = ()

    def looked_for(self, held: Callable[[int, int], tuple[int, int] | None]) -> Believed:
        """With its gaps held against our journal: ``held`` as of :meth:`ReceiptCheck.verify`. Raises what that raises."""
        return replace(self, gaps=tuple(Gap(first, last, held(first, last)) for first, last in self.receipt.gaps))


@dataclass(frozen=True, slots=True)
class Refused:
    """``code`` is stable, the texts are for people."""

    code: str
    zh: str
    en: str


class ReceiptCheck:
    """The unit's side of a receipt. ``device_kids``: thumbprints of this unit's keys, the present and former ones."""

    def __init__(
        self,
        store_key: PublicKey,
        unit_id: str,
        device_kids: Collection[str],
        journal_id: str,
        policy: LockPolicy | None = None,
    ) -> None:
        self._key = store_key
        self._kid = store_key.kid
        self._unit_id = unit_id
        self._device_kids = frozenset(device_kids)
        self._journal_id = journal_id
        self._policy = policy or LockPolicy()

    def verify(
        self,
        text: str,
        digest_of: Callable[[int], str | None],
        own: Callable[[str], OwnSegment | None],
        held: Callable[[int, int], tuple[int, int] | None],
        believed: Callable[[str], bool] = lambda _: False,
    ) -> Believed | Refused:
        """``digest_of(seq)``: digest of our own durable line; ``own(segment_id)``: our record of a segment;
        ``held(first, last)``: which of our own lines of these numbers are here (``Journal.held``); ``believed(jti)``: this
        receipt was taken in before (a replay is refused, and harmless). Raises what these raise."""
        verdict = self.judge(text, digest_of, own, believed)
        return verdict.looked_for(held) if isinstance(verdict, Believed) else verdict

    def judge(
        self,
        text: str,
        digest_of: Callable[[int], str | None],
        own: Callable[[str], OwnSegment | None],
        believed: Callable[[str], bool] = lambda _: False,
    ) -> Believed | Refused:
        """As ``verify``, its gaps not looked for yet: :meth:`Believed.looked_for` does that."""
        try:
            parts = jws.split(text)
        except JwsError as error:
            return Refused("receipt-malformed", "回执格式错误", f"malformed receipt: {error}")
        if parts.typ != TYP:
            return Refused("receipt-type", "不是回执", f"not a receipt but {parts.typ[:40]!r}")
        if parts.kid != self._kid:
            return Refused("receipt-key", "不是所信任存储的密钥签发", "not signed by the pinned store key")
        try:
            jws.verify(text, self._key)
        except JwsError as error:
            return Refused("receipt-signature", "回执签名无效", str(error))
        try:
            receipt = Receipt.model_validate(parts.payload)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            return Refused("receipt-form", f"回执字段 {place} 有误", f"receipt field {place}: {first['msg']}")
        refused = self._whose(receipt) or self._head(receipt, digest_of) or self._gaps(receipt)
        if refused is None and believed(receipt.jti):
            refused = Refused("receipt-replayed", "回执已处理过", f"receipt {receipt.jti} was taken in before")
        for segment in receipt.segments:
            refused = refused or self._segment(segment, own(segment.segment_id))
        if refused is not None:
            return refused
        return Believed(receipt, sha256_b64u(text.encode("ascii")))

    def _whose(self, receipt: Receipt) -> Refused | None:
        if receipt.unit_id != self._unit_id:
            return Refused("receipt-other-unit", f"回执属于设备 {receipt.unit_id}", f"receipt is for {receipt.unit_id}")
        if receipt.device_kid not in self._device_kids:
            return Refused("receipt-other-key", "回执不是给本设备密钥的", "receipt names a key that is not this unit's")
        if receipt.journal_id != self._journal_id:
            return Refused("receipt-other-journal", "回执属于另一日志", f"receipt is for journal {receipt.journal_id}")
        return None

    @staticmethod
    def _head(receipt: Receipt, digest_of: Callable[[int], str | None]) -> Refused | None:
        ours = digest_of(receipt.head_seq)
        if ours is None:
            return Refused(
                "receipt-head-unknown",
                f"回执锚定的记录 {receipt.head_seq} 本机没有：日志可能被回退",
                f"receipt anchors record {receipt.head_seq}, which this unit does not have: rolled back?",
            )
        if ours != receipt.head_digest:
            return Refused(
                "receipt-head-differs",
                f"回执锚定的记录 {receipt.head_seq} 与本机不同：日志分叉",
                f"receipt anchors a different record {receipt.head_seq}: the journal has forked",
            )
        return None

    @staticmethod
    def _gaps(receipt: Receipt) -> Refused | None:
        for first, last in receipt.gaps:
            if not first <= last < receipt.head_seq:
                return Refused(
                    "receipt-gap-form",
                    f"回执所列缺失记录 {first} 至 {last} 不在其锚定的记录 {receipt.head_seq} 之前",
                    f"the gap {first} to {last} does not lie below the anchored record {receipt.head_seq}",
                )
        return None

    def _segment(self, stored: StoredSegment, ours: OwnSegment | None) -> Refused | None:
        name = stored.segment_id
        if ours is None:
            return Refused("receipt-segment-unknown", f"本机没有片段 {name}", f"segment {name} is not of this unit")
        if (ours.sha256, ours.size) != (stored.sha256, stored.size):
            return Refused(
                "receipt-segment-differs",
                f"片段 {name} 的摘要或大小与本机记录不符",
                f"segment {name}: digest or size differs from our own record",
            )
        if self._policy.require_lock and stored.lock_mode != "compliance":
            return Refused("receipt-not-locked", f"片段 {name} 未锁定", f"segment {name} is not locked in the store")
        if stored.retain_until < stored.stored_at + self._policy.min_days * DAY_S:
            return Refused(
                "receipt-lock-short",
                f"片段 {name} 锁定期不足 {self._policy.min_days:g} 天",
                f"segment {name} is locked for less than {self._policy.min_days:g} days",
            )
        return None


def load_store_key(pem: bytes, name: str) -> PublicKey:
    """The pinned store key from SPKI PEM; ``name`` is the file, for the message. Raises StoreKeyError."""
    try:
        return PublicKey.from_pem(pem)
    except ValueError as error:
        raise StoreKeyError(f"{name}: 不是 P-256 PEM 公钥 not a P-256 PEM public key: {error}") from error
