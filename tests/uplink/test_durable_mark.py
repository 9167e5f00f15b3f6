"""The unit's word on how far its journal is durable, and what counts as no word at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recorder.uplink.durable_mark import durable_seq

BOOT = "00000000-0000-4000-8000-00000000000a"


def test_the_mark_of_this_boot_counts_also_after_the_process_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    file.write_text(json.dumps({"boot_id": BOOT, "durable_seq": 17, "head_seq": 20}))
    assert durable_seq(file, BOOT) == 17


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{",
        json.dumps({"boot_id": "00000000-0000-4000-8000-00000000000b", "durable_seq": 17}),
        json.dumps({"boot_id": BOOT}),
        json.dumps({"boot_id": BOOT, "durable_seq": True}),
        json.dumps({"boot_id": BOOT, "durable_seq": "17"}),
    ],
)
def test_anything_else_is_no_word(text: str | None, tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    if text is not None:
        file.write_text(text)
    assert durable_seq(file, BOOT) is None
