"""The run's part of a page, between two marks: the simulation, which writes the rest, and the run leave each other alone.
Pure."""

from __future__ import annotations

BEGIN = "<!-- fleet run: begin -->"
END = "<!-- fleet run: end -->"


def replaced(page: str, text: str) -> str:
    """``page`` with ``text`` between the marks, at its end where there are none yet."""
    block = f"{BEGIN}\n{text}{END}\n"
    head, begin, rest = page.partition(BEGIN)
    if not begin:
        return f"{page.rstrip()}\n\n{block}" if page.strip() else block
    _, end, tail = rest.partition(END)
    if not end:
        raise ValueError(f"{BEGIN}: 缺少 without {END}")
    return f"{head}{block}{tail.removeprefix(chr(10))}"


def kept(page: str) -> str:
    """The marked block of ``page``, empty without one: what whoever writes the page anew puts behind it."""
    _, begin, rest = page.partition(BEGIN)
    text, end, _ = rest.partition(END)
    return f"\n{BEGIN}{text}{END}\n" if begin and end else ""
