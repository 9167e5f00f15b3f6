"""What may be changed from afar: everything is decided, what is not on the list may not, the manual says the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from recorder.config.keys import annotation_at, fields
from recorder.config.models import RecorderConfig
from recorder.config.remote_keys import REMOTE, UNDECIDED, local_only, verdict

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_every_section_is_decided_and_every_rule_is_about_a_key() -> None:
    assert [name for name in RecorderConfig.model_fields if (name,) not in REMOTE] == []
    assert [rule for rule in REMOTE if annotation_at(rule) is None] == []


def test_what_nobody_decided_may_not() -> None:
    assert verdict(("new_section", "key")) is UNDECIDED
    assert verdict(("uplink", "new_key")) is not None and verdict(("night", "new_key")) is None


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ({"night": {"lamp": True}, "cameras": {"cam0": {"width": 640}}}, []),
        ({"board": {"file": "x"}, "sealing": {"enabled": False}}, ["board", "sealing"]),
        ({"uplink": {"store_url": "https://x", "io_timeout_s": 5}}, ["uplink.store_url"]),
        ({"faults": {"lens": {"enabled": False, "dwell_s": 1}}}, ["faults.lens.enabled"]),
        ({"storage": {"reserve_mb": 10**8, "release_below_free_mb": 1, "keep_window_h": 2160}}, ["storage"]),
        (
            {"session": {"auto_shift": False, "resume_within_h": 0.05}},
            ["session.auto_shift", "session.resume_within_h"],
        ),
        ({"faults": {"lens": {"blurred_ratio": 0.05, "sample_s": 0.1}}}, ["faults.lens.blurred_ratio"]),
        ({"uplink": 5}, ["uplink"]),
        ({"nonsense": {"x": 1}, "night": {"lampp": 1}}, []),
    ],
)
def test_the_walk(data: dict[str, Any], keys: list[str]) -> None:
    assert [".".join(map(str, path)) for path, _ in local_only(data)] == keys


def test_the_manual_has_the_same_table() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text[text.index("<!-- remote -->") : text.index("<!-- /remote -->")]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    told = {key: row for row in rows for key in re.findall(r"`([a-z_.0-9]+)`", row.split("|")[1])}
    local = {".".join(rule): reason for rule, reason in REMOTE.items() if reason is not None}
    exceptions = {".".join(rule) for rule, reason in REMOTE.items() if reason is None and len(rule) > 1}
    assert set(told) == set(local)
    for key, reason in local.items():
        assert reason.zh in told[key] and reason.en in told[key], key
    for key in exceptions:
        assert f"`{key}`" in table, f"{key} may, though its section may not"


def test_walks_agree_with_the_keys_there_are() -> None:
    assert all(verdict(tuple(str(part) for part in path)) is not UNDECIDED for path in fields())
