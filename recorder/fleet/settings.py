"""The admin's settings file (``fleet.toml``): which broker, which store, whose certificate, which command key.

An admin's computer is no unit: it has none of a unit's configuration. The file is small, so its few defaults stand here,
beside their meaning. Errors name file, line, column and key, as those of the units' files do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from recorder.config.keys import closest
from recorder.config.layers import Layer, parse_layer
from recorder.config.messages import explain
from recorder.config.problems import KeyPath, Place, Problem
from recorder.config.section import Section

DEFAULT_FILE: Final = Path("/etc/recorder/fleet.toml")
SETTINGS_VARIABLE: Final = "RECORDER_FLEET"
"""Environment variable that names another file."""

Text = Annotated[str, StringConstraints(min_length=1)]


class BrokerSection(Section):
    """``connect_timeout_s``: the broker must have answered by then."""

    host: Text
    port: Annotated[int, Field(ge=1, le=65535)] = 8883
    connect_timeout_s: Annotated[float, Field(ge=0.5, le=120)] = 10.0


class StoreSection(Section):
    """``url``: ``https://host[:port]``; empty: nothing is asked of the store."""

    url: str = ""


class TlsSection(Section):
    """``dir``: folder with ``ca.pem``, ``client-cert.pem``, ``client-key.pem`` of this admin."""

    dir: Text


class CommandsSection(Section):
    """``key``: the agency's command key (PEM, P-256, mode 0600); empty: this admin may look and not command.
    ``answer_s``: so long an answer is waited for; ``expires_s``: a command is good for so long."""

    key: str = ""
    answer_s: Annotated[float, Field(ge=0.5, le=3600)] = 20.0
    expires_s: Annotated[float, Field(ge=5, le=7 * 86_400)] = 600.0


class FleetFile(Section):
    """The whole file."""

    broker: BrokerSection
    tls: TlsSection
    store: StoreSection = StoreSection()
    commands: CommandsSection = CommandsSection()


class FleetError(Exception):
    """What the admin asked for cannot be done; ``zh`` and ``en`` say why."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


class SettingsError(FleetError):
    """The settings file cannot be used; ``problems`` say where and why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(*(self._text(problems, language) for language in ("zh", "en")))
        self.problems = problems

    @staticmethod
    def _text(problems: tuple[Problem, ...], language: str) -> str:
        chosen: Literal["zh", "en"] = "en" if language == "en" else "zh"
        return "\n".join(problem.text(chosen) for problem in problems)


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """The file's contents with its paths resolved: relative ones count from the folder the file is in."""

    source: Path
    file: FleetFile

    @property
    def tls_dir(self) -> Path:
        return self._path(self.file.tls.dir)

    @property
    def command_key(self) -> Path:
        """Raises FleetError where this admin has none."""
        if not self.file.commands.key:
            raise FleetError(
                f"{self.source}: commands.key: 未填写机关指令私钥，不能下达指令",
                f"{self.source}: commands.key: no command key, so nothing can be commanded",
            )
        return self._path(self.file.commands.key)

    def _path(self, text: str) -> Path:
        return self.source.absolute().parent / text


def load_settings(path: Path) -> FleetSettings:
    """Read ``path``. Raises SettingsError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        zh, en = f"无法读取：{why}", f"cannot be read: {why}"
        if isinstance(error, FileNotFoundError):
            zh += f"；请用 --settings 或环境变量 {SETTINGS_VARIABLE} 指明管理端设置（docs/fleet.md）"
            en += f"; name the admin's settings by --settings or the variable {SETTINGS_VARIABLE} (docs/fleet.md)"
        raise SettingsError((Problem(Place(str(path)), (), zh, en),)) from error
    return FleetSettings(path, parse_settings(str(path), raw))


def parse_settings(name: str, raw: bytes) -> FleetFile:
    """``raw`` of the file ``name``. Raises SettingsError."""
    layer = parse_layer(name, raw)
    if isinstance(layer, Problem):
        raise SettingsError((layer,))
    text = json.dumps(layer.data, default=lambda value: {"toml": str(value)})  # dates, times: no setting is one
    try:
        return FleetFile.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems = tuple(_problem(detail, layer) for detail in error.errors(include_url=False))
        raise SettingsError(problems) from error


def _problem(detail: ErrorDetails, layer: Layer) -> Problem:
    path: KeyPath = detail["loc"]
    if detail["type"] != "extra_forbidden":
        return Problem(layer.place(path), path, *explain(detail))
    near = closest(str(path[-1]), _keys(path[:-1]))
    zh, en = (f"，是否应为 '{near}'？", f", did you mean '{near}'?") if near else ("", "")
    return Problem(layer.place(path), path, f"未知的配置项{zh}", f"unknown key{en}")


def _keys(path: KeyPath) -> list[str]:
    """What may stand in the table at ``path``."""
    model: type[BaseModel] = FleetFile
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        model = annotation
    return list(model.model_fields)
