"""The health model in the Prometheus text exposition format 0.0.4, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from recorder.health.model import Health, metrics

PREFIX = "recorder_"

Known = Mapping[str, Collection[str]]
"""Label → the values it can have."""


def exposition(health: Health, known: Known) -> str:
    """A labelled metric whose label is in ``known`` has a line for each of these values, 0 where the model has none: an
    alert on the first fault of its kind needs the 0 before it. What the unit cannot tell is left out."""
    lines: list[str] = []
    for name, metric in metrics().items():
        value = getattr(health, name)
        if value is None:
            continue
        full = PREFIX + name
        lines.append(f"# HELP {full} {metric.en} {metric.zh}")
        lines.append(f"# TYPE {full} {metric.kind}")
        if not metric.label:
            lines.append(f"{full} {_number(value)}")
            continue
        series = dict.fromkeys(known.get(metric.label, ()), 0) | dict(value)
        lines.extend(f'{full}{{{metric.label}="{_escaped(key)}"}} {_number(series[key])}' for key in sorted(series))
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
