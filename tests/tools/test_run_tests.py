"""The test runner: suites, sums, exit codes. pytest itself is a stand-in that writes JUnit XML."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from firmware_bridge.ports import ClockQuality
from tools.run_tests import MOST_WORKERS, ROOT, Counts, Processes, Suite, counts, left_out, run, suites, tier


class StepClock:
    """One minute passes each time somebody looks."""

    def __init__(self) -> None:
        self.now_us = 0

    def boottime_us(self) -> int:
        self.now_us += 60_000_000
        return self.now_us

    def wall_us(self) -> int:
        return 0

    def boot_id(self) -> str:
        return "00000000-0000-0000-0000-000000000000"

    def quality(self) -> ClockQuality:
        return ClockQuality("none", False, None)


class Pytest:
    """Answers with (exit code, tests, failures, errors, skipped) for each suite; None writes no report."""

    def __init__(self, answers: Mapping[str, tuple[int, tuple[int, int, int, int] | None]]) -> None:
        self.answers = answers
        self.calls: list[Sequence[str]] = []
        self.tiers: list[str] = []
        self.whole: list[str] = []
        self.beneath: list[str] = []
        self.waited: list[int] = []

    def begin(self, command: Sequence[str], env: Mapping[str, str], output: Path) -> Callable[[], int]:
        self.beneath.append(output.stem)
        code = self.call(command, env)
        output.write_text("said beneath\n")

        def wait() -> int:
            self.waited.append(len(self.calls))
            return code

        return wait

    def end_all(self) -> None: ...

    def call(self, command: Sequence[str], env: Mapping[str, str]) -> int:
        self.calls.append(command)
        self.tiers.append(env["RECORDER_TESTS"])
        self.whole.append(env["RECORDER_WHOLE"])
        report = Path(next(word for word in command if word.startswith("--junitxml=")).split("=", 1)[1])
        code, numbers = self.answers[report.stem]
        if numbers is not None:
            tests, failures, errors, skipped = numbers
            report.write_text(
                f'<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"/>'
                "</testsuites>"
            )
        return code


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    base = tmp_path / "tests"
    for name in ("config", "simulation", "evidence/deep", "empty", "integration"):
        (base / name).mkdir(parents=True)
    for name in ("config/test_a.py", "simulation/test_b.py", "evidence/deep/test_c.py", "integration/test_d.py"):
        (base / name).touch()
    (base / "empty" / "support.py").touch()
    (base / "test_top.py").touch()
    return base


def outcome(
    stand_in: Pytest, tests: Path, tmp_path: Path, *arguments: str, env: Mapping[str, str] | None = None, cores: int = 2
) -> int:
    return run(arguments, env or {}, StepClock(), cores, stand_in, tests, tmp_path / "results")


def test_suites_are_the_folders_slow_ones_last(tests: Path) -> None:
    assert suites(tests) == [
        Suite("unit", ("tests/config", "tests/evidence", "tests/test_top.py")),
        Suite("integration", ("tests/integration",)),
        Suite("simulation", ("tests/simulation",)),
    ]


def test_all_suites_run_and_are_summed(tests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in = Pytest({"unit": (0, (10, 0, 0, 1)), "integration": (1, (5, 1, 1, 0)), "simulation": (0, (3, 0, 0, 0))})
    assert outcome(stand_in, tests, tmp_path, "-x") == 1
    assert len(stand_in.calls) == 3
    assert all("-x" in call for call in stand_in.calls)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "15 passed, 2 failed, 1 skipped"
    assert "unit: 1.0 min, 9 passed, 0 failed, 1 skipped" in lines
    assert "integration: 1.0 min, 3 passed, 2 failed, 0 skipped" in lines


def test_success_is_zero(tests: Path, tmp_path: Path) -> None:
    stand_in = Pytest(dict.fromkeys(("unit", "integration", "simulation"), (0, (1, 0, 0, 0))))
    assert outcome(stand_in, tests, tmp_path) == 0


def test_a_pytest_that_dies_is_a_failure(tests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in = Pytest({"unit": (-9, None), "integration": (0, (1, 0, 0, 0)), "simulation": (0, (1, 0, 0, 0))})
    assert outcome(stand_in, tests, tmp_path) == 1
    assert "unit: 1.0 min, no result, pytest ended with -9" in capsys.readouterr().out


def test_an_old_report_does_not_speak_for_a_new_run(tests: Path, tmp_path: Path) -> None:
    good = Pytest(dict.fromkeys(("unit", "integration", "simulation"), (0, (1, 0, 0, 0))))
    assert outcome(good, tests, tmp_path) == 0
    silent = Pytest(dict.fromkeys(("unit", "integration", "simulation"), (0, None)))
    assert outcome(silent, tests, tmp_path) == 1


def test_suites_run_on_all_cores_and_those_in_real_time_on_their_own_in_ci(tests: Path, tmp_path: Path) -> None:
    answers: dict[str, tuple[int, tuple[int, int, int, int] | None]] = dict.fromkeys(
        ("unit", "integration", "simulation", "selected"), (0, (1, 0, 0, 0))
    )

    def beside(*arguments: str, cores: int, **env: str) -> dict[str, list[str]]:
        stand_in = Pytest(answers)
        assert outcome(stand_in, tests, tmp_path, *arguments, env=env, cores=cores) == 0
        return {
            Path(call[3].split("=")[1]).stem: [word for word in call if word.startswith(("--num", "--dist"))]
            for call in stand_in.calls
        }

    alone: list[str] = []
    two = ["--numprocesses=2", "--dist=worksteal"]
    three = ["--numprocesses=3", "--dist=worksteal"]
    assert beside(cores=2) == {"unit": three, "integration": two, "simulation": alone}
    for chosen in (beside("--nightly", cores=2), beside(cores=2, CI="true")):
        assert chosen == {"unit": three, "integration": alone, "simulation": alone}
    assert beside(cores=64)["unit"] == [f"--numprocesses={MOST_WORKERS}", "--dist=worksteal"]
    assert beside(cores=1)["unit"] == alone
    assert beside("-x", cores=2)["unit"] == alone, "who says how to run it gets one process, with a debugger if wanted"
    assert beside(f"{tests}/config/test_a.py", cores=2) == {"selected": alone}


class RealIn(Pytest):
    """pytest itself, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__({})
        self.folder = folder
        self.said: list[str] = []

    def call(self, command: Sequence[str], env: Mapping[str, str]) -> int:
        outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            command, cwd=self.folder, env={**outer, **env}, capture_output=True, text=True, check=False
        )
        self.said.append(done.stdout)
        return done.returncode


