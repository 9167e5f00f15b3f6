"""``recorder update-sign``: the signed manifest beside an artefact, made by whoever holds the update key; not on a unit."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import click

from recorder.cli import fail
from recorder.evidence.p256 import PrivateKey
from recorder.evidence.signer import FileSigner
from recorder.update.manifest import Manifest, sign_manifest
from recorder.update.places import MANIFEST


@click.command("update-sign")
@click.argument("artefact", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="升级私钥 PEM update key")
@click.option("--version", required=True, help="升级后的版本（recorder --version） what runs afterwards")
@click.option("--min-version", required=True, help="可从哪个版本起升级 the oldest version it may replace")
@click.option("--board", "boards", required=True, multiple=True, help="板卡文件名，可重复 board file, repeatable")
@click.option("--kind", type=click.Choice(["deb", "rauc"]), default="deb", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path(MANIFEST), show_default=True)
def sign_command(
    artefact: Path,
    key: Path,
    version: str,
    min_version: str,
    boards: tuple[str, ...],
    kind: Literal["deb", "rauc"],
    output: Path,
) -> None:
    """签发升级清单 · sign the manifest of an update; upload both files as artefacts of one software module."""
    try:
        signer = FileSigner(PrivateKey(key.read_bytes()))
    except (OSError, ValueError) as error:
        fail(f"{key}: 升级私钥不可用：{error}", f"{key}: the update key cannot be used: {error}")
    with artefact.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = Manifest(
        1, "zfy-recorder", version, artefact.name, digest, artefact.stat().st_size, kind, min_version, boards
    )
    try:
        text = sign_manifest(manifest, signer)
    except ValueError as error:
        fail(str(error), str(error))
    output.write_text(text + "\n", encoding="ascii")
    click.echo(str(output))
