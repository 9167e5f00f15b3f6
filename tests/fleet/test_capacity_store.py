"""``recorder fleet capacity`` without a file: the units are the store's, asked over its own line with the admin's
certificate."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.store.register import Register
from hw_sim.agency.store_process import StoreProcess
from hw_sim.runner.unit_config import to_toml
from recorder.cli import main

UNITS = 501
"""One more than the store puts on a page."""


@dataclass
class Asked:
    store: StoreProcess
    authority: Authority
    folder: Path

    def run(self, *arguments: str, tls: Path | None = None, url: str | None = None) -> Result:
        """Rate: 1 MB/s."""
        settings = self.folder / "fleet.toml"
        values = {
            "broker": {"host": "127.0.0.1"},
            "tls": {"dir": str(tls or self.authority.desk_client_dir)},
            "store": {"url": f"https://127.0.0.1:{self.store.port}" if url is None else url},
        }
        settings.write_text(to_toml(values), encoding="utf-8")
        return CliRunner().invoke(
            main,
            ["fleet", "capacity", "--rate", "1", "--settings", str(settings), *arguments],
            env={"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""},
        )

    def told(self, kind: str, messages: dict[str, dict[str, Any]]) -> None:
        """Each unit's newest message of that kind. The register is shared, as among the instances of a store."""
        register = Register(self.store.root / "store.db")
        try:
            with register.atomic():
                for unit_id, message in messages.items():
                    register.keep_latest(unit_id, kind, json.dumps(message), SystemClock().wall_us() / 1e6)
        finally:
            register.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("agency")
    authority = Authority(folder / "authority", SystemClock())
    store = StoreProcess(folder / "store", folder / "root", authority, SystemClock())
    store.start()
    yield Asked(store, authority, folder)
    store.stop()
    assert "Traceback" not in store.log_file.read_text(encoding="utf-8")


@pytest.fixture
def asked(running: Asked) -> Asked:
    """It has heard of no unit."""
    with closing(sqlite3.connect(running.store.root / "store.db")) as db, db:
        db.execute("DELETE FROM latest")
    return running


def backlog(size: int, deadline: float | None) -> dict[str, Any]:
    return {"segments": 1, "bytes": size, "marked": 0, "earliest_deadline": deadline}


def test_every_unit_of_the_store_counts_and_the_late_one_is_named(asked: Asked) -> None:
    soon = SystemClock().wall_us() / 1e6 + 1000
    asked.told("status", {f"zfy-{number:06d}": {"backlog": backlog(1_000_000, None)} for number in range(UNITS - 1)})
    asked.told("status", {"zfy-999999": {"online": False, "backlog": backlog(100_000_000, soon)}})
    makes = asked.run("--json")
    assert makes.exit_code == 0, makes.output
    said = json.loads(makes.stdout)
    assert (said["units"], said["bytes"]) == (UNITS, 600_000_000)
    asked.told("status", {"zfy-999999": {"online": False, "backlog": backlog(2_000_000_000, soon)}})
    wont = asked.run("--json")
    assert wont.exit_code == 1, wont.output
    assert [late["unit_id"] for late in json.loads(wont.stdout)["late"]] == ["zfy-999999"]


def test_a_store_nobody_spoke_to_has_nothing_to_send(asked: Asked) -> None:
    assert asked.run().exit_code == 0


def test_a_unit_that_never_told_its_backlog_is_named(asked: Asked) -> None:
    asked.told("reported", {"zfy-000001": {"version": 1}})
    done = asked.run()
    assert done.exit_code == 2
    assert "/fleet/units: units[0].backlog" in done.stderr and "zfy-000001" in done.stderr


def test_a_store_that_cannot_be_asked_is_two_and_says_why(asked: Asked) -> None:
    refused = asked.run(tls=asked.authority.store_client_dir)
    assert refused.exit_code == 2 and "403" in refused.stderr
    nowhere = asked.run(url="")
    assert nowhere.exit_code == 2 and "store.url" in nowhere.stderr
    asked.store.stop()
    away = asked.run()
    asked.store.start()
    assert away.exit_code == 2 and "cannot be asked" in away.stderr


def test_a_file_and_a_store_are_one_too_many(asked: Asked) -> None:
    done = asked.run("--units", "-")
    assert done.exit_code == 2 and "not both" in done.stderr
