"""What a code of a command means to people. One catalogue: who repeats a command gets the words of the first answer."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

CommandKind: TypeAlias = Literal[
    "start", "stop", "mark", "sign-in", "grant", "config", "refetch-receipt", "report-now", "restart"
]
"""What an agency may command (``commands`` says what each asks for)."""

KINDS: Final[tuple[CommandKind, ...]] = get_args(CommandKind)

Outcome: TypeAlias = Literal["done", "refused", "failed", "expired"]
"""What a command came to (docs/wire.md): ``refused``: it had no effect and will have none; ``failed``: it was begun, and
what became of it is told by the journal and nobody else."""

EXPIRED: Final = "command-expired"
INTERNAL: Final = "internal"
UNKNOWN_END: Final = "outcome-unknown"
WHEN_IDLE: Final = "when-idle"
NOT_ALLOWED: Final = "command-not-allowed"
CLOCK: Final = "clock-not-set"
TOO_OLD: Final = "command-too-old"

TEXTS: Final[dict[str, tuple[str, str]]] = {
    "": ("已执行", "done"),
    WHEN_IDLE: ("已接受，空闲时执行", "accepted, to be done when nothing is recorded"),
    # --- not believed
    "command-key-missing": ("设备没有机关指令公钥", "the unit has no command-key.pem"),
    "command-malformed": ("指令过长", "the command is too long"),
    "command-type": ("不是指令", "this is no command"),
    "command-signature": ("指令签名无效，或不是本机关签发", "not signed by the agency's command key"),
    "command-form": ("指令内容有误", "a field of the command is wrong"),
    "command-unknown": ("本版本不认识此指令", "this version knows no such command"),
    "command-unit": ("指令给其他设备", "the command is for another unit"),
    # --- believed, and not to be carried out
    TOO_OLD: (
        "指令早于已忘记的指令，可能是重放",
        "older than what the unit still remembers: perhaps a replay",
    ),
    "command-term": ("指令有效期过长或者无效", "its term is too long or none"),
    CLOCK: ("时间未校准，无法判断有效期", "the clock is not set: nobody can tell its term"),
    EXPIRED: ("指令已过期", "the command has expired"),
    "command-early": ("指令尚未生效", "the command is not valid yet"),
    NOT_ALLOWED: ("本单位的配置不接受此指令", "the configuration of this unit does not accept this command"),
    # --- begun
    INTERNAL: ("执行出错，见设备日志", "carrying it out failed, see the unit's log"),
    UNKNOWN_END: ("执行中断，结果不明，以日志为准", "interrupted while it was carried out: see the journal"),
    # --- what the unit's own rules refuse
    "already-recording": ("已经在记录", "recording already"),
    "not-recording": ("没有在记录", "not recording"),
    "powering-off": ("设备正在关机", "the unit is powering off"),
    "stop-needs-reason": (
        "全程记录，停止须说明原因",
        "a recording of the whole procedure stops with a reason only",
    ),
    "stopping-already": ("正在停止记录", "the recording is being stopped"),
    "bad-reason": ("停止原因过长或者为空", "the reason is empty or too long"),
    "bad-context": ("记录事项有误", "what the recording is about is not one of the regulation's words"),
    "bad-kind": ("没有这类标记", "there is no such kind of mark"),
    "already-signed-in": ("该执法证号已经登记", "this certificate number is signed in already"),
    "no-shift": ("没有进行中的班次", "no shift is open"),
    "not-supervised": ("没有服务管理器，无人重新启动", "nobody would start the unit again: no service manager"),
}
"""Code → Chinese, English. The codes of a signed assignment (``assignment-…``) have the words of their own."""

_FAILED: Final = frozenset({INTERNAL, UNKNOWN_END})


def texts(code: str) -> tuple[str, str]:
    """Chinese and English for ``code``; one this version does not know is shown as it is."""
    return TEXTS.get(code) or (f"未执行：{code}", f"not done: {code}")


def refusal_outcome(code: str) -> Outcome:
    """What a command that was not carried out came to."""
    if code == EXPIRED:
        return "expired"
    return "failed" if code in _FAILED else "refused"
