"""What each process may load: resident memory is bounded (design §10), and one careless import costs ten megabytes of it.

The figures are of the measurement in ``recorder/lean.py`` and docs/adr/0008-dependencies.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HEAVY_EVERYWHERE = {
    "IPython": "a tool",
    "PIL": "5 MB; the watermark's glyphs are rendered once and then forgotten",
    "hw_sim": "the simulator",
    "hypothesis": "a tool",
    "multiprocessing": "no process here forks",
    "setuptools": "a tool",
    "tests": "tests",
    "sqlite_utils": "4 MB, 17 with numpy: recorder.database",
    "xml": "nothing speaks it",
}
NO_NETWORK = {"http": "no network", "paho": "no network", "ssl": "no network"}

BUDGETS = {
    "recorder.capture.process": HEAVY_EVERYWHERE
    | NO_NETWORK
    | {
        "click": "5 MB; the unit process starts the worker, not a person",
        "cryptography": "8 MB: recorder.evidence.libcrypto",
        "joserfc": "the worker verifies nothing",
        "pydantic": "16 MB: messages and settings are msgspec's",
        "recorder.config": "the unit process validates; recorder.capture.settings",
        "recorder.session": "the unit process decides",
        "recorder.unit": "the unit process's",
        "sqlite3": "the worker keeps no index",
        "tomlkit": "2 MB: settings come as JSON",
    },
    "recorder.daemon": HEAVY_EVERYWHERE
    | NO_NETWORK
    | {
        "av": "18 MB: only the worker encodes",
        "cryptography": "8 MB: recorder.evidence.p256; certificates only when a statement comes (unit.statement_intake)",
        "joserfc": "2 MB: recorder.evidence.p256",
        "numpy": "13 MB: only the worker has pictures",
        "recorder.capture": "the worker's",
        "recorder.uplink": "the uplink's",
    },
    "recorder.update.process": HEAVY_EVERYWHERE
    | {
        "av": "18 MB",
        "cryptography": "8 MB: recorder.evidence.libcrypto",
        "joserfc": "3 MB: recorder.evidence.p256",
        "numpy": "13 MB",
        "pydantic": "16 MB: recorder.update.settings",
        "recorder.capture": "the worker's",
        "recorder.config": "recorder.update.settings",
        "tomlkit": "2 MB",
    },
    "recorder.uplink.service": HEAVY_EVERYWHERE
    | {
        "av": "18 MB",
        "cryptography": "8 MB: recorder.evidence.libcrypto",
        "joserfc": "3 MB: recorder.evidence.p256",
        "numpy": "13 MB",
        "pydantic": "16 MB: recorder.uplink.settings",
        "recorder.capture": "the worker's",
        "recorder.config": "recorder.uplink.settings",
        "tomlkit": "2 MB",
    },
}

BUDGETS["hw_sim.agency.store.__main__"] = {name: why for name, why in HEAVY_EVERYWHERE.items() if name != "hw_sim"} | {
    "av": "18 MB",
    "botocore": "15 MB: only where the objects are on S3 (hw_sim.agency.objects.opening)",
    "click": "the fleet's command line and the simulator's",
    "hw_sim.agency.authority": "it issues certificates; hw_sim.agency.names",
    "hw_sim.fleet_run": "the simulator's",
    "joserfc": "2 MB: recorder.evidence.es256",
    "hw_sim.world": "the simulator's",
    "numpy": "13 MB",
    "recorder.capture": "the worker's",
    "recorder.config": "the unit's",
    "recorder.evidence.verify": "the examiner's",
    "recorder.session": "the unit's",
    "recorder.unit": "the unit's",
    "sqlite_utils": "4 MB, 17 with numpy: recorder.database",
    "tomlkit": "2 MB",
    "urllib3": "botocore's",
}


def loaded_by(module: str) -> set[str]:
    """Names of the modules a fresh interpreter has after importing ``module``."""
    script = f"import json, sys, {module}; json.dump([n for n, m in sys.modules.items() if m is not None], sys.stdout)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", sorted(BUDGETS))
def test_a_process_loads_nothing_it_does_not_need(module: str) -> None:
    found = loaded_by(module)
    assert module in found
    for name, reason in BUDGETS[module].items():
        inside = sorted(each for each in found if each == name or each.startswith(f"{name}."))
        assert not inside, f"{module} loads {inside[:5]}: {reason}"


def test_the_look_would_find_it() -> None:
    """It is the interpreter's own list that is searched: what the processes do load is in it."""
    assert {"av", "numpy", "msgspec"} <= loaded_by("recorder.capture.process")
    assert {"pydantic", "msgspec", "sqlite3"} <= loaded_by("recorder.daemon")