REAL = """
import os
import socket
import pytest

@pytest.mark.parametrize("number", range(6))
def test_passes(number):
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "3"

def test_fails():
    assert 1 == 2

def test_leaves_a_socket_open():
    socket.socket()

def test_skips():
    pytest.skip("why")

def test_dies():
    os._exit(0)
"""


def test_on_real_workers_all_are_counted_and_a_warning_or_a_worker_that_dies_is_a_failure(tmp_path: Path) -> None:
    """With the project's own options, among them ``-W error``."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    (folder / "test_real.py").write_text(REAL)
    results = tmp_path / "results"
    commands = RealIn(tmp_path)
    assert run([], {}, StepClock(), 2, commands, tmp_path / "tests", results) == 1
    said = commands.said
    assert counts(results / "unit.xml") == Counts(6, 3, 1), said
    assert "ResourceWarning" in said[0] and "crashed while running" in said[0] and "slowest 10 durations" in said[0]


def test_what_only_computes_begins_first_beneath_the_others_and_is_printed_last(
    tests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tests / "package").mkdir()
    (tests / "package/test_e.py").touch()
    good: tuple[int, tuple[int, int, int, int] | None] = (0, (1, 0, 0, 0))
    every = ("unit", "integration", "simulation", "package", "selected")
    stand_in = Pytest(dict.fromkeys(every, good))
    assert outcome(stand_in, tests, tmp_path) == 0
    assert [call[-1].split("/")[-1] for call in stand_in.calls] == [
        "simulation",
        "test_top.py",
        "integration",
        "package",
    ]
    assert (stand_in.beneath, stand_in.waited) == (["simulation"], [4]), "waited for when all others are done"
    said = capsys.readouterr().out
    assert said.index("== package") < said.index("said beneath") < said.index("== suites")
    for words in (("-x",), ("--nightly", "-k", "x"), (str(tests / "simulation"),)):
        alone = Pytest(dict.fromkeys(every, good))
        assert outcome(alone, tests, tmp_path, *words) == 0
        assert alone.beneath == [], f"{words}: who wants to see or stop something gets it in front"
    failing = Pytest({**dict.fromkeys(every, good), "simulation": (1, (5, 1, 0, 0))})
    assert outcome(failing, tests, tmp_path) == 1
    dead = Pytest({**dict.fromkeys(every, good), "simulation": (-9, None)})
    assert outcome(dead, tests, tmp_path) == 1, "the report of the run before does not speak for it"


def test_a_real_process_beneath_gets_only_what_is_left_and_ends_with_the_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ask = "import os, sys; print(os.sched_getscheduler(0), flush=True); print('x', file=sys.stderr); sys.exit(3)"
    commands = Processes()
    os.mkfifo(tmp_path / "go")  # it waits until the policy has been set
    env = {"PATH": os.environ["PATH"]}
    waiting = f'read -r _ <{tmp_path}/go; exec {sys.executable} -c "{ask}"'
    wait = commands.begin(["sh", "-c", waiting], env, log)
    (tmp_path / "go").write_text("\n")
    assert wait() == 3
    assert log.read_text().split() == [str(os.SCHED_IDLE), "x"]
    wait = commands.begin(["sleep", "1000"], env, log)
    commands.end_all()
    assert wait() == -15


def test_a_usage_error_is_a_failure_though_nothing_failed(tests: Path, tmp_path: Path) -> None:
    stand_in = Pytest(dict.fromkeys(("unit", "integration", "simulation"), (4, (0, 0, 0, 0))))
    assert outcome(stand_in, tests, tmp_path, "--nonsense") == 1


def test_a_selection_may_leave_suites_empty_but_not_all(tests: Path, tmp_path: Path) -> None:
    some = Pytest({"unit": (0, (1, 0, 0, 0)), "integration": (5, (0, 0, 0, 0)), "simulation": (5, (0, 0, 0, 0))})
    assert outcome(some, tests, tmp_path, "-k", "x") == 0
    none = Pytest(dict.fromkeys(("unit", "integration", "simulation"), (5, (0, 0, 0, 0))))
    assert outcome(none, tests, tmp_path, "-k", "x") == 1


def test_a_named_path_runs_alone(tests: Path, tmp_path: Path) -> None:
    stand_in = Pytest({"selected": (0, (1, 0, 0, 0))})
    assert outcome(stand_in, tests, tmp_path, f"{tests}/config/test_a.py::test_x", "-q") == 0
    assert list(stand_in.calls[0][-2:]) == [f"{tests}/config/test_a.py::test_x", "-q"]


def test_the_set_of_tests_is_handed_on(tests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers: dict[str, tuple[int, tuple[int, int, int, int] | None]] = dict.fromkeys(
        ("unit", "integration", "simulation"), (0, (1, 0, 0, 0))
    )
    for arguments, env, expected in (((), {}, "quick"), ((), {"CI": "true"}, "ci"), (("--nightly",), {}, "nightly")):
        stand_in = Pytest(answers)
        assert outcome(stand_in, tests, tmp_path, *arguments, env=env) == 0
        assert set(stand_in.tiers) == {expected}
        assert "--nightly" not in stand_in.calls[0]
    assert tier({"CI": "1"}, False) == "quick"
    assert "over the" not in capsys.readouterr().out


def test_a_whole_suite_runs_alone(tests: Path, tmp_path: Path) -> None:
    (tests / "package").mkdir()
    (tests / "package/test_e.py").touch()
    stand_in = Pytest({"package": (0, (1, 0, 0, 0))})
    assert outcome(stand_in, tests, tmp_path, "--package", "-x") == 0
    (command,) = stand_in.calls
    assert list(command[-2:]) == ["-x", "tests/package"]
    assert stand_in.whole == ["package"]


def test_the_virtual_pi_runs_when_asked_for_and_says_so_when_it_does_not(
    tests: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tests / "virtual_pi").mkdir()
    (tests / "virtual_pi/test_e.py").touch()
    every = ("unit", "integration", "simulation", "virtual_pi")
    answers: dict[str, tuple[int, tuple[int, int, int, int] | None]] = dict.fromkeys(every, (0, (1, 0, 0, 0)))

    def ran(*arguments: str, **env: str) -> list[str]:
        stand_in = Pytest(answers)
        assert outcome(stand_in, tests, tmp_path, *arguments, env=env) == 0
        return [call[-1].removeprefix("tests/") for call in stand_in.calls]

    assert ran("--virtual-pi") == ["virtual_pi"]
    assert "virtual_pi" not in ran()
    assert "virtual_pi: 未运行 not run: ./dev test --virtual-pi" in capsys.readouterr().out
    assert ran("--nightly")[-1] == "virtual_pi"
    assert ran(CI="true")[-1] == "virtual_pi", "a few minutes used: there is time for it"
    assert left_out("virtual_pi", "ci", 34.9) == ""
    assert "--ceph" in left_out("ceph", "ci", 0.0), "half a gigabyte to fetch: never of CI's own accord"
    assert left_out("ceph", "nightly", 0.0) == ""
    assert "needs 25 of 60 min" in left_out("virtual_pi", "ci", 35.1)


def test_counts_of_real_and_torn_reports(tmp_path: Path) -> None:
    report = tmp_path / "r.xml"
    assert counts(report) is None
    report.write_text("<testsuites><testsuite tests='3' fail")
    assert counts(report) is None
    report.write_text("<testsuites><testsuite tests='7' failures='1' errors='1' skipped='2'/></testsuites>")
    assert counts(report) == Counts(3, 2, 2)
