"""``./dev`` on machines with and without what it needs. Python and pip are stand-ins that log how they are called, so the
bootstrap itself is tested in milliseconds; the real one is run by CI before any test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "sh",
    "env",
    "cat",
    "chmod",
    "mv",
    "cut",
    "sha256sum",
    "readlink",
    "dirname",
    "basename",
    "mkdir",
    "find",
    "rm",
    "grep",
    "tail",
    "true",
    "id",
    "flock",
)

FAKE_PYTHON = """#!/bin/sh
# A stand-in for python3, and for the python of the venv it makes.
case "$1 ${2:-}" in
"-c "*) echo "3.11.0 ${FAKE_BASE:-base}" ;;
"-m venv")
    echo "venv" >>"$FAKE_LOG"
    [ -z "${FAKE_NO_VENV:-}" ] || { echo "ensurepip is not available"; exit 1; }
    mkdir -p "$3/bin"
    { echo "#!/bin/sh"; echo "FAKE_BASE='${FAKE_BASE:-base}'"; tail -n +2 "$FAKE_PYTHON"; } >"$3/bin/python"
    chmod +x "$3/bin/python"
    echo "#!$3/bin/python" >"$3/bin/pip"
    ;;
"-m pip")
    case "$*" in
    *requirements-audio*) what=audio ;;
    *--no-deps*requirements-camera*) what=camera ;;
    *--require-hashes*) what=requirements ;;
    *) what=project ;;
    esac
    echo "pip $what" >>"$FAKE_LOG"
    [ "${FAKE_PIP_FAILS:-}" != "$what" ] || { echo "no network" >&2; exit 1; }
    ;;
