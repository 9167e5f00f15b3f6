"""Rules between settings, which no single type can say. Pure functions of the validated configuration."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from recorder.channel.places import channel_socket, control_socket, launch_socket
from recorder.config.board_rules import BOARD_RULES
from recorder.config.finding import Finding, Rule
from recorder.config.models import RecorderConfig
from recorder.evidence import bech32
from recorder.units import MB

MIN_RECIPIENTS = 2
"""Two keys in two hands: with one, a lost key is lost evidence."""

MIN_CAP_KB_S = 16

SOCKET_PATH_BYTES = 107


def night_hysteresis(config: RecorderConfig) -> Iterator[Finding]:
    """Equal thresholds would switch filter and lamp at every flicker of the light."""
    on, off = config.night.on_below_lux, config.night.off_above_lux
    if off <= on:
        yield Finding(
            (("night", "off_above_lux"), ("night", "on_below_lux")),
            f"off_above_lux（{off:g}）必须大于 on_below_lux（{on:g}）",
            f"off_above_lux ({off:g}) must be greater than on_below_lux ({on:g})",
        )


def speech_hysteresis(config: RecorderConfig) -> Iterator[Finding]:
    """The other way round, a voice between the two would begin and end a span at once, again and again."""
    on, off = config.speech.on_above, config.speech.off_below
    if off > on:
        yield Finding(
            (("speech", "off_below"), ("speech", "on_above")),
            f"off_below（{off:g}）不得大于 on_above（{on:g}）",
            f"off_below ({off:g}) must not be greater than on_above ({on:g})",
        )


def sealing_recipients(config: RecorderConfig) -> Iterator[Finding]:
    """Tolerable at run time: one key seals better than none, and a unit without keys records all the same."""
    distinct = len(set(config.sealing.recipients))
    if config.sealing.enabled and distinct < MIN_RECIPIENTS:
        yield Finding(
            (("sealing", "recipients"), ("sealing", "enabled")),
            f"启用加密封装至少需要 {MIN_RECIPIENTS} 个不同的公钥（现有 {distinct} 个）",
            f"sealing needs at least {MIN_RECIPIENTS} different public keys (there are {distinct})",
            tolerable=True,
        )


def recipient_checksums(config: RecorderConfig) -> Iterator[Finding]:
    """A mistyped key looks like a key; sealing to it would fail when the first recording starts."""
    for index, recipient in enumerate(config.sealing.recipients):
        try:
            bech32.decode(recipient)
        except ValueError as error:
            yield Finding(
                (("sealing", "recipients", index),),
                f"age 公钥校验不符，可能抄写有误（{recipient}）",
                f"not a valid age public key, probably mistyped: {error} ({recipient})",
            )


def gestures_differ(config: RecorderConfig) -> Iterator[Finding]:
    """Start, stop, mark and note on the same button and kind of press could not be told apart."""
    controls = config.controls
    gestures = {"start": controls.start, "stop": controls.stop, "mark": controls.mark, "note": controls.note}
    for (first, one), (second, other) in itertools.combinations(gestures.items(), 2):
        if (one.button, one.kind) == (other.button, other.kind):
            yield Finding(
                tuple(("controls", name, key) for name in (second, first) for key in ("kind", "button")),
                f"{second} 与 {first} 的按键动作相同（{one.button} {one.kind}），无法区分",
                f"{second} and {first} are the same gesture ({one.button} {one.kind})",
            )


def watermark_fits(config: RecorderConfig) -> Iterator[Finding]:
    """Further in than the picture is wide, not a pixel of it would be seen."""
    mark = config.watermark
    for name, camera in config.cameras.items() if mark.enabled else ():
        if 4 * mark.margin_px > camera.width or 2 * (mark.margin_px + mark.height_px) > camera.height:
            size = f"{camera.width}×{camera.height}"
            yield Finding(
                (("watermark", "margin_px"), ("watermark", "height_px"), ("cameras", name, "width")),
                f"水印（margin_px {mark.margin_px}，height_px {mark.height_px}）放不进 {name} 的画面（{size}）",
                f"the watermark (margin_px {mark.margin_px}, height_px {mark.height_px}) does not fit the picture of "
                f"{name} ({size})",
            )


def repeats_rise(config: RecorderConfig) -> Iterator[Finding]:
    repeats = config.interruption.repeat_s
    if list(repeats) != sorted(set(repeats)):
        yield Finding(
            (("interruption", "repeat_s"),),
            "repeat_s 应逐个递增",
            "repeat_s must rise",
        )


def cameras_present(config: RecorderConfig) -> Iterator[Finding]:
    if not config.cameras:
        yield Finding((("cameras",),), "至少需要一个摄像头", "at least one camera is needed")


def backoff_order(config: RecorderConfig) -> Iterator[Finding]:
    uplink, supervision = config.uplink, config.supervision
    for low, high, section, low_key, high_key in (
        (uplink.backoff_base_s, uplink.backoff_max_s, "uplink", "backoff_base_s", "backoff_max_s"),
        (
            supervision.restart_backoff_s,
            supervision.restart_backoff_max_s,
            "supervision",
            "restart_backoff_s",
            "restart_backoff_max_s",
        ),
    ):
        if low > high:
            yield Finding(
                ((section, low_key), (section, high_key)),
                f"{low_key}（{low:g}）不得大于 {high_key}（{high:g}）",
                f"{low_key} ({low:g}) must not exceed {high_key} ({high:g})",
            )


def socket_paths_fit(config: RecorderConfig) -> Iterator[Finding]:
    """The address of a Unix socket has room for 107 bytes and a zero (unix(7)): a longer path cannot be bound, and that
    would show only when the unit starts."""
    run_dir = Path(config.storage.run_dir)
    sockets = [control_socket(run_dir), launch_socket(run_dir)]
    sockets += [channel_socket(run_dir, camera_id) for camera_id in config.cameras]
    longest = max(sockets, key=lambda path: len(os.fsencode(path)))
    length = len(os.fsencode(longest))
    if length > SOCKET_PATH_BYTES:
        yield Finding(
            (("storage", "run_dir"),),
            f"套接字路径 {longest} 有 {length} 字节，最多 {SOCKET_PATH_BYTES} 字节：请缩短 run_dir",
            f"the socket path {longest} has {length} bytes, {SOCKET_PATH_BYTES} at most: shorten run_dir",
        )


def store_url_is_https(config: RecorderConfig) -> Iterator[Finding]:
    """Client certificates are the only identity: plain HTTP would have none. No password belongs into a file."""
    url = config.uplink.store_url
    if not url:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        secret = parts.username is not None or parts.password is not None
    except ValueError:
        usable = secret = False
    if not usable or secret:
        yield Finding(
            (("uplink", "store_url"),),
            "应为 https://主机[:端口]，不含用户名和密码",
            "should be https://host[:port] without user name or password",
        )


def upload_cap_is_usable(config: RecorderConfig) -> Iterator[Finding]:
    """A block of 64 KiB is sent at once and then waited for: below this the store takes the pause for a dead line."""
    cap = config.uplink.max_kb_s
    if 0 < cap < MIN_CAP_KB_S:
        yield Finding(
            (("uplink", "max_kb_s"),),
            f"max_kb_s（{cap}）应为 0（不限速）或至少 {MIN_CAP_KB_S}",
            f"max_kb_s ({cap}) should be 0 (no cap) or at least {MIN_CAP_KB_S}",
        )


def pre_event_fits(config: RecorderConfig) -> Iterator[Finding]:
    """Beyond the buffer whole GOPs are dropped: the pre-roll would silently be shorter than promised."""
    capture, limit = config.capture, config.capture.buffer_mb * MB
    audio = config.audio.bitrate_kbps if config.audio.enabled and capture.pre_event_audio else 0
    for name, camera in config.cameras.items():
        need = (capture.pre_event_s + 2 * capture.gop_s) * (camera.bitrate_kbps + audio) * 125
        if need > limit:
            yield Finding(
                (("capture", "buffer_mb"), ("capture", "pre_event_s"), ("cameras", name, "bitrate_kbps")),
                f"{name} 预录 {capture.pre_event_s:g} s 约需 {need / 1e6:.0f} MB，buffer_mb 为 {capture.buffer_mb}，"
                "预录会变短",
                f"{name}: {capture.pre_event_s:g} s of pre-roll need about {need / 1e6:.0f} MB but buffer_mb is "
                f"{capture.buffer_mb}; the pre-roll will be shorter",
                severity="warning",
            )


def release_above_reserve(config: RecorderConfig) -> Iterator[Finding]:
    storage = config.storage
    if storage.release_below_free_mb <= storage.reserve_mb:
        yield Finding(
            (("storage", "release_below_free_mb"), ("storage", "reserve_mb")),
            f"release_below_free_mb 不大于 reserve_mb（{storage.reserve_mb}），要到介质写满才会释放空间",
            f"release_below_free_mb is not above reserve_mb ({storage.reserve_mb}): nothing is released before the medium "
            "is full",
            severity="warning",
        )


def fault_thresholds(config: RecorderConfig) -> Iterator[Finding]:
    """A second level at or beyond the first would never be a warning of its own; equal on and off would flicker."""
    faults = config.faults
    for smaller, greater, section, small_key, great_key, strict in (
        (
            faults.storage.very_low_minutes,
            faults.storage.low_minutes,
            "storage",
            "very_low_minutes",
            "low_minutes",
            False,
        ),
        (faults.storage.slow_p90_ms, faults.storage.slow_ms, "storage", "slow_p90_ms", "slow_ms", False),
        (
            faults.battery.critical_minutes,
            faults.battery.low_minutes,
            "battery",
            "critical_minutes",
            "low_minutes",
            True,
        ),
        (faults.battery.cutoff_v, faults.battery.full_v, "battery", "cutoff_v", "full_v", True),
        (faults.thermal.clear_c, faults.thermal.high_c, "thermal", "clear_c", "high_c", True),
    ):
        if smaller > greater or (strict and smaller == greater):
            yield Finding(
                (("faults", section, small_key), ("faults", section, great_key)),
                f"{small_key}（{smaller:g}）必须小于 {great_key}（{greater:g}）",
                f"{small_key} ({smaller:g}) must be less than {great_key} ({greater:g})",
            )


RULES: tuple[Rule, ...] = (
    cameras_present,
    gestures_differ,
    repeats_rise,
    watermark_fits,
    recipient_checksums,
    night_hysteresis,
    speech_hysteresis,
    sealing_recipients,
    backoff_order,
    socket_paths_fit,
    store_url_is_https,
    upload_cap_is_usable,
    pre_event_fits,
    release_above_reserve,
    fault_thresholds,
    *BOARD_RULES,
)


def findings(config: RecorderConfig) -> Iterator[Finding]:
    """Everything the rules have to say."""
    for rule in RULES:
        yield from rule(config)
