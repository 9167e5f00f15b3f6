"""What a fleet run says of itself."""

from __future__ import annotations

import pytest

from hw_sim.fleet_run.report import megabytes


@pytest.mark.parametrize(("kernel_kb", "told"), [(39_062, "40 MB"), (62_500, "64 MB"), (1000, "1 MB"), (1500, "2 MB")])
def test_memory_is_told_in_the_unit_of_the_holds(kernel_kb: int, told: str) -> None:
    """design §10 and ``recorder.units``: a MB is 10⁶ bytes; the kernel's kB are 1024."""
    assert megabytes(kernel_kb) == told
