"""Whoever has a prompt spoken names one that exists, with the values it takes; and every prompt has somebody who does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import recorder
from recorder.faults.catalogue import CATALOGUE as FAULTS
from recorder.session.staffing import WARNING_TEXT
from recorder.unit.duties import announcements
from tools.render_prompts import load_catalogue

PACKAGE = Path(recorder.__file__).parent


def names(argument: ast.expr) -> list[str]:
    """The prompt ids an argument can be: text, or one text or the other."""
    match argument:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return names(body) + names(orelse)
    return []


def calls() -> Iterator[tuple[str, str, set[str] | None]]:
    """(place, prompt, names of values) of every ``….say("…", …)`` and ``Say("…", {…})`` with a prompt written out."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            place = f"{path.relative_to(PACKAGE)}:{node.lineno}"
            values: set[str] | None
            match node.func:
                case ast.Attribute(attr="say"):
                    known = [keyword.arg for keyword in node.keywords]
                    values = None if None in known else {str(name) for name in known}
                case ast.Name(id="Say"):
                    values = set()
                    if len(node.args) > 1:
                        given = node.args[1]
                        values = None
                        if isinstance(given, ast.Dict) and all(isinstance(key, ast.Constant) for key in given.keys):
                            values = {str(key.value) for key in given.keys if isinstance(key, ast.Constant)}
                case _:
                    continue
            for prompt in names(node.args[0]):
                yield place, prompt, values


def test_every_prompt_that_is_asked_for_exists_and_gets_its_values() -> None:
    prompts = load_catalogue().prompts
    found = list(calls())
    assert len(found) >= 5
    for place, prompt, values in found:
        assert prompt in prompts, f"{place}: no prompt {prompt!r}"
        assert values is None or values == set(prompts[prompt].values), (
            f"{place}: {prompt} takes {set(prompts[prompt].values)}"
        )


def test_every_prompt_of_the_catalogue_has_a_caller() -> None:
    """Written out at the call, or named by a table that is spoken: the faults', the records', the staffing's."""
    spoken = {prompt for _, prompt, _ in calls()}
    spoken |= {name for kind in FAULTS.values() for name in (kind.prompt, kind.prompt_end) if name is not None}
    spoken |= {*announcements.RECORDS.values(), *announcements.EVENTS, *WARNING_TEXT}
    assert load_catalogue().prompts.keys() - spoken == set()
