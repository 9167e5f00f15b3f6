"""Loading at run time: bad configuration never stops recording (promise 1).

What is wrong is set aside as narrowly as can be (``fallback``) and reported; the rest is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from recorder.config import last_good
from recorder.config.board_layer import board_layer, usable_module
from recorder.config.fallback import choose
from recorder.config.keys import is_text
from recorder.config.layers import Layer, environment_layer, merge, parse_layer, read_layer
from recorder.config.models import RecorderConfig
from recorder.config.paths import ShippedFilesMissing, defaults_file
from recorder.config.problems import KeyPath, Place, Problem
from recorder.config.remote_keys import local_only
from recorder.config.validate import validate
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files

_BOARD_AT: Final = 1
"""The board file's place among the layers: above the defaults only."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration in force and how it came about.

    ``status`` is ``applied`` when everything asked for is in force, ``fallback`` when something was set aside.
    ``layers`` are the ones in force, lowest first; ``provenance`` maps every key to where its value stands.
    ``sha256`` (base64url) is of :func:`canonical`.
    """

    config: RecorderConfig
    provenance: Mapping[KeyPath, Place]
    problems: tuple[Problem, ...]
    status: Literal["applied", "fallback"]
    sha256: str
    layers: tuple[Layer, ...]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """For the ``config`` record."""
        return tuple(layer.name for layer in self.layers)

    @property
    def errors(self) -> tuple[str, ...]:
        """For the ``config`` record: the errors (not the warnings) in both languages."""
        return tuple(str(problem) for problem in self.problems if problem.severity == "error")


def canonical(config: RecorderConfig) -> bytes:
    """The bytes the digest is of: JSON, keys sorted, no white space, UTF-8; without the devices a board lacks."""
    values = config.model_dump(mode="json", exclude_none=True)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def load_config(
    files: Sequence[Path],
    env: Mapping[str, str],
    data_dir: Path | None = None,
    defaults: Path | None = None,
    *,
    pushed_text: bytes | None = None,
    with_last_good: bool = True,
) -> Loaded:
    """Load ``files`` (lowest first) over the defaults and the board file, then the accepted push, then ``env``.

    ``data_dir``: where pushed and last good configuration are looked for when no layer but the defaults names a usable
    ``storage.data_dir``. ``pushed_text``: a push as it would be, in place of the accepted one. ``with_last_good``: not
    for root's updates, which would believe a file of the unit process's user: its layers may set everything, also whom the
    unit trusts. Raises :class:`ShippedFilesMissing` only when the program's own defaults are absent or damaged.
    """
    base = read_layer(defaults or defaults_file(), "defaults")
    if isinstance(base, Problem):
        raise ShippedFilesMissing(str(base))
    layers, problems, unreadable = [base], list[Problem](), dict[str, int]()

    def add(name: Path, layer: Layer | Problem) -> None:
        if isinstance(layer, Problem):
            problems.append(layer)
            unreadable[str(name)] = len(layers)
        else:
            layers.append(layer)

    for file in files:
        add(file, read_layer(file))
    directory = _data_dir(layers, env, data_dir)
    pushed = _pushed(directory / last_good.PUSHED, pushed_text)
    if isinstance(pushed, Layer):
        pushed, refused = _without_local_only(pushed)
        problems += refused
    if pushed is not None:
        add(directory / last_good.PUSHED, pushed)
    board, unusable = board_layer([*layers, environment_layer(env, merge(layers).data, is_text)[0]])
    problems += unusable
    if board is not None:
        layers.insert(_BOARD_AT, board)
        unreadable = {name: index + 1 for name, index in unreadable.items()}
    environment, misnamed = environment_layer(env, merge(layers).data, is_text)
    problems += misnamed
    if environment.data:
        layers.append(environment)

    layers, missing = usable_module(layers)
    problems += missing

    first = validate(layers)
    stored: Mapping[str, Layer] = {}
    boardless = board is None and bool(unusable)
    if with_last_good and (unreadable or boardless or first.errors):
        kept = last_good.read(directory)
        if isinstance(kept, Problem):
            problems.append(kept)
        else:
            stored = kept
    if boardless:
        # Whatever its name was: the board that last worked is more likely the one on the table than none at all.
        unreadable = {**{name: _BOARD_AT for name, layer in stored.items() if layer.kind == "board"}, **unreadable}
    chosen, outcome = choose(layers, first, unreadable, stored)
    if outcome.config is None:
        raise ShippedFilesMissing("; ".join(map(str, outcome.errors)))
    # Rules complain of what an unreadable file would have said; only what is still so is worth telling.
    told = [each for each in first.problems if not (unreadable and each.tolerable)]
    return Loaded(
        config=outcome.config,
        provenance={path: layer.place(path) for path, layer in outcome.merged.origins.items()},
        problems=tuple(dict.fromkeys((*problems, *told, *outcome.problems))),
        status="fallback" if problems or chosen != tuple(layers) else "applied",
        sha256=sha256_b64u(canonical(outcome.config)),
        layers=chosen,
    )


def save_last_good(files: Files, loaded: Loaded) -> bool:
    """Keep this configuration as the one to fall back to; False when it has errors and is not worth keeping.

    For the unit process only. Raises OSError, which the caller records as a fault.
    """
    if loaded.status != "applied" or loaded.errors:
        return False
    last_good.write(files, Path(loaded.config.storage.data_dir), loaded.layers, loaded.sha256)
    return True


def _data_dir(layers: Sequence[Layer], env: Mapping[str, str], fallback: Path | None) -> Path:
    """``storage.data_dir`` before anything is validated: the stored configurations lie in it."""
    environment, _ = environment_layer(env, merge(layers).data, is_text)
    for layer in (environment, *reversed(layers)):
        if layer.kind == "defaults" and fallback is not None:
            return fallback
        storage = layer.data.get("storage")
        value = storage.get("data_dir") if isinstance(storage, dict) else None
        if isinstance(value, str) and value:
            return Path(value)
    return fallback or Path("/var/lib/recorder")


def _pushed(path: Path, text: bytes | None) -> Layer | Problem | None:
    if text is not None:
        return parse_layer(str(path), text, "pushed")
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return Problem(Place(str(path)), (), f"无法读取：{error}", f"cannot be read: {error}")
    return parse_layer(str(path), raw, "pushed")


def not_from_afar(pushed: Layer) -> tuple[Problem, ...]:
    """One for each setting of a pushed layer that is changed on the unit only."""
    return tuple(
        Problem(
            pushed.place(path),
            path,
            f"远程下发的配置不得修改此项：{reason.zh}",
            f"a pushed configuration may not set this: {reason.en}",
        )
        for path, reason in local_only(pushed.data)
    )


def _without_local_only(pushed: Layer) -> tuple[Layer, tuple[Problem, ...]]:
    problems = not_from_afar(pushed)
    for problem in problems:
        pushed = pushed.without(problem.path)
    return pushed, problems
