"""Who the unit is and whom it believes: device key, certificates, the agency's CA and the store's key."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from firmware_bridge.ports import Check, Clock, Verdict
from recorder.config.models import RecorderConfig
from recorder.evidence.certificates import CertificateError, check_chain, load_chain, private_key
from recorder.evidence.enrol import device_chain_file, device_key_file
from recorder.evidence.errors import CannotRead
from recorder.evidence.signer import KeyFileError, load_or_create_key
from recorder.evidence.trust import Trust, load_trust, validity

SOON_S: Final = 30 * 86_400
_ENROL: Final = (
    "recorder enrol request，由机关签发后 recorder enrol install",
    "recorder enrol request, then install the agency's answer",
)


def identity(config: RecorderConfig, clock: Clock) -> Iterator[Check]:
    try:
        trust = load_trust(Path(config.trust.dir))
    except CannotRead as error:
        yield Check("trust", "fault", f"{error.path}: {error.zh}", f"{error.path}: {error.en}", *_ENROL)
        trust = Trust()
    else:
        yield from _trust(trust, config.trust.dir)
    yield _key(device_key_file(Path(config.storage.data_dir)))
    yield _certificate(config, trust, clock)


def _trust(trust: Trust, folder: str) -> Iterator[Check]:
    if trust.authorities:
        yield Check(
            "trust.agency-ca", "ok", f"{len(trust.authorities)} 份证书", f"{len(trust.authorities)} certificate(s)"
        )
    else:
        yield Check(
            "trust.agency-ca", "warning", f"{folder} 里没有 agency-ca.pem", f"no agency-ca.pem in {folder}", *_ENROL
        )
    if trust.store_keys:
        yield Check("trust.store-key", "ok", f"{len(trust.store_keys)} 个公钥", f"{len(trust.store_keys)} key(s)")
    else:
        yield Check(
            "trust.store-key",
            "warning",
            f"{folder} 里没有 store-key.pem：不相信任何回执，空间不会释放",
            f"no store-key.pem in {folder}: no receipt is believed and no room released",
            *_ENROL,
        )


def _key(path: Path) -> Check:
    device = "keys.device"
    try:
        if not path.exists():
            return Check(
                device,
                "warning",
                f"尚无 {path}",
                f"there is no {path} yet",
                "首次启动时生成",
                "the first start makes it",
            )
        load_or_create_key(path)
        mode = stat.S_IMODE(path.stat().st_mode)
    except PermissionError as error:
        advice = ("以 root 或 recorder 用户运行才能检查", "run it as root or as user recorder to look at it")
        return Check(device, "warning", f"{error}", f"{error}", *advice)
    except (KeyFileError, OSError) as error:
        advice = (
            "没有可用的密钥就无法签名：从备份恢复，或移走后重新登记",
            "without it nothing is signed: restore it, or move it away and enrol again",
        )
        return Check(device, "fault", f"{error}", f"{error}", *advice)
    return Check(device, "ok", f"{path}（{mode:04o}）", f"{path} ({mode:04o})")


def _certificate(config: RecorderConfig, trust: Trust, clock: Clock) -> Check:
    device, data_dir = "keys.certificate", Path(config.storage.data_dir)
    path = device_chain_file(data_dir)
    try:
        if not path.exists():
            seen = (
                f"尚无 {path}：核验结论为“密钥不受信任”",
                f"there is no {path}: verdicts will say that the key is untrusted",
            )
            return Check(device, "warning", *seen, *_ENROL)
        chain = load_chain(path.read_bytes(), str(path))
        key_file = device_key_file(data_dir)
        if key_file.exists() and trust.authorities:
            load_or_create_key(key_file)  # refuses what the unit would refuse
            check_chain(chain, trust.authorities, private_key(key_file).public_key(), config.device.id, str(path))
    except PermissionError as error:
        advice = ("以 root 或 recorder 用户运行才能检查", "run it as root or as user recorder to look at it")
        return Check(device, "warning", f"{error}", f"{error}", *advice)
    except (CertificateError, KeyFileError, OSError) as error:
        return Check(device, "fault", f"{error}", f"{error}", *_ENROL)
    begins, ends = validity(chain[0])
    return _dated(device, begins, ends, clock.wall_us() / 1e6)


def _dated(device: str, begins: float, ends: float, now: float) -> Check:
    days = (ends - now) / 86_400
    if now < begins or now >= ends:
        state = ("fault", "不在有效期内", "not valid now")
    elif ends - now < SOON_S:
        state = ("warning", f"还有 {days:.0f} 天到期", f"expires in {days:.0f} days")
    else:
        return Check(device, "ok", f"有效，还有 {days:.0f} 天", f"valid for {days:.0f} days")
    verdict: Verdict = "fault" if state[0] == "fault" else "warning"
    return Check(device, verdict, state[1], state[2], f"{_ENROL[0]}；核对系统时间", f"{_ENROL[1]}; check the clock")
