"""``recorder fleet command`` as a person meets it: help, mistakes, tables, exit codes. The real exchange is met in
tests/integration/test_commands.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from recorder.cli import main
from recorder.evidence.signer import load_or_create_key
from recorder.fleet.command import as_json, as_table, looked_up
from recorder.fleet.exchange import Report
from recorder.fleet.settings import SettingsError, load_settings
from recorder.fleet.signing import SignedCommand
from recorder.fleet.store import StoreReader
from recorder.uplink.http import Answer

REPORTS = (
    Report(SignedCommand("zfy-1", "id-1", "mark", "a.b.c", 5.0), "done", "", "已执行", "done", 1234),
    Report(
        SignedCommand("zfy-000002", "id-2", "mark", "a.b.c", 5.0),
        "no-answer",
        "no-answer",
        "没有应答",
        "no answer",
        None,
    ),
)


def run(*arguments: str, language: str = "zh_CN.UTF-8") -> Result:
    return CliRunner().invoke(main, ["fleet", *arguments], env={"LANG": language, "LC_ALL": "", "LC_MESSAGES": ""})


def settings(tmp_path: Path, key: bool = True) -> Path:
    path = tmp_path / "fleet.toml"
    commands = '[commands]\nkey = "command-key.pem"\n' if key else ""
    path.write_text(f'[broker]\nhost = "127.0.0.1"\nport = 1\nconnect_timeout_s = 0.5\n[tls]\ndir = "tls"\n{commands}')
    load_or_create_key(tmp_path / "command-key.pem")
    return path


def test_the_help_names_the_kinds_and_exit_codes() -> None:
    listed = run("--help")
    assert listed.exit_code == 0 and "command" in listed.output
    shown = run("command", "--help")
    assert "refetch-receipt" in shown.output and "退出码" in shown.output


@pytest.mark.parametrize(("language", "words"), [("zh_CN.UTF-8", "无法读取"), ("en_US.UTF-8", "cannot be read")])
def test_without_settings_it_is_two_and_says_which_file(tmp_path: Path, language: str, words: str) -> None:
    done = run("command", "--settings", str(tmp_path / "none.toml"), "zfy-1", "mark", language=language)
    assert done.exit_code == 2 and words in done.output and "none.toml" in done.output


@pytest.mark.parametrize(("language", "words"), [("zh_CN.UTF-8", "请用 --settings"), ("en_US.UTF-8", "by --settings")])
def test_a_missing_settings_file_is_said_with_how_to_name_another(tmp_path: Path, language: str, words: str) -> None:
    done = run("units", "--settings", str(tmp_path / "none.toml"), language=language)
    assert done.exit_code == 2 and words in done.output and "RECORDER_FLEET" in done.output
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "folder.toml")
    assert "RECORDER_FLEET" not in caught.value.en, "it is there, and something else is wrong with it"


class Store:
    """Knows ``zfy-1`` only; ``status``: what it answers whom it does not know."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[str] = []

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        self.asked.append(path)
        return Answer(200 if path.endswith("/zfy-1") else self.status, {}, b"{}")


def test_a_unit_without_an_answer_that_the_store_does_not_know_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(404)
    known = replace(REPORTS[1], command=replace(REPORTS[1].command, unit_id="zfy-1"))
    told = looked_up((REPORTS[0], known, REPORTS[1]), StoreReader(store))
    assert told[:2] == (REPORTS[0], known) and store.asked == ["/fleet/units/zfy-1", "/fleet/units/zfy-000002"]
    assert (told[2].result, told[2].code) == ("no-answer", "unknown-unit")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "存储从未收到该设备的消息" in as_table(told).splitlines()[3]
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert "the store has never heard of this unit" in as_table(told).splitlines()[3]


def test_a_store_that_cannot_be_asked_changes_no_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert looked_up(REPORTS, StoreReader(Store(403))) == REPORTS
    assert "注意：存储拒绝（403）：本证书不是管理员证书" in capsys.readouterr().err
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert looked_up(REPORTS, StoreReader(Store(500))) == REPORTS
    assert "note: the store answers 500" in capsys.readouterr().err


def test_without_a_key_it_is_two(tmp_path: Path) -> None:
    done = run("command", "--settings", str(settings(tmp_path, key=False)), "zfy-1", "mark")
    assert done.exit_code == 2 and "commands.key" in done.output


def test_an_option_of_another_kind_is_two_before_anything_is_sent(tmp_path: Path) -> None:
    done = run("command", "--settings", str(settings(tmp_path)), "zfy-1", "mark", "--reason", "x")
    assert done.exit_code == 2 and "--reason 不属于 mark" in done.output


def test_without_a_certificate_it_is_two_and_says_which_file(tmp_path: Path) -> None:
    done = run("command", "--settings", str(settings(tmp_path)), "zfy-1", "mark")
    assert done.exit_code == 2 and "client-cert.pem: 管理员证书不可用" in done.output


@pytest.mark.parametrize(("language", "words"), [("zh_CN.UTF-8", "无法连接"), ("en_US.UTF-8", "cannot be reached")])
def test_a_broker_that_is_not_there_is_two(tmp_path: Path, language: str, words: str) -> None:
    path = settings(tmp_path)
    (tmp_path / "tls").symlink_to(Authority(tmp_path / "authority", SystemClock()).desk_client_dir)
    done = run("command", "--settings", str(path), "zfy-1", "mark", language=language)
    assert done.exit_code == 2 and words in done.output


def test_the_table_keeps_its_columns_also_with_chinese_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    header, first, second = as_table(REPORTS).splitlines()
    assert header.split() == ["设备", "结果", "日志序号", "说明"]
    assert first.split() == ["zfy-1", "已执行", "1234", "已执行"]
    assert second.split() == ["zfy-000002", "无应答", "没有应答"]
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    header, first, second = as_table(REPORTS).splitlines()
    assert header.index("result") == first.index("done") == second.index("no answer")


def test_the_json_has_everything_in_both_languages() -> None:
    first, second = json.loads(as_json(REPORTS))
    assert (first["unit"], first["result"], first["seq"], first["expires"]) == ("zfy-1", "done", 1234, 5.0)
    assert (second["result"], second["zh"], second["en"]) == ("no-answer", "没有应答", "no answer")
