"""Everything the verifier can say: each finding's code, the axis it bears on, and its words in Chinese and English.

A *finding* keeps a vault from being valid; a *note* is a fact worth reading that does not. Axes are the worst value of
their findings, so that no axis is ever below its best without a finding that says why (design §5, Verdicts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Axis = Literal["integrity", "completeness", "anchor", "key", "time"]

AXES: dict[Axis, tuple[str, ...]] = {
    "integrity": ("intact", "incomplete", "missing", "unsigned", "altered"),
    "completeness": ("complete", "gap", "statement-owed", "unexplained"),
    "anchor": ("anchored", "unanchored", "rolled-back", "forked"),
    "key": ("trusted", "expired", "revoked", "untrusted"),
    "time": ("proven", "claimed"),
}
"""Values of each axis, best first; a later one outweighs an earlier one."""

AXIS_NAMES: dict[Axis, tuple[str, str]] = {
    "integrity": ("完整性", "integrity"),
    "completeness": ("全程性", "completeness"),
    "anchor": ("锚定", "anchor"),
    "key": ("密钥", "key"),
    "time": ("时间", "time"),
}

VALUE_NAMES: dict[str, tuple[str, str]] = {
    "intact": ("完好", "intact"),
    "incomplete": ("不完整", "incomplete"),
    "missing": ("有缺失", "missing"),
    "unsigned": ("无签名", "unsigned"),
    "altered": ("有改动", "altered"),
    "complete": ("全程有记录", "complete"),
    "gap": ("有已说明的中断", "explained gap"),
    "statement-owed": ("欠书面说明", "statement owed"),
    "unexplained": ("有未说明的中断", "unexplained"),
    "anchored": ("已锚定", "anchored"),
    "unanchored": ("未锚定", "unanchored"),
    "rolled-back": ("被回退", "rolled back"),
    "forked": ("有分叉", "forked"),
    "trusted": ("可信", "trusted"),
    "expired": ("已过期", "expired"),
    "revoked": ("已吊销", "revoked"),
    "untrusted": ("不可信", "untrusted"),
    "proven": ("有证明", "proven"),
    "claimed": ("仅为设备自称", "claimed only"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding. ``value``: what it makes of ``axis``; None leaves the axis alone. ``finding`` False: a note."""

    axis: Axis
    value: str | None
    zh: str
    en: str
    finding: bool = True


def _note(axis: Axis, zh: str, en: str) -> Kind:
    return Kind(axis, None, zh, en, finding=False)


