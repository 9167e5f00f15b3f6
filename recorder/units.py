"""Units of the configuration, one meaning each, for every process."""

from __future__ import annotations

from typing import Final

MB: Final = 1_000_000
"""Bytes of a megabyte: every key that ends in ``_mb``, and everything said to people. Never 2²⁰."""