*) echo "python $*" ;;
esac
"""


class Machine:
    """A folder with ``dev`` in it, a PATH of its own and a log of what python was asked to do."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "repo with space"
        self.bin = base / "bin"
        self.log = base / "log"
        self.bin.mkdir()
        self.root.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found is not None, name
            (self.bin / name).symlink_to(found)
        self.python = self.program("python3", FAKE_PYTHON)
        shutil.copy(ROOT / "dev", self.root / "dev")
        (self.root / "requirements.txt").write_text("a==1\n")
        (self.root / "pyproject.toml").write_text("[project]\n")
        (self.root / "packages.apt").write_text("# comment\nmosquitto mosquitto the broker\n\nage age sealing checks\n")
        for name in ("mosquitto", "age", "promtool"):
            self.program(name, "#!/bin/sh\n")

    def program(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        own = {
            "PATH": str(self.bin),
            "FAKE_LOG": str(self.log),
            "FAKE_PYTHON": str(self.python),
            "HOME": str(self.base),
        }
        return {**own, **extra}

    def dev(
        self, *arguments: str, cwd: Path | None = None, script: Path | None = None, **extra: str
    ) -> tuple[int, str]:
        """Exit code and everything printed."""
        answer = subprocess.run(
            ["sh", str(script or self.root / "dev"), *arguments],
            cwd=cwd or self.base,
            env=self.environment(extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        return answer.returncode, answer.stdout

    def calls(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines


FULL = ["venv", "pip requirements", "pip project"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_first_use_makes_the_venv_and_the_second_does_nothing(machine: Machine) -> None:
    code, output = machine.dev("run", "python", "hello")
    assert (code, machine.calls()) == (0, FULL)
    assert output.endswith("python hello\n")
    assert machine.dev("run", "python", "again") == (0, "python again\n")
    assert machine.calls() == []


@pytest.mark.parametrize("changed", ["requirements.txt", "pyproject.toml"])
def test_changed_dependencies_are_installed_into_the_same_venv(machine: Machine, changed: str) -> None:
    machine.dev("run", "true")
    machine.calls()
    (machine.root / changed).write_text("b==2\n")
    machine.dev("run", "true")
    assert machine.calls() == ["pip requirements", "pip project"]


def test_another_python_or_a_moved_folder_gets_a_new_venv(machine: Machine) -> None:
    machine.dev("run", "true")
    (machine.root / ".venv" / "old").touch()
    machine.calls()
    machine.dev("run", "true", FAKE_BASE="another python")
    assert machine.calls() == FULL
    assert not (machine.root / ".venv" / "old").exists()
    machine.root = machine.root.rename(machine.base / "moved")
    machine.dev("run", "true", FAKE_BASE="another python")
    assert machine.calls() == FULL


@pytest.mark.parametrize("step", ["requirements", "project"])
def test_an_interrupted_first_use_is_taken_up_again(machine: Machine, step: str) -> None:
    code, output = machine.dev("run", "true", FAKE_PIP_FAILS=step)
    assert code == 2
    assert "no network" in output
    machine.calls()
    assert machine.dev("run", "python", "x")[0] == 0
    assert machine.calls() == ["pip requirements", "pip project"]


def test_a_venv_made_by_other_means_is_kept(machine: Machine) -> None:
    home = machine.root / ".venv"
    (home / "bin").mkdir(parents=True)
    shutil.copy(machine.python, home / "bin" / "python")
    (home / "bin" / "pip").write_text(f"#!{home}/bin/python\n")
    (home / "mine").touch()
    machine.dev("run", "true")
    assert machine.calls() == ["pip requirements", "pip project"]
    assert (home / "mine").exists()


def test_two_first_uses_at_once_make_one_venv(machine: Machine) -> None:
    command = ["sh", str(machine.root / "dev"), "run", "python", "x"]
    both = [
        subprocess.Popen(command, env=machine.environment({}), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in both] == [b"python x\n"] * 3
    assert machine.calls() == FULL


def test_without_python_it_says_what_to_install(machine: Machine) -> None:
    machine.python.unlink()
    code, output = machine.dev("run", "true")
    assert code == 2
    assert "apt install python3 python3-venv" in output
    assert len(output.splitlines()) == 1


def test_without_the_venv_module_it_says_what_to_install(machine: Machine) -> None:
    code, output = machine.dev("run", "true", FAKE_NO_VENV="1")
    assert code == 2
    assert "apt install python3 python3-venv" in output.splitlines()[-1]
    assert machine.dev("run", "true")[0] == 0  # and nothing half-made is left behind


def test_it_works_from_any_folder_and_through_links(machine: Machine) -> None:
    elsewhere = machine.base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to("../second")
    (machine.base / "second").symlink_to(machine.root / "dev")
    (machine.bin / "pwd").symlink_to(str(shutil.which("pwd")))
    code, output = machine.dev("run", "pwd", cwd=elsewhere, script=elsewhere / "link")
    assert code == 0
    assert output.splitlines()[-1] == str(elsewhere)  # run: in the caller's folder
    assert (machine.root / ".venv" / ".stamp").exists()
    assert machine.dev("check", cwd=elsewhere, script=elsewhere / "link") == (0, "python -m tools.check\n")


def test_the_commands_exit_code_is_kept(machine: Machine) -> None:
    assert machine.dev("run", "sh", "-c", "exit 7")[0] == 7


def test_sim_names_scenario_and_output(machine: Machine) -> None:
    machine.program("hw-sim", '#!/bin/sh\nfor word; do printf "%s|" "$word"; done\n')
    out = f"{machine.root}/out"
    machine.dev("setup")
    assert machine.dev("sim") == (0, f"run|first_shift|--out|{out}/first_shift|")
    assert machine.dev("sim", "--headless") == (0, f"run|first_shift|--out|{out}/first_shift|--headless|")
    assert machine.dev("sim", "power_cut", "--x") == (0, f"run|power_cut|--out|{out}/power_cut|--x|")
    mine = machine.base / "mine.toml"
    mine.touch()
    assert machine.dev("sim", "mine.toml") == (0, f"run|{mine}|--out|{out}/mine|")


def test_promtool_is_taken_out_of_its_package_which_stays_uninstalled(machine: Machine) -> None:
    (machine.bin / "promtool").unlink()
    machine.program("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$FAKE_LOG"\n: >prometheus_2.deb\n')
    machine.program(
        "dpkg-deb", "#!/bin/sh\nmkdir -p usr/bin && echo '#!/bin/sh' >usr/bin/promtool && chmod +x usr/bin/promtool\n"
    )
    assert machine.dev("test")[0] == 0
    assert (machine.root / ".venv" / "bin" / "promtool").exists()
    assert not (machine.root / ".venv" / "promtool").exists(), "nothing else of the package is kept"
    machine.dev("test")
    assert [call for call in machine.calls() if call.startswith("apt-get")] == ["apt-get -qq download prometheus"]


def test_without_promtool_one_line_says_what_is_skipped_and_it_is_tried_once(machine: Machine) -> None:
    (machine.bin / "promtool").unlink()
    machine.program("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$FAKE_LOG"\nexit 1\n')
    machine.program("dpkg-deb", "#!/bin/sh\nexit 1\n")
    for hint in ("skipped", "python -m"):
        code, output = machine.dev("test")
        assert code == 0 and hint in output
    assert [call for call in machine.calls() if call.startswith("apt-get")] == ["apt-get -qq download prometheus"]


def test_a_missing_program_is_named_in_one_line_and_work_goes_on(machine: Machine) -> None:
    (machine.bin / "age").unlink()
    machine.dev("run", "true")
    for _ in range(2):  # there is no apt-get at all on this machine
        code, output = machine.dev("test", "-k", "x")
        assert code == 0
        first, last = output.splitlines()
        assert "missing: age;" in first and "sealing checks" in first
        assert last == "python -m tools.run_tests -k x"


@pytest.mark.skipif(os.geteuid() != 0, reason="只有 root 才会调用 apt-get: only root calls apt-get without sudo")
def test_apt_is_tried_once_for_what_is_missing(machine: Machine) -> None:
    (machine.bin / "age").unlink()
    machine.program("apt-get", '#!/bin/sh\necho "apt $*" >>"$FAKE_LOG"\necho "E: no network" >&2\nexit 100\n')
    code, output = machine.dev("test")
    assert code == 0
    assert "E: no network" in output
    assert "missing: age;" in output
    assert [call for call in machine.calls() if call.startswith("apt")] == ["apt -qq update"]
    machine.dev("test")
    assert machine.calls() == []
    machine.program("apt-get", '#!/bin/sh\necho "apt $*" >>"$FAKE_LOG"\n')
    assert machine.dev("setup")[0] == 0
    assert machine.calls() == ["apt -qq update", "apt -qq -y --no-install-recommends install age"]


@pytest.fixture
def audible(machine: Machine) -> Machine:
    """A machine whose packages.apt and requirements ask for PyAudio; the header is not there yet."""
    header = machine.base / "include" / "portaudio.h"
    with (machine.root / "packages.apt").open("a") as file:
        file.write(f"portaudio19-dev {header} loudspeaker\n")
    (machine.root / "requirements-audio.txt").write_text("pyaudio==1\n")
    return machine


def give_header(machine: Machine) -> None:
    (machine.base / "include").mkdir()
    (machine.base / "include" / "portaudio.h").touch()


def test_without_portaudio_one_line_says_what_is_skipped_and_nothing_is_compiled(audible: Machine) -> None:
    for hint in (" (apt install portaudio19-dev)", ""):
        code, output = audible.dev("test")
        assert code == 0
        assert [line for line in output.splitlines() if "missing" in line] == [
            f"dev: 缺少 missing: portaudio19-dev; 将跳过 will be skipped: loudspeaker{hint}"
        ]
        assert "pip audio" not in audible.calls()


def test_pyaudio_is_compiled_once_when_the_header_is_there(audible: Machine) -> None:
    give_header(audible)
    assert audible.dev("test")[0] == 0
    assert audible.calls() == [*FULL, "pip audio"]
    assert audible.dev("test") == (0, "python -m tools.run_tests\n")
    assert audible.calls() == []
    (audible.root / "requirements-audio.txt").write_text("pyaudio==2\n")
    audible.dev("sim")
    assert audible.calls() == ["pip audio"]


def test_run_and_check_do_not_wait_for_a_compiler(audible: Machine) -> None:
    give_header(audible)
    audible.dev("run", "true")
    audible.dev("check")
    assert audible.calls() == FULL


def test_a_pyaudio_that_does_not_compile_is_said_and_tried_again_by_setup_only(audible: Machine) -> None:
    give_header(audible)
    code, output = audible.dev("test", FAKE_PIP_FAILS="audio")
    assert code == 0
    assert "no network" in output and "missing: requirements-audio.txt" in output
    audible.calls()
    code, output = audible.dev("test")
    assert code == 0 and "missing: requirements-audio.txt" in output and len(output.splitlines()) == 2
    assert audible.calls() == []
    assert audible.dev("setup")[0] == 0
    assert audible.calls() == ["pip audio"]
    assert audible.dev("test") == (0, "python -m tools.run_tests\n")


def test_picamera2_is_compiled_without_its_dependencies_beside_pyaudio(audible: Machine) -> None:
    give_header(audible)
    capability = audible.base / "capability.h"
    capability.touch()
    with (audible.root / "packages.apt").open("a") as file:
        file.write(f"libcap-dev {capability} camera\n")
    (audible.root / "requirements-camera.txt").write_text("picamera2==1\n")
    audible.dev("test", FAKE_PIP_FAILS="audio")
    assert audible.calls() == [*FULL, "pip audio", "pip camera"]
    assert audible.dev("setup")[0] == 0
    assert audible.calls() == ["pip audio"]


def test_headers_are_looked_for_where_the_python_in_use_has_them(machine: Machine) -> None:
    (machine.root / "packages.apt").write_text("python3-dev Python.h compiling\n")
    include = machine.base / "3.11.0 base"  # what the stand-in answers to any -c
    _, output = machine.dev("test", cwd=machine.base)
    assert "missing: python3-dev" in output
    include.mkdir()
    (include / "Python.h").touch()
    assert machine.dev("test", cwd=machine.base) == (0, "python -m tools.run_tests\n")


def test_unknown_commands_and_help(machine: Machine) -> None:
    assert machine.dev()[0] == 0
    assert "./dev COMMAND" in machine.dev("--help")[1]
    code, output = machine.dev("tset")
    assert code == 2
    assert output.splitlines()[-1].endswith("tset")
    assert machine.dev("run")[0] == 2
    assert machine.dev("bench")[0] == 2  # no tools/bench.py in this folder
