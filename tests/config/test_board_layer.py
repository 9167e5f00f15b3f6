"""A board file is one more layer: found by name, told by line, changed key by key, never a reason not to record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from recorder.board_options import board_options
from recorder.cli import main
from recorder.config.board_layer import shipped_boards
from recorder.config.check import check_board, check_files
from recorder.config.layers import Layer
from recorder.config.load import Loaded, canonical, load_config, save_last_good
from recorder.config.paths import boards_dir
from recorder.evidence.files import OsFiles
from tests.config.conftest import SEALED

Write = Callable[[str, str], Path]
BOARD = '[gpio]\nled_red = "GPIO5"\nled_green = "GPIO6:low"\n[camera.cam0]\nindex = 0\n'


@pytest.fixture
def load(write: Write, tmp_path: Path) -> Callable[..., Loaded]:
    """The configuration of an agency file with the keys it needs plus ``text``."""

    def load(text: str, env: dict[str, str] | None = None) -> Loaded:
        return load_config([write("agency.toml", SEALED + text)], env or {}, tmp_path / "data")

    return load


def test_a_shipped_board_by_its_name_with_the_place_of_every_value(load: Callable[..., Loaded]) -> None:
    loaded = load('[board]\nfile = "vehicle-pi4"\n')
    path = boards_dir() / "vehicle-pi4.toml"
    assert (loaded.status, loaded.problems) == ("applied", ())
    assert loaded.config.board.power is not None and loaded.config.board.power.monitor == "ina226"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = 1 + next(number for number, line in enumerate(lines) if line.startswith("monitor"))
    assert str(loaded.provenance[("board", "power", "monitor")]) == f"{path}:{at}:1"
    assert str(path) in loaded.layer_names
    assert json.loads(canonical(loaded.config))["board"]["power"]["monitor"] == "ina226", (
        "what is signed names the board"
    )


def test_a_unit_changes_one_pin_and_takes_one_away(write: Write, load: Callable[..., Loaded]) -> None:
    write("mine.toml", BOARD)
    loaded = load('[board]\nfile = "mine.toml"\n[board.gpio]\nled_red = "GPIO16"\nled_green = "none"\n')
    options = board_options(json.loads(canonical(loaded.config)))
    assert (options["led_red"], options["led_green"]) == ("GPIO16", "none")
    assert str(loaded.provenance[("board", "gpio", "led_red")]).endswith("agency.toml:6:1")


def test_the_environment_may_name_the_board_and_a_pin(load: Callable[..., Loaded]) -> None:
    loaded = load("", {"RECORDER__BOARD__FILE": "vehicle-pi5", "RECORDER__BOARD__GPIO__LED_RED": "GPIO16"})
    assert loaded.config.board.gpio is not None
    assert (loaded.config.board.gpio.led_red, loaded.config.board.gpio.led_green) == ("GPIO16", "GPIO6")


def test_a_push_cannot_change_the_board(write: Write, load: Callable[..., Loaded]) -> None:
    write("data/config/pushed.toml", '[board]\nfile = "vehicle-pi5"\n')
    loaded = load("")
    assert loaded.config.board.file == ""
    assert [problem.key for problem in loaded.problems] == ["board"]


def test_a_misspelt_name_is_told_where_it_stands_and_the_rest_is_in_force(load: Callable[..., Loaded]) -> None:
    loaded = load('[board]\nfile = "vehicle-pi9"\n[capture]\nsegment_s = 30\n')
    (problem,) = loaded.problems
    assert problem.place.line == 4 and "did you mean 'vehicle-pi" in problem.en and "是否应为" in problem.zh
    assert (loaded.status, loaded.config.capture.segment_s) == ("fallback", 30)
    assert len(loaded.config.sealing.recipients) == 2


def test_a_driver_that_is_not_there_is_set_aside_for_the_default(
    load: Callable[..., Loaded], write: Write, defaults: Layer
) -> None:
    text = '[board]\nmodule = "firmware_bridge.raspberri_pi.board"\n'
    loaded = load(text)
    assert loaded.status == "fallback" and loaded.config.board.module == "firmware_bridge.raspberry_pi.board"
    assert [(problem.key, problem.place.line) for problem in loaded.problems] == [("board.module", 4)]
    assert [problem.key for problem in check_files([write("agency.toml", SEALED + text)], defaults)] == ["board.module"]


@pytest.mark.parametrize("broken", ["misspelt", "damaged", "removed"])
def test_without_the_named_board_the_one_that_last_worked_is_used(
    write: Write, load: Callable[..., Loaded], tmp_path: Path, broken: str
) -> None:
    board = write("mine.toml", BOARD)
    text = f'[storage]\ndata_dir = "{tmp_path / "data"}"\n[board]\nfile = "mine.toml"\n'
    assert save_last_good(OsFiles(), load(text))
    if broken == "damaged":
        board.write_text("[gpio\n", encoding="utf-8")
    elif broken == "removed":
        board.unlink()
    loaded = load(text.replace("mine.toml", "nonesuch") if broken == "misspelt" else text)
    assert loaded.status == "fallback" and loaded.problems
    assert loaded.config.board.gpio is not None and loaded.config.board.gpio.led_red == "GPIO5"


@pytest.mark.parametrize(
    ("board", "line", "key", "says"),
    [
        ('[gpio]\nled_redd = "GPIO5"\n', 2, "board.gpio.led_redd", "did you mean 'led_red'?"),
        ('[gpio]\nled_red = "17"\n', 2, "board.gpio.led_red", "GPIO0 … GPIO53"),
        ('[gipo]\nled_red = "GPIO5"\n', 1, "board.gipo", "did you mean 'gpio'?"),
        ("[battery]\ngauge = 'max17048'\naddress = 200\n", 3, "board.battery.address", "at most 119"),
        ('\nmodule = "x"\n', 2, "module", "does not belong into a board file"),
        ('[gnss]\ndevice = "ttyAMA0"\n', 2, "board.gnss.device", "below /dev"),
        ("[camera.cam0]\nrotation = 90\n", 2, "board.camera.cam0.rotation", "0 or 180"),
    ],
)
def test_what_is_wrong_in_a_board_file_is_told_with_its_line(
    write: Write, defaults: Layer, load: Callable[..., Loaded], board: str, line: int, key: str, says: str
) -> None:
    path = write("mine.toml", board)
    agency = write("agency.toml", SEALED + '[board]\nfile = "mine.toml"\n')
    for problems in (
        check_board(path, defaults),
        check_files([agency], defaults),
        load('[board]\nfile = "mine.toml"\n').problems,
    ):
        (problem,) = problems
        assert (problem.place.source, problem.place.line, problem.key) == (str(path), line, key)
        assert says in problem.en


def test_a_wrong_pin_costs_that_pin_only(write: Write, load: Callable[..., Loaded]) -> None:
    write("mine.toml", BOARD.replace("GPIO5", "GPIO99"))
    loaded = load('[board]\nfile = "mine.toml"\n')
    assert loaded.config.board.gpio is not None
    assert (loaded.config.board.gpio.led_red, loaded.config.board.gpio.led_green) == (None, "GPIO6:low")


@pytest.mark.parametrize("name", ["body-worn-zero2w", "vehicle-pi4", "vehicle-pi5"])
def test_the_shipped_boards_are_clean(name: str, defaults: Layer) -> None:
    assert name in shipped_boards()
    assert check_board(boards_dir() / f"{name}.toml", defaults) == ()


def test_the_command_checks_a_board_file_by_itself(write: Write) -> None:
    path = write("mine.toml", '[gpio]\nled_red = "GPIO5"\nled_green = "GPIO5"\n')
    env = {"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
    result = CliRunner().invoke(main, ["config", "check", "--board", str(path)], env=env)
    assert result.exit_code == 1
    assert f"{path}:3:1: board.gpio.led_green: pin GPIO5 is already used by board.gpio.led_red" in result.output
    assert CliRunner().invoke(main, ["config", "check", "--board"], env=env).exit_code == 2
