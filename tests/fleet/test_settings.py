"""The admin's settings file: what is wrong with it is said with file, line and key, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.fleet.settings import FleetError, SettingsError, load_settings

GOOD = """\
[broker]
host = "mqtt.agency.example"

[tls]
dir = "desk-client"

[commands]
key = "private/command-key.pem"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_count_from_the_file_and_the_rest_has_defaults(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, GOOD))
    assert settings.tls_dir == tmp_path / "desk-client"
    assert settings.command_key == tmp_path / "private" / "command-key.pem"
    assert (settings.file.broker.port, settings.file.store.url) == (8883, "")
    absolute = load_settings(written(tmp_path, GOOD.replace("desk-client", "/etc/desk")))
    assert absolute.tls_dir == Path("/etc/desk")


def test_an_admin_without_a_command_key_is_told_so(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD[: GOOD.index("[commands]")])
    with pytest.raises(FleetError) as caught:
        _ = load_settings(path).command_key
    assert str(path) in caught.value.zh and "commands.key" in caught.value.en


@pytest.mark.parametrize(
    ("change", "place", "zh", "en"),
    [
        (
            ('host = "mqtt.agency.example"', 'hots = "m"'),
            ":2:1: broker.hots: ",
            "是否应为 'host'",
            "did you mean 'host'",
        ),
        (('host = "mqtt.agency.example"', "port = 1"), ":1:1: broker.host: ", "缺少此项", "missing"),
        (('host = "mqtt.agency.example"', 'host = "m"\nport = 70000'), ":3:1: broker.port: ", "不得大于", "at most"),
        (('host = "mqtt.agency.example"', "host = 7"), ":2:1: broker.host: ", "应为文本", "should be text"),
        (("[commands]", "[comands]"), ":7:1: comands: ", "是否应为 'commands'", "did you mean 'commands'"),
        (("[tls]", "[tls"), ":4:5: ", "TOML 语法错误", "TOML syntax"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, change: tuple[str, str], place: str, zh: str, en: str
) -> None:
    path = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert f"{path}{place}" in caught.value.zh and zh in caught.value.zh
    assert f"{path}{place}" in caught.value.en and en in caught.value.en


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "none.toml")
    assert "none.toml" in caught.value.zh and "无法读取" in caught.value.zh
