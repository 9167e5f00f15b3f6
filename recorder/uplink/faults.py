"""Every way the uplink can fail, named once: a code for machines, Chinese and English for people, and what it holds up.

None of these is ever success: evidence counts as stored only when a receipt that verifies is on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Hold = Literal["store", "journal", "segment", "none"]
"""What waits after the fault: everything towards the store, the journal posts, this one segment, or nothing."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    code: str
    zh: str
    en: str
    hold: Hold


class UplinkFault(Exception):
    """One fault. ``subject``: the segment, receipt or file concerned; ``retry_after_s``: the store's own wish."""

    def __init__(
        self, kind: FaultKind, detail: str = "", *, subject: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{kind.code}: {kind.zh} {kind.en}{': ' + detail if detail else ''}")
        self.kind = kind
        self.detail = detail
        self.subject = subject
        self.retry_after_s = retry_after_s


class LinkFault(UplinkFault):
    """The connection failed: whether the last request took effect is not known (HEAD tells)."""


class Stopped(Exception):
    """The process was asked to stop; the operation was abandoned at a point from which it resumes."""


# --- configuration and credentials -----------------------------------------------------------------------------------
STORE_NOT_CONFIGURED = FaultKind("store-not-configured", "未配置存储地址", "uplink.store_url is empty", "store")
STORE_URL_INVALID = FaultKind("store-url-invalid", "存储地址无效", "uplink.store_url is not usable", "store")
TLS_CREDENTIALS = FaultKind("tls-credentials", "TLS 证书或私钥不可用", "TLS credentials cannot be used", "store")

# --- connection ------------------------------------------------------------------------------------------------------
STORE_UNREACHABLE = FaultKind("store-unreachable", "存储无法连接", "store cannot be reached", "store")
STORE_UNRESOLVED = FaultKind(
    "store-unresolved", "存储的域名无法解析", "the store's name cannot be resolved (DNS)", "store"
)
STORE_TIMEOUT = FaultKind("store-timeout", "存储未在时限内应答", "store did not answer in time", "store")
CONNECTION_LOST = FaultKind("connection-lost", "与存储的连接中断", "connection to the store was lost", "store")
TLS_UNTRUSTED = FaultKind("tls-untrusted", "存储证书不可信", "the store's certificate is not trusted", "store")
TLS_NOT_NOW = FaultKind(
    "tls-not-now",
    "存储证书未生效或已过期，或本机时钟不对",
    "the store's certificate is not valid now, or this unit's clock is wrong",
    "store",
)
TLS_REFUSED = FaultKind("tls-refused", "存储拒绝本机证书", "the store refuses this unit's certificate", "store")
TLS_FAILED = FaultKind("tls-failed", "TLS 握手失败", "TLS handshake failed", "store")

# --- answers ---------------------------------------------------------------------------------------------------------
UNAUTHORIZED = FaultKind("unauthorized", "存储要求认证 (401)", "store says unauthorized (401)", "store")
FORBIDDEN = FaultKind("forbidden", "存储禁止访问 (403)", "store says forbidden (403)", "store")
TOO_LARGE = FaultKind("too-large", "存储认为数据过大 (413)", "store says too large (413)", "segment")
LOCKED = FaultKind("upload-locked", "上传被其他请求占用 (423)", "upload is held by another request (423)", "segment")
DIGEST_MISMATCH = FaultKind(
    "digest-mismatch", "存储收到的数据摘要不符 (460)", "bytes at the store do not match their digest (460)", "segment"
)
DIGEST_CONFLICT = FaultKind(
    "digest-conflict",
    "存储中的日志为此片段记载了另一摘要 (409)",
    "the journal at the store names another digest for this segment (409)",
    "segment",
)
STORE_FULL = FaultKind("store-full", "存储空间已满 (507)", "store is full (507)", "store")
STORE_BUSY = FaultKind("store-busy", "存储繁忙", "store is busy (429/503)", "store")
STORE_ERROR = FaultKind("store-error", "存储内部错误", "store failed (5xx)", "store")
UPLOAD_GONE = FaultKind(
    "upload-gone", "存储上没有该上传 (404/410)", "the store has no such upload (404/410)", "segment"
)
OFFSET_CONFLICT = FaultKind(
    "offset-conflict", "上传位置反复不符 (409)", "upload offset does not settle (409)", "segment"
)
NO_PROGRESS = FaultKind("no-progress", "上传没有进展", "upload makes no progress", "segment")
PROTOCOL = FaultKind("protocol-error", "存储应答不符合协议", "answer breaks the protocol", "store")

# --- receipts --------------------------------------------------------------------------------------------------------
RECEIPT_INVALID = FaultKind("receipt-invalid", "回执验证失败，未采信", "receipt does not verify, not kept", "none")
RECEIPT_PENDING = FaultKind("receipt-pending", "回执尚未签发", "receipt is not issued yet", "segment")
RECEIPT_NOT_KEPT = FaultKind("receipt-not-kept", "回执无法写入磁盘", "receipt cannot be written to disk", "store")
STORE_KEY_MISSING = FaultKind(
    "store-key-missing", "没有存储签名公钥，回执只转交未验证", "no store key: receipts are carried unverified", "none"
)
UNIT_REFUSED = FaultKind("unit-refused-receipt", "记录单元拒绝回执", "the unit process refused a receipt", "none")

# --- the journal -----------------------------------------------------------------------------------------------------
JOURNAL_ABSENT = FaultKind("journal-absent", "没有日志", "there is no journal yet", "none")
JOURNAL_UNREADABLE = FaultKind("journal-unreadable", "日志行无法读取", "a journal line cannot be read", "none")
JOURNAL_HOLE = FaultKind("journal-hole", "日志序号不连续", "journal numbers are not contiguous", "journal")
JOURNAL_GAP = FaultKind("journal-gap", "存储缺少先前的日志 (409)", "store lacks earlier journal lines (409)", "journal")
JOURNAL_FORK = FaultKind(
    "journal-fork", "日志与存储中的不一致 (409)", "journal forks from the stored one (409)", "journal"
)
JOURNAL_INVALID = FaultKind(
    "journal-invalid", "存储不接受日志行 (422)", "store rejects a journal line (422)", "journal"
)
JOURNAL_BEHIND = FaultKind("journal-behind", "本机日志少于存储", "journal is shorter than the stored one", "journal")
LINES_SET_ASIDE = FaultKind(
    "lines-set-aside",
    "找回的日志行屡次提交未成，待上传进程下次启动",
    "found journal lines could not be offered to the store; again at the next start of the uplink",
    "none",
)

# --- local files -----------------------------------------------------------------------------------------------------
SEGMENT_MISSING = FaultKind("segment-missing", "片段文件不存在", "segment file is not there", "segment")
SEGMENT_SIZE = FaultKind("segment-size", "片段大小与日志不符", "segment size differs from the journal", "segment")
SEGMENT_ALTERED = FaultKind("segment-altered", "片段内容与日志摘要不符", "segment differs from its digest", "segment")
SEGMENT_UNREADABLE = FaultKind("segment-unreadable", "片段文件无法读取", "segment file cannot be read", "segment")
STATEMENT_MISSING = FaultKind(
    "statement-missing", "书面说明的文件无法读取", "the document of a written statement cannot be read", "segment"
)
STATEMENT_SIZE = FaultKind(
    "statement-size", "书面说明的大小与日志不符", "size of a statement's document differs from the journal", "segment"
)
STATEMENT_CONFLICT = FaultKind(
    "statement-conflict",
    "存储认为书面说明与日志不符 (409)",
    "store finds another statement in the journal (409)",
    "segment",
)
DISK = FaultKind("disk", "本机磁盘错误", "local disk error", "none")
OUTBOX = FaultKind("outbox", "发件箱数据库已重建", "the outbox database was rebuilt", "none")
INTERNAL = FaultKind("internal", "程序内部错误", "internal error", "store")

# --- MQTT and the unit -----------------------------------------------------------------------------------------------
MQTT_CREDENTIALS = FaultKind("mqtt-credentials", "MQTT 证书不可用", "MQTT credentials cannot be used", "none")
MQTT_UNREACHABLE = FaultKind("mqtt-unreachable", "消息服务器无法连接", "broker cannot be reached", "none")
MQTT_REFUSED = FaultKind(
    "mqtt-refused", "消息服务器拒绝连接或订阅", "broker refuses connection or subscription", "none"
)
MQTT_LOST = FaultKind("mqtt-lost", "与消息服务器的连接中断", "connection to the broker was lost", "none")
MQTT_STALLED = FaultKind("mqtt-stalled", "消息线程停滞，已重建", "MQTT thread stalled and was rebuilt", "none")
MQTT_MESSAGE = FaultKind("mqtt-message", "收到无法理解的消息", "a message cannot be understood", "none")
DEADLINE_AT_RISK = FaultKind(
    "deadline-at-risk",
    "按当前速度赶不上储存时限",
    "at the present rate the 24 hours of art. 24 will not be met",
    "none",
)
UNIT_AWAY = FaultKind("unit-away", "记录单元未应答", "the unit process does not answer", "none")
