"""Making checks: three verdicts, and texts that drivers already give in both languages."""

from __future__ import annotations

from firmware_bridge.ports import Check, DeviceError


def ok(device: str, zh: str, en: str) -> Check:
    return Check(device, "ok", zh, en)


def warning(device: str, zh: str, en: str, advice_zh: str, advice_en: str) -> Check:
    return Check(device, "warning", zh, en, advice_zh, advice_en)


def fault(device: str, zh: str, en: str, advice_zh: str, advice_en: str) -> Check:
    return Check(device, "fault", zh, en, advice_zh, advice_en)


def refused(device: str, error: DeviceError | OSError, advice_zh: str, advice_en: str) -> Check:
    """What the driver or the kernel said, as it stands."""
    return Check(device, "fault", str(error), str(error), advice_zh, advice_en)
