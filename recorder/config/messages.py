"""pydantic's findings in the words of the people who edit these files: Chinese and English."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic_core import ErrorDetails

_PATTERNS = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": (
        "只能用小写字母、数字和连字符，以字母或数字开头，最长 63 个字符",
        "use lower-case letters, digits and hyphens, starting with a letter or digit, at most 63 characters",
    ),
    r"^age1[02-9ac-hj-np-z]{58}$": (
        "不是 age 公钥（以 age1 开头，共 62 个字符）",
        "not an age public key (age1…, 62 characters)",
    ),
    r"^[a-zA-Z_][\w.]*$": ("不是 Python 模块名", "not a Python module name"),
    r"^(GPIO([0-9]|[1-4][0-9]|5[0-3])(:(low|high))?|none)$": (
        "应为引脚 GPIO0 … GPIO53（BCM 编号），可加 :low 或 :high 表示有效电平；没有此器件写 none",
        "should be a pin GPIO0 … GPIO53 (BCM numbering), with :low or :high for its active level; none where there is no "
        "such device",
    ),
    r"^(/dev/[\w.:/-]+|none)$": (
        "应为 /dev 下的设备文件，没有则写 none",
        "should be a device file below /dev, or none",
    ),
    r"^(/sys/[\w.:@/-]+|none)$": ("应为 /sys 下的路径，没有则写 none", "should be a path below /sys, or none"),
    r"^(rtc[0-9]+|none)$": ("应为 rtc0、rtc1 …，没有则写 none", "should be rtc0, rtc1 …, or none"),
    r"^[A-Z]\w*$": ("应为 libcamera 的控制项名称，例如 LensPosition", "should be a libcamera control, LensPosition"),
    r"^[\w./-]+\.json$": ("应为 .json 文件", "should be a .json file"),
    r"^[A-Za-z0-9_-]{1,64}$": (
        "只能用字母、数字、下划线和连字符，1 至 64 个字符",
        "use letters, digits, underscores and hyphens, 1 to 64 characters",
    ),
    r"^[A-Za-z0-9._*?@:-]{1,15}$": (
        "应为网络接口名（1 至 15 个字符），可用 * 和 ?，例如 wlan0、eth*",
        "should be the name of a network interface (1 to 15 characters), * and ? allowed: wlan0, eth*",
    ),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": ("应为 24 小时制的时刻，例如 02:30", "should be a time of day such as 02:30"),
}

_KINDS = {
    "missing": ("缺少此项", "missing"),
    "greater_than_equal": ("不得小于 {ge}", "must be at least {ge}"),
    "greater_than": ("必须大于 {gt}", "must be more than {gt}"),
    "less_than": ("必须小于 {lt}", "must be less than {lt}"),
    "less_than_equal": ("不得大于 {le}", "must be at most {le}"),
    "multiple_of": ("必须是 {multiple_of} 的倍数", "must be a multiple of {multiple_of}"),
    "literal_error": ("只能是 {expected}", "must be {expected}"),
    "string_too_short": ("至少 {min_length} 个字符", "at least {min_length} character(s)"),
    "string_too_long": ("至多 {max_length} 个字符", "at most {max_length} characters"),
    "int_type": ("应为整数", "should be a whole number"),
    "int_from_float": ("应为整数，不能有小数", "should be a whole number without a fraction"),
    "int_parsing": ("应为整数", "should be a whole number"),
    "int_parsing_size": ("数值过大", "the number is too large"),
    "float_type": ("应为数字", "should be a number"),
    "finite_number": ("应为有限的数字", "should be a finite number"),
    "bool_type": ("应为 true 或 false", "should be true or false"),
    "string_type": ("应为文本（加引号）", "should be text (in quotes)"),
    "tuple_type": ("应为列表 [ … ]", "should be a list [ … ]"),
    "dict_type": ("应为表", "should be a table"),
    "model_type": ("应为表", "should be a table"),
    "model_attributes_type": ("应为表", "should be a table"),
}


def explain(error: ErrorDetails) -> tuple[str, str]:
    """(Chinese, English) for one error of pydantic, with the offending value behind it."""
    context = {key: f"{value:g}" if isinstance(value, float) else value for key, value in error.get("ctx", {}).items()}
    kind, value = error["type"], error["input"]
    if isinstance(value, float) and not math.isfinite(value):
        kind = "finite_number"  # pydantic calls nan "greater than" any bound
    if kind == "string_pattern_mismatch":
        zh, en = _PATTERNS.get(context["pattern"], (f"须符合 {context['pattern']}", f"must match {context['pattern']}"))
    else:
        zh, en = _KINDS.get(kind, (f"不合要求（{error['msg']}）", error["msg"]))
        zh, en = zh.format(**context), en.format(**context)
        zh = zh.replace(" or ", " 或 ")
    if kind == "missing":
        return zh, en
    got = shown(value)
    return f"{zh}（现为 {got}）", f"{en} (got {got})"


def known(kind: str) -> bool:
    """Whether this kind of error has its own Chinese text."""
    return kind in _KINDS or kind in ("string_pattern_mismatch", "extra_forbidden")


def has_words(pattern: str) -> bool:
    """Whether a text that does not match is explained in words; an officer is not shown a regular expression."""
    return pattern in _PATTERNS


def shown(value: Any, limit: int = 60) -> str:
    """A value as it may be printed on one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
