"""Errors of the HTTP interface as ``application/problem+json`` (RFC 9457), in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProblemKind:
    status: int
    type: str
    title: str
    title_zh: str


NOT_FOUND = ProblemKind(404, "urn:zfy:not-found", "no such resource", "没有该资源")
NO_RECEIPT = ProblemKind(404, "urn:zfy:no-receipt", "no receipt yet", "尚无储存回执")
METHOD = ProblemKind(405, "urn:zfy:method", "method not allowed here", "不支持该方法")
BAD_REQUEST = ProblemKind(400, "urn:zfy:bad-request", "the request is malformed", "请求格式错误")
FORBIDDEN = ProblemKind(403, "urn:zfy:forbidden", "this certificate is not a unit's", "该证书不属于记录设备")
LENGTH_REQUIRED = ProblemKind(411, "urn:zfy:length-required", "Content-Length is required", "须给出 Content-Length")
TUS_VERSION = ProblemKind(412, "urn:zfy:tus-version", "Tus-Resumable must be 1.0.0", "须为 tus 1.0.0")
TOO_LARGE = ProblemKind(413, "urn:zfy:too-large", "larger than declared or allowed", "超过声明或允许的大小")
MEDIA_TYPE = ProblemKind(415, "urn:zfy:media-type", "wrong Content-Type", "Content-Type 不符")
JOURNAL_GAP = ProblemKind(409, "urn:zfy:journal-gap", "lines before these are missing", "之前的日志行缺失")
JOURNAL_FORK = ProblemKind(
    409, "urn:zfy:journal-fork", "a line differs from the stored one", "日志行与已存的不同（分叉）"
)
JOURNAL_LATE = ProblemKind(
    409, "urn:zfy:journal-late", "lines that were declared lost are kept apart", "曾申报丢失的日志行，已另存"
)
JOURNAL_INVALID = ProblemKind(422, "urn:zfy:journal-invalid", "a journal line is not valid", "日志行无效")
WRONG_OFFSET = ProblemKind(409, "urn:zfy:wrong-offset", "the upload is at another offset", "上传位置不符")
DIGEST_CONFLICT = ProblemKind(
    409, "urn:zfy:digest-conflict", "the journal names another digest for this segment", "日志记载的片段摘要与此不同"
)
UPLOAD_COMPLETE = ProblemKind(409, "urn:zfy:upload-complete", "complete uploads are kept", "已完成的上传不得删除")
LOCKED = ProblemKind(423, "urn:zfy:upload-locked", "another request holds this upload", "该上传被其他请求占用")
DIGEST_MISMATCH = ProblemKind(
    460, "urn:zfy:digest-mismatch", "the bytes do not have the declared digest", "数据与声明的摘要不符"
)
CHECKSUM_MISMATCH = ProblemKind(
    460, "urn:zfy:checksum-mismatch", "the body does not have its Upload-Checksum", "数据与 Upload-Checksum 不符"
)
TOO_MANY = ProblemKind(429, "urn:zfy:too-many-requests", "more requests than one unit may make", "请求过多，请稍后再试")
UNFINISHED = ProblemKind(
    429, "urn:zfy:too-much-unfinished", "finish the uploads that were begun first", "未完成的上传过多，请先完成"
)
QUOTA = ProblemKind(507, "urn:zfy:quota-exceeded", "the quota is used up", "存储配额已用完")
DAMAGED = ProblemKind(
    500, "urn:zfy:journal-damaged", "the stored journal is damaged; the agency is alarmed", "存储的日志已损坏，已报警"
)
INTERNAL = ProblemKind(500, "urn:zfy:internal", "the store failed", "存储内部错误")
UNAVAILABLE = ProblemKind(503, "urn:zfy:unavailable", "the store is stopping", "存储正在停止")
REGISTER_BUSY = ProblemKind(503, "urn:zfy:busy", "the store is busy, come again", "存储正忙，请稍后再试")
STORE_FULL = ProblemKind(507, "urn:zfy:store-full", "the store is full", "存储空间已满")


class Problem(Exception):
    """Ends a request with this answer. ``members`` are extension members of the body; ``headers`` go with it."""

    def __init__(
        self, kind: ProblemKind, detail: str = "", *, headers: dict[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(f"{kind.type}: {detail}")
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.members = members

    def body(self) -> dict[str, Any]:
        return {
            "type": self.kind.type,
            "title": self.kind.title,
            "title_zh": self.kind.title_zh,
            "status": self.kind.status,
            "detail": self.detail,
            **self.members,
        }
