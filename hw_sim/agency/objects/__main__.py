"""``python -m hw_sim.agency.objects``: what an administrator does with the object store by hand.

prepare --objects URL                       make the bucket with Object Lock, set its life cycle rule, then check it
check   --objects URL                       is it fit for evidence? 0: yes
sweep   --objects URL [--hours 24]          give up multipart uploads a kill left unfinished
fetch   --objects URL VAULT --out DIR       lay out ROOT/UNIT/JOURNAL for ``recorder verify DIR``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from firmware_bridge.clock import SystemClock
from hw_sim.agency.objects.fetch import fetch
from hw_sim.agency.objects.opening import open_objects
from hw_sim.agency.objects.ports import ObjectStoreError
from hw_sim.agency.objects.settings import ObjectSettings, S3Settings, SettingsError, parse_objects


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hw_sim.agency.objects", description="对象存储 object store")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("prepare", "建立带对象锁定的存储桶，设生命周期规则 make the bucket with Object Lock, set its life cycle rule"),
        ("check", "检查存储是否可用于证据 is the store fit for evidence"),
        ("sweep", "清除未完成的分段上传 give up unfinished multipart uploads"),
        ("fetch", "取回一个日志的全部片段供核验 lay out a journal's segments for the verifier"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--objects", required=True, help="URL: docs/object-stores.md")
        if name == "sweep":
            command.add_argument("--hours", type=float, default=24.0, help="only those begun so long ago")
        if name == "fetch":
            command.add_argument("vault", type=Path, help="ROOT/UNIT/JOURNAL of the ingest service, or its backup")
            command.add_argument("--out", type=Path, required=True, help="folder to fill")
            command.add_argument("--session", help="only this recording's segments")
            command.add_argument("--root", type=Path, help="of a folder store; default: two above VAULT")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """0: done; 1: something is missing or not what its receipt says; 2: cannot be done."""
    options = arguments(sys.argv[1:] if argv is None else argv)
    try:
        return _run(options)
    except (SettingsError, ObjectStoreError, ValueError, OSError) as error:
        _say(sys.stderr, str(error))
        return 2


def _run(options: argparse.Namespace) -> int:
    settings = parse_objects(options.objects)
    if options.command in ("prepare", "sweep"):
        _on_the_bucket(options, settings)
    root = Path() if options.command != "fetch" else options.root or options.vault.absolute().parents[1]
    store = open_objects(settings, root)
    if options.command != "fetch":
        _say(sys.stdout, f"可用 fit for evidence, lock_mode {store.lock_mode}")
        return 0
    done = fetch(store, options.vault, options.out, options.session)
    for key, reason in done.failed.items():
        _say(sys.stderr, f"{key}: {reason}")
    _say(
        sys.stdout,
        f"{options.out}: {done.objects} 个对象 objects, {done.size} bytes, {len(done.failed)} 个失败 failed",
    )
    return 1 if done.failed else 0


def _on_the_bucket(options: argparse.Namespace, settings: ObjectSettings) -> None:
    if not isinstance(settings, S3Settings):
        raise SettingsError(f"{options.command}: 只用于 S3 for S3 only")
    from hw_sim.agency.objects.s3 import ABANDON_DAYS, S3Store

    store = S3Store.connect(settings)
    if options.command == "prepare":
        made = store.prepare()
        _say(sys.stdout, f"{settings.bucket}: " + ("已建立 made" if made else "已存在 was there"))
        store.set_lifecycle()
        _say(
            sys.stdout,
            f"{settings.bucket}: {ABANDON_DAYS} 天后清除未完成的上传 days, then unfinished uploads are given up",
        )
    else:
        count = store.abandon_parts(SystemClock().wall_us() / 1e6 - options.hours * 3600)
        _say(sys.stdout, f"{settings.bucket}: {count} 个已清除 given up")


def _say(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
