"""Making what units believe: commands and assignments, signed with the agency's command key."""

from __future__ import annotations

import stat
import uuid
from dataclasses import dataclass
from pathlib import Path

from recorder.evidence import jws
from recorder.evidence.assignments import TYP as ASSIGNMENT
from recorder.evidence.assignments import Assignment
from recorder.evidence.commands import TYP as COMMAND
from recorder.evidence.commands import AgencyCommand, AnyOrder
from recorder.evidence.jws import Signer
from recorder.evidence.p256 import PrivateKey
from recorder.evidence.signer import FileSigner
from recorder.fleet.settings import FleetError


@dataclass(frozen=True, slots=True)
class SignedCommand:
    """``text``: the compact JWS; ``exp``: seconds since 1970, no unit begins it after that."""

    unit_id: str
    command_id: str
    kind: str
    text: str
    exp: float


def load_command_key(path: Path) -> FileSigner:
    """A P-256 private key (PEM) nobody else may read. Raises FleetError naming the file; never makes one."""
    try:
        mode, pem = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise FleetError(
            f"{path}: 机关指令私钥无法读取：{why}", f"{path}: command key cannot be read: {why}"
        ) from error
    if mode & 0o077:
        raise FleetError(
            f"{path}: 权限 {mode:04o} 过宽，他人可读：chmod 600",
            f"{path}: mode {mode:04o}, readable by others: chmod 600",
        )
    try:
        return FileSigner(PrivateKey(pem))
    except ValueError as error:
        raise FleetError(f"{path}: 不是 P-256 PEM 私钥", f"{path}: not a P-256 PEM private key: {error}") from error


def sign_command(unit_id: str, order: AnyOrder, signer: Signer, now_s: float, term_s: float) -> SignedCommand:
    """``now_s``: the wall clock's claim, seconds since 1970; the command is good until ``now_s + term_s``."""
    now_s = round(now_s, 3)
    command = AgencyCommand(ver=1, jti=str(uuid.uuid4()), unit_id=unit_id, iat=now_s, exp=now_s + term_s, order=order)
    text = jws.sign(COMMAND, command.model_dump(mode="json", exclude_none=True), signer)
    return SignedCommand(unit_id, command.jti, order.kind, text, command.exp)


def sign_assignment(unit_id: str, name: str, cert_no: str, signer: Signer, now_s: float, term_s: float) -> str:
    """The officer works with this unit until ``now_s + term_s``."""
    now_s = round(now_s, 3)
    assignment = Assignment(
        ver=1,
        jti=str(uuid.uuid4()),
        unit_id=unit_id,
        iat=now_s,
        exp=now_s + term_s,
        name=name,
        cert_no=cert_no,
    )
    return jws.sign(ASSIGNMENT, assignment.model_dump(mode="json"), signer)
