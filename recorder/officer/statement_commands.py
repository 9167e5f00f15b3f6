"""``recorder statement``: what officers and admins do off the unit, with keys the unit never sees (art. 23)."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from recorder.cli import fail, say
from recorder.evidence.records import LegalCause

CAUSES = get_args(LegalCause)

_path = click.Path(path_type=Path, dir_okay=False)
_subject = [
    click.argument("document", type=_path),
    click.option("--gap", "gap_id", required=True, help="中断编号 the gap's id"),
    click.option("--legal-cause", required=True, type=click.Choice(CAUSES), help="中断原因类别 legal cause"),
    click.option("--key", "key_file", required=True, type=_path, help="本人私钥 your private key (PEM)"),
    click.option("--cert", "cert_file", required=True, type=_path, help="本人证书 your certificate (PEM, leaf first)"),
    click.option("-o", "--output", type=_path, help="签名文件 signature file (default: DOCUMENT.NUMBER.jws)"),
]


@click.group("statement")
def statement_group() -> None:
    """书面说明的签名（在设备之外）· sign written statements, off the unit."""


@statement_group.command("request")
@click.argument("name")
@click.option("--key", "key_file", required=True, type=_path, help="私钥，没有则生成 private key, made if absent")
@click.option("-o", "--output", required=True, type=_path, help="证书请求 certificate request (PEM)")
def request_command(name: str, key_file: Path, output: Path) -> None:
    """生成密钥和证书请求 · make a key and the request for your certificate; NAME is yours (姓名)."""
    from recorder.evidence.certificates import certificate_request, private_key
    from recorder.evidence.files import OsFiles
    from recorder.evidence.signer import KeyFileError, load_or_create_key

    try:
        load_or_create_key(key_file)
        OsFiles().replace(output, certificate_request(private_key(key_file), name))
    except (KeyFileError, OSError, ValueError) as error:
        fail(str(error), str(error))
    click.echo(str(output))


def _with_subject(command: click.decorators.FC) -> click.decorators.FC:
    for option in reversed(_subject):
        command = option(command)
    return command


@statement_group.command("sign")
@_with_subject
def sign_command(
    document: Path, gap_id: str, legal_cause: LegalCause, key_file: Path, cert_file: Path, output: Path | None
) -> None:
    """执法人员签名 · sign DOCUMENT as an officer; hand the signature in with `recorder ctl statement sign`."""
    _sign(document, gap_id, legal_cause, key_file, cert_file, output, ())


@statement_group.command("bind")
@_with_subject
@click.option(
    "--officer",
    "officers",
    nargs=2,
    multiple=True,
    required=True,
    help="签字人 姓名 执法证号，可重复 NAME NUMBER, repeatable",
)
def bind_command(
    document: Path,
    gap_id: str,
    legal_cause: LegalCause,
    key_file: Path,
    cert_file: Path,
    output: Path | None,
    officers: tuple[tuple[str, str], ...],
) -> None:
    """管理人员绑定扫描件 · bind the scan of a sheet two officers signed by hand, as an admin."""
    _sign(document, gap_id, legal_cause, key_file, cert_file, output, officers)


def _sign(
    document: Path,
    gap_id: str,
    legal_cause: LegalCause,
    key_file: Path,
    cert_file: Path,
    output: Path | None,
    officers: tuple[tuple[str, str], ...],
) -> None:
    from recorder.evidence.signer import KeyFileError, load_signer
    from recorder.evidence.statement_files import DocumentError, look_at
    from recorder.evidence.statement_signatures import (
        NamedOfficer,
        SignatureClaims,
        StatementRefused,
        read_signature,
        sign_statement,
    )
    from recorder.loading import system_clock

    try:
        signer = load_signer(key_file, cert_file)
        with document.open("rb") as stream:
            digest = look_at(stream).sha256
        claims = SignatureClaims(
            ver=1,
            gap_id=gap_id,
            document_sha256=digest,
            legal_cause=legal_cause,
            method="scanned-sheet" if officers else "certificate",
            officers=tuple(NamedOfficer(name=name, cert_no=number) for name, number in officers),
            iat=round(system_clock().wall_us() / 1e6, 3),
        )
        text = sign_statement(claims, signer)
        person = read_signature(text).person
        expected = "admin" if officers else "officer"
        if person.role != expected:
            zh = "绑定扫描件须用管理人员的证书" if officers else "签名须用行政执法人员的证书"
            raise StatementRefused(
                "wrong-role", f"{cert_file}：{zh}", f"{cert_file}: not the certificate of an {expected}"
            )
        target = output or document.with_name(f"{document.name}.{person.number}.jws")
        target.write_text(text + "\n", encoding="ascii")
    except (StatementRefused, DocumentError) as error:
        fail(error.zh, error.en)
    except (KeyFileError, OSError, ValueError) as error:
        fail(str(error), str(error))
    click.echo(
        say(
            f"{target}：{person.name}（{person.cert_no}）已签名",
            f"{target}: signed by {person.name} ({person.cert_no})",
        )
    )
