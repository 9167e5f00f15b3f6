"""``defaults.toml`` explains every key where it stands."""

from __future__ import annotations

from recorder.config.locations import parse
from recorder.config.paths import defaults_file


def test_every_key_has_a_comment() -> None:
    text = defaults_file().read_text(encoding="utf-8")
    lines = text.splitlines()
    block = "\n".join(line for line in lines if line.startswith("#"))
    silent = []
    for path, (line, _) in parse(text).where.items():
        if path[0] == "indicators" and len(path) == 3:
            explained = str(path[-1]) in block or (
                path[-1] == "light" and "Light" in block
            )  # the same for each indication
        else:
            explained = "#" in lines[line - 1] or lines[line - 1].startswith("[")
        if not explained:
            silent.append(path)
    assert silent == []
