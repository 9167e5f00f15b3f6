"""The rows of the table, in the order of design §10."""

from __future__ import annotations

from tools.bench.rows import capture, preroll, splits, start, upload, verify
from tools.bench.workshop import Row

ROWS: tuple[Row, ...] = (capture.ROW, preroll.ROW, splits.ROW, upload.ROW, verify.ROW, start.ROW)