KINDS: dict[str, Kind] = {
    # --- the scene (arts. 9, 15, 20): what the rules ask of those who record ---
    "stop-without-reason": Kind(
        "completeness",
        None,
        "全程记录 {session} 停止时没有说明原因（记录 {seq}，第二十条）",
        "session {session}, to be recorded as a whole, was stopped without a reason (record {seq}, art. 20)",
    ),
    "mode-lowered": Kind(
        "completeness",
        None,
        "记录 {session} 在进行中由全程改为一般（记录 {seq}，第二十条）",
        "session {session} was made an ordinary one while it ran (record {seq}, art. 20)",
    ),
    "no-officer": _note(
        "completeness",
        "记录 {session} 期间没有登记执法人员（第九条）",
        "nobody was signed in during session {session} (art. 9)",
    ),
    "one-officer": _note(
        "completeness",
        "记录 {session} 期间仅登记一名执法人员（第九条、第十五条）",
        "only one officer was signed in during session {session} (arts. 9, 15)",
    ),
    # --- storing in time (art. 24): a breach of the rule, none of the evidence; a basis that cannot stand is a finding ---
    "stored-late": _note(
        "completeness",
        "记录 {session} 储存迟于二十四小时（{proof_zh}）：自 {completed} 起算，{stored} 储存完毕（第二十四条）",
        "session {session} was stored later than 24 hours ({proof_en}): from {completed}, stored {stored} (art. 24)",
    ),
    "store-overdue": _note(
        "completeness",
        "记录 {session} 超过二十四小时仍有 {segments} 段未储存（{proof_zh}）：自 {completed} 起算（第二十四条）",
        "{segments} segment(s) of session {session} are not stored after 24 hours ({proof_en}): counted from {completed}"
        " (art. 24)",
    ),
    "basis-after-deadline": Kind(
        "completeness",
        None,
        "记录 {session} 的例外依据（{basis}）登记于 {times}，其时二十四小时已过：登记不能改变已经发生的事（第二十四条）",
        "the basis ({basis}) for session {session} was declared at {times}, after its 24 hours had passed (art. 24)",
    ),
    "basis-repeated": Kind(
        "completeness",
        None,
        "记录 {session} 的二十四小时被重新起算不止一次（第二十四条）",
        "the 24 hours of session {session} were started again more than once (art. 24)",
    ),
    # --- the journal ---
    "journal-missing": Kind(
        "integrity", "unsigned", "没有日志：这里的文件无任何签名", "no journal: nothing here is signed"
    ),
    "journal-unverifiable": Kind(
        "integrity",
        "unsigned",
        "日志第一行（{place}）验证不了：{reason}；整个日志不作数",
        "the journal's first line ({place}) does not verify: {reason}; the journal proves nothing",
    ),
    "journal-line-altered": Kind(
        "integrity", "altered", "{place}（记录 {seq}）被改动：{reason}", "{place} (record {seq}) is altered: {reason}"
    ),
    "journal-lines-missing": Kind(
        "integrity",
        "missing",
        "日志缺少记录 {first} 至 {last}（在 {place} 之前）",
        "records {first} to {last} are missing from the journal (before {place})",
    ),
    "journal-lines-repeated": Kind(
        "integrity",
        "altered",
        "{place} 起重复了旧记录 {first} 至 {last}",
        "old records {first} to {last} are replayed at {place}",
    ),
    "journal-chain-broken": Kind(
        "integrity",
        "altered",
        "{place}：记录 {seq} 与前一行的摘要不衔接",
        "{place}: record {seq} does not continue the line before it",
    ),
    "journal-foreign-line": Kind(
        "integrity",
        "altered",
        "{place}：属于另一份日志 {journal_id}",
        "{place} belongs to another journal, {journal_id}",
    ),
    "journal-record-invalid": Kind(
        "integrity",
        "incomplete",
        "记录 {seq}（{typ}）格式不合：{reason}",
        "record {seq} ({typ}) does not have the form of its type: {reason}",
    ),
    "journal-torn": Kind(
        "integrity",
        "incomplete",
        "日志末尾 {place} 起有 {count} 行残缺，之后没有可验证的行（如断电所致，单元启动后会登记）",
        "the journal's tail is torn: {count} line(s) from {place} do not parse and none after them verifies",
    ),
    "journal-repeat-unfinished": Kind(
        "integrity",
        "incomplete",
        "日志最后的文件（{place}）只逐字重复记录 {first} 至 {last}，没有新记录：存储故障后重写时断电即如此，与复制无从区分",
        "the journal's last file ({place}) only repeats records {first} to {last}: what a power cut leaves of lines being "
        "written again after a storage error, and what a copy would look like",
    ),
    "journal-forked": Kind(
        "anchor",
        "forked",
        "记录 {seq} 有两个不同的签名版本（{place}）：日志有分叉",
        "record {seq} exists in two signed versions ({place}): the journal is forked",
    ),
    "journal-file-misnamed": Kind(
        "integrity",
        "altered",
        "日志文件 {file} 的名称与其首条记录 {seq} 不符",
        "journal file {file} does not begin with the record it is named after, but with {seq}",
    ),
    "boot-inconsistent": Kind(
        "integrity", "altered", "记录 {seq}：启动信息前后矛盾：{reason}", "record {seq}: boot facts disagree: {reason}"
    ),
    # --- files ---
    "file-unsigned": Kind(
        "integrity",
        "unsigned",
        "{file}（{size} 字节）没有任何记录提到，无签名{copy_zh}",
        "{file} ({size} bytes) is named by no record: unsigned{copy_en}",
    ),
    "file-not-regular": Kind(
        "integrity",
        "unsigned",
        "{file} 不是普通文件（{what}），未予读取",
        "{file} is no regular file ({what}); it was not followed",
    ),
    "file-unreadable": Kind("integrity", "missing", "{file} 无法读取：{reason}", "{file} cannot be read: {reason}"),
    "segment-altered": Kind(
        "integrity",
        "altered",
        "片段 {segment} 被改动：第 {entries} 项（字节 {bytes}，时间 {times}）",
        "segment {segment} is altered: entry {entries} (bytes {bytes}, time {times})",
    ),
    "segment-truncated": Kind(
        "integrity",
        "altered",
        "片段 {segment} 被截短：缺第 {entries} 项（字节 {bytes}，时间 {times}）",
        "segment {segment} is cut short: entry {entries} lacking (bytes {bytes}, time {times})",
    ),
    "segment-extended": Kind(
        "integrity",
        "altered",
        "片段 {segment} 在签名内容之后多出 {extra} 字节",
        "segment {segment} has {extra} bytes behind what was signed",
    ),
    "segment-swapped": Kind(
        "integrity",
        "altered",
        "片段 {segment} 的文件被换成了片段 {other} 的内容",
        "the file of segment {segment} holds the bytes of segment {other}",
    ),
    "segment-missing": Kind(
        "integrity",
        "missing",
        "片段 {segment} 的文件不在：{why_zh}",
        "the file of segment {segment} is missing: {why_en}",
    ),
    "segment-open": Kind(
        "integrity",
        "incomplete",
        "片段 {segment} 尚未结束：已签名 {entries} 项、{bytes} 字节，其后 {extra} 字节未签名",
        "segment {segment} is not closed: {entries} entries, {bytes} bytes signed; {extra} unsigned bytes follow",
    ),
    "segment-recovered": Kind(
        "integrity",
        "incomplete",
        "片段 {segment} 因非正常结束而不完整（{reason}）：保留 {kept} 字节，其中 {unsigned} 字节为事后签名；"
        "截去 {torn} 字节",
        "segment {segment} ended uncleanly ({reason}): {kept} bytes kept, {unsigned} of them signed only afterwards; "
        "{torn} torn bytes cut off",
    ),
    "segment-inconsistent": Kind(
        "integrity",
        "altered",
        "片段 {segment} 的记录互相矛盾（记录 {seq}）：{reason}",
        "the records of segment {segment} disagree (record {seq}): {reason}",
    ),
    "segment-plaintext": Kind(
        "integrity",
        "altered",
        "片段 {segment} 解密后与签名的明文摘要不符：{reason}",
        "segment {segment} decrypts to something else than was signed: {reason}",
    ),
    "segment-unopened": Kind(
        "integrity",
        "incomplete",
        "片段 {segment} 无法解密：{reason}",
        "segment {segment} cannot be decrypted: {reason}",
    ),
    "segment-media": Kind(
        "integrity",
        "incomplete",
        "片段 {segment} 的媒体结构不合：{reason}",
        "the media of segment {segment} do not add up: {reason}",
    ),
    "torn-altered": Kind(
        "integrity",
        "altered",
        "截下的残尾 {file} 与记录 {seq} 的摘要不符",
        "the torn tail {file} does not match its digest in record {seq}",
    ),
    "sealed-altered": Kind(
        "integrity",
        "altered",
        "记录 {seq} 的密封字段 {field} 与其摘要不符：{reason}",
        "sealed field {field} of record {seq} does not match its digest: {reason}",
    ),
    # --- what the agency ordered: commands, assignments, pushed configurations ---
    "command-forged": Kind(
        "integrity",
        "altered",
        "记录 {seq} 称机关下达了指令，其签名不成立：{reason}",
        "record {seq} says that the agency gave an order, and its signature does not stand: {reason}",
    ),
    "command-other-unit": Kind(
        "integrity",
        "altered",
        "记录 {seq} 的机关指令是下达给其他设备 {unit} 的",
        "the agency's order in record {seq} is for another unit, {unit}",
    ),
    "command-altered": Kind(
        "integrity",
        "altered",
        "记录 {seq} 所记的指令内容与机关签名的不同：{fields}",
        "record {seq} says something else of the order than the agency signed: {fields}",
    ),
    "command-unsigned": Kind(
        "integrity",
        "unsigned",
        "记录 {seq} 称执行了机关的指令（{name}），日志中没有机关签名的原文",
        "record {seq} says that an order of the agency ({name}) was carried out, and nothing the agency signed is there",
    ),
    "command-out-of-term": Kind(
        "integrity",
        None,
        "记录 {seq} 于 {times} 接受了机关指令，不在其期限（{term}）之内",
        "record {seq} accepted an order of the agency at {times}, which is outside its term ({term})",
    ),
    "command-repeated": Kind(
        "integrity",
        None,
        "记录 {seq} 再次接受了记录 {before} 已接受的机关指令",
        "record {seq} accepted an order of the agency that record {before} had accepted already",
    ),
    # --- the shift ---
    "gap-unexplained": Kind(
        "completeness",
        "unexplained",
        "摄像头 {camera} 中断 {length}（{times}），原因 {cause}，没有说明{why_zh}",
        "camera {camera} was interrupted for {length} ({times}), cause {cause}, without an explanation{why_en}",
    ),
    "gap-explained": Kind(
        "completeness",
        "gap",
        "摄像头 {camera} 中断 {length}（{times}），原因 {cause}，已说明：{how_zh}",
        "camera {camera} was interrupted for {length} ({times}), cause {cause}, explained: {how_en}",
    ),
    "explanation-gap-unknown": Kind(
        "integrity",
        "altered",
        "记录 {seq} 说明的中断 {gap} 不存在",
        "record {seq} explains an interruption that does not exist, {gap}",
    ),
    "explanation-sides": Kind(
        "integrity",
        "altered",
        "记录 {seq} 的语音说明与中断两侧的片段不符：{why_zh}",
        "the explanation in record {seq} names other fragments on the sides of the gap: {why_en}",
    ),
    "explanation-unfounded": Kind(
        "completeness",
        "unexplained",
        "记录 {seq} 的语音说明不成立：{why_zh}",
        "the explanation in record {seq} has no ground: {why_en}",
    ),
    "speech-altered": Kind(
        "integrity",
        "altered",
        "记录 {seq} 的语音与签名的片段对不上：{why_zh}",
        "the speech of record {seq} is not what the signed fragments hold: {why_en}",
    ),
    "speech-misplaced": Kind(
        "integrity",
        "altered",
        "记录 {seq} 的语音不在应在之处：{why_zh}",
        "the speech of record {seq} is not where it must be: {why_en}",
    ),
    "speech-own-voice": Kind(
        "completeness",
        "unexplained",
        "记录 {seq} 的语音中有设备自己的提示音（{why_zh}）",
        "the speech of record {seq} is in part the unit's own prompt ({why_en})",
    ),
    "speech-damaged": Kind(
        "integrity",
        "altered",
        "记录 {seq} 的语音所在的片段 {segment} 已不完好",
        "segment {segment}, which holds the speech of record {seq}, is not intact",
    ),
    "statement-owed": Kind(
        "completeness",
        "statement-owed",
        "摄像头 {camera} 自 {times} 起中断后未恢复：欠两名以上执法人员签字的书面说明（第二十三条）",
        "camera {camera} did not resume after {times}: a written statement signed by two officers is owed (art. 23)",
    ),
    "statement-forged": Kind(
        "completeness",
        "statement-owed",
        "记录 {seq} 的书面说明（中断 {gap}）不成立：{reason_zh}",
        "the written statement of record {seq} (gap {gap}) does not stand: {reason_en}",
    ),
    "statement-document-altered": Kind(
        "integrity",
        "altered",
        "书面说明 {file}（中断 {gap}）与记录 {seq} 的摘要不符：{reason}",
        "the written statement {file} (gap {gap}) is not the one record {seq} names: {reason}",
    ),
    "statement-document-missing": Kind(
        "integrity",
        "missing",
        "书面说明 {file}（中断 {gap}）不在：记录 {seq} 登记了它",
        "the written statement {file} (gap {gap}) is missing: record {seq} names it",
    ),
    "gap-unrecorded": Kind(
        "completeness",
        "unexplained",
        "摄像头 {camera} 的片段 {before} 与 {after} 之间缺 {length}，没有中断记录",
        "{length} are lacking between segments {before} and {after} of camera {camera}, and no record says why",
    ),
    "video-lacking": Kind(
        "completeness",
        "unexplained",
        "摄像头 {camera} 的片段 {segment} 中有 {length} 没有画面（{times}），而日志记为已录制",
        "segment {segment} of camera {camera} has no moving picture for {length} ({times}), "
        "which the journal has as recorded",
    ),
    "time-unaccounted": Kind(
        "completeness",
        "unexplained",
        "班次 {shift} 摄像头 {camera}：{times} 共 {length} 无人签名",
        "shift {shift}, camera {camera}: nobody signed for {times}, {length}",
    ),
    "time-unsigned": Kind(
        "completeness",
        "unexplained",
        "没有可验证的日志：什么时间有记录无从得知",
        "no verifiable journal: nothing says what time was recorded",
    ),
    # --- the anchor ---
    "unanchored": Kind(
        "anchor",
        "unanchored",
        "没有机关存储回执可以锚定日志：末尾是否被删无从得知{why_zh}",
        "no store receipt anchors the journal: a removed tail could not be seen{why_en}",
    ),
    "anchor-behind": Kind(
        "anchor",
        "unanchored",
        "回执只锚定到记录 {anchored}；其后直到记录 {last} 还有录制记录没有锚定",
        "receipts anchor the journal up to record {anchored} only; recording went on to record {last} without one",
    ),
    "shift-open": Kind(
        "anchor",
        "unanchored",
        "班次 {shift} 没有结束记录：日志到 {times} 为止，其后如何不得而知",
        "shift {shift} has no end: the journal stops at {times} and what followed cannot be known",
    ),
    "rolled-back": Kind(
        "anchor",
        "rolled-back",
        "回执 {receipt} 证明日志曾到记录 {head}，现在只到 {last}：末尾被删",
        "receipt {receipt} proves the journal reached record {head}; now it ends at {last}: a tail was removed",
    ),
    "receipt-mismatch": Kind(
        "anchor",
        "forked",
        "记录 {seq} 与回执 {receipt} 所见不同：历史被重新签名",
        "record {seq} is not the one receipt {receipt} saw: history was signed anew",
    ),
    "fork-kept": Kind(
        "anchor",
        "forked",
        "机关存储保留了分叉的记录 {seq}（{file}）",
        "the store kept a forked version of record {seq} ({file})",
    ),
    "receipt-forged": Kind(
        "anchor",
        None,
        "回执 {file} 不是机关存储所签：{reason}",
        "receipt {file} was not signed by the agency's store: {reason}",
    ),
    "receipt-foreign": Kind(
        "anchor",
        None,
        "回执 {file} 属于别的设备或日志：{reason}",
        "receipt {file} is another unit's or journal's: {reason}",
    ),
    "declared-lost-but-present": Kind(
        "anchor",
        None,
        "设备曾向机关存储申报丢失记录 {first} 至 {last}（回执 {receipt}），其中 {count} 条在此：申报不实，或后来找回",
        "the unit had declared records {first} to {last} lost to the agency's store (receipt {receipt}); {count} of them "
        "are here: it was not so, or they were found again",
    ),
    "receipt-conflict": Kind(
        "integrity",
        "altered",
        "回执 {receipt} 中片段 {segment} 的摘要或大小与日志不同",
        "receipt {receipt} gives segment {segment} another digest or size than the journal",
    ),
    # --- the key ---
    "key-untrusted": Kind(
        "key",
        "untrusted",
        "自记录 {seq} 起的签名密钥 {kid} 不可信：{reason_zh}",
        "the key {kid} that signs from record {seq} on is not trusted: {reason_en}",
    ),
    "key-expired": Kind(
        "key",
        "expired",
        "不能证明密钥 {kid} 的签名（至记录 {seq}）是在证书到期之前作出的",
        "signatures of key {kid} (to record {seq}) are not shown to be from before its certificate expired",
    ),
    "key-revoked": Kind(
        "key",
        "revoked",
        "密钥 {kid} 的证书已于 {times} 吊销，而签名（至记录 {seq}）不能证明在此之前",
        "the certificate of key {kid} was revoked at {times}; its signatures (to record {seq}) are not shown to be earlier",
    ),
    # --- time ---
    "time-claimed": Kind(
        "time",
        "claimed",
        "录制 {session} 的时间只是设备自称：{why_zh}",
        "the time of session {session} is only the unit's claim: {why_en}",
    ),
    "time-contradicted": Kind(
        "time",
        "claimed",
        "记录 {seq} 自称的时间 {times} {why_zh}",
        "record {seq} claims the time {times}, {why_en}",
    ),
    "clock-step-unrecorded": Kind(
        "time",
        "claimed",
        "记录 {seq}：时钟跳变 {length}，没有跳变记录",
        "record {seq}: the wall clock moved by {length} and no record says so",
    ),
    # --- notes ---
    "journal-repeated-lines": _note(
        "integrity",
        "日志文件 {file} 开头逐字重复了 {count} 行（存储故障后的正常做法）",
        "journal file {file} repeats {count} line(s) byte for byte (as it does after a storage error)",
    ),
    "journal-torn-continued": _note(
        "integrity",
        "{place} 起 {count} 行残缺，已由后面的记录接续，未丢失记录",
        "{count} torn line(s) at {place}; the records go on behind them without a loss",
    ),
    "journal-recovered": _note(
        "integrity",
        "记录 {seq}：启动时截去了日志末尾 {torn} 字节残行",
        "record {seq}: {torn} torn bytes were cut from the journal's end at a start",
    ),
    "segment-empty": _note(
        "integrity",
        "片段 {segment} 在第一项落盘之前就结束了，没有内容",
        "segment {segment} ended before its first entry was durable; there is nothing in it",
    ),
    "torn-absent": _note(
        "integrity",
        "记录 {seq} 截下的残尾 {file} 不在此处",
        "the torn tail {file} cut off by record {seq} is not here",
    ),
    "identity-mismatch": _note(
        "integrity",
        "所给身份文件打不开 {count} 项密封内容：只核验了密文",
        "the given identity does not open {count} sealed item(s): only their ciphertext was checked",
    ),
    "command-unchecked": _note(
        "integrity",
        "信任目录没有 command-key.pem：{count} 条机关指令的签名未核验",
        "no command-key.pem in the trust folder: the signatures of {count} order(s) of the agency were not checked",
    ),
    "command-sealed": _note(
        "integrity",
        "{count} 条机关指令的原文是密封的，未给出能打开的身份文件：签名未核验，这里只有设备自己的核验",
        "{count} order(s) of the agency are sealed and no identity opens them: their signatures were not checked, this "
        "is the unit's own check",
    ),
    "command-text-absent": _note(
        "integrity",
        "{count} 项指派或下发的配置由较早版本的程序登记，日志中只有编号和摘要，没有机关签名的原文：签名未核验，"
        "这里只有设备自己的核验",
        "of {count} assignment(s) and pushed configuration(s), recorded by an earlier version of the program, the journal "
        "has id and digest, not what the agency signed: their signatures were not checked, this is the unit's own check",
    ),
    "statement-sealed": _note(
        "completeness",
        "记录 {seq} 的书面说明（中断 {gap}）：签名是密封的，未给出能打开的身份文件，这里只有设备自己的核验",
        "the written statement of record {seq} (gap {gap}): its signatures are sealed and no identity opens them, so this "
        "is the unit's own check",
    ),
    "statement-unproven": _note(
        "completeness",
        "记录 {seq} 的书面说明（中断 {gap}）：签字人的证书在机关存储证明之前已过期；签字当时未过期仅为设备自称",
        "the written statement of record {seq} (gap {gap}): a signer's certificate ran out before a receipt vouches for it;"
        " that it had not expired when it signed is the unit's claim",
    ),
    "statement-elsewhere": _note(
        "integrity",
        "书面说明 {file}（中断 {gap}）的文本在设备上，机关存储没有它；签名在日志中",
        "the text of the written statement {file} (gap {gap}) is on the unit, not in the store; its signatures are in the "
        "journal",
    ),
    "unit-down": _note(
        "completeness",
        "单元在非录制期间停机 {length}（{times}），原因 {cause}，已签名登记",
        "the unit was down for {length} while not recording ({times}), cause {cause}; signed",
    ),
    "tail-bookkeeping": _note(
        "anchor",
        "记录 {first} 至 {last} 在最后一个回执之后，均为待机或登记类记录",
        "records {first} to {last} come after the last receipt; all are standby or bookkeeping",
    ),
    "receipts-unchecked": _note(
        "anchor",
        "信任目录没有 store-key.pem：{count} 份回执未予采信",
        "no store-key.pem in the trust folder: {count} receipt(s) were not believed",
    ),
    "token-unchecked": _note(
        "time",
        "{count} 份回执带有 RFC 3161 时间戳，本工具未核验",
        "{count} receipt(s) carry an RFC 3161 token, which this tool does not check",
    ),
    "clock-step": _note(
        "time", "记录 {seq}：时钟校正 {length}，已登记", "record {seq}: clock step of {length}, recorded"
    ),
}
