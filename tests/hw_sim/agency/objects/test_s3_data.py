"""What is left out of botocore's descriptions is text for people and other services; what a request is made of stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import create_loader

from hw_sim.agency.objects.s3_data import lean_loader


def without_texts(value: Any) -> Any:
    """The slow and obvious way, for comparison."""
    if isinstance(value, list):
        return [without_texts(item) for item in value]
    if isinstance(value, dict):
        return {
            key: "" if key == "documentation" and isinstance(item, str) else without_texts(item)
            for key, item in value.items()
        }
    return value


@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2"])
def test_operations_shapes_and_rules_are_botocores(kind: str) -> None:
    whole = create_loader().load_service_model("s3", kind)
    lean = lean_loader(None).load_service_model("s3", kind)
    assert lean == without_texts(whole)
    assert kind != "service-2" or (len(lean["operations"]) > 90 and len(str(lean)) < len(str(whole)) / 2)


def test_of_the_endpoints_s3_and_every_region_are_left() -> None:
    whole, lean = create_loader().load_data("endpoints"), lean_loader(None).load_data("endpoints")
    assert [partition["regions"] for partition in lean["partitions"]] == [
        partition["regions"] for partition in whole["partitions"]
    ]
    for partition, before in zip(lean["partitions"], whole["partitions"], strict=True):
        assert partition["services"] == {key: value for key, value in before["services"].items() if key == "s3"}


def test_what_is_not_there_is_none_and_what_does_not_parse_an_error(tmp_path: Path) -> None:
    loader = lean_loader(None).file_loader
    assert loader.load_file(str(tmp_path / "nothing")) is None
    (tmp_path / "torn.json").write_text('{"a": ')
    with pytest.raises(ValueError, match="Expecting value"):
        loader.load_file(str(tmp_path / "torn"))
