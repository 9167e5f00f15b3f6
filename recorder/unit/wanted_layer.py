"""The pushed layer a unit wants, parsed once per text: the main loop asks many times a second, and TOML is slow to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recorder.config.layers import Layer, LayerKind, parse_layer
from recorder.config.load import Loaded
from recorder.config.problems import Problem
from recorder.config.pushed import Push

LAYER = "pushed.toml"


class WantedLayer:
    def __init__(self, parse: Callable[[str, bytes, LayerKind], Layer | Problem] = parse_layer) -> None:
        self._parse = parse
        self._digest = ""
        self._data: dict[str, Any] = {}
        self._loaded: Loaded | None = None
        self._as_wanted = False

    def known(self, push: Push, loaded: Loaded) -> None:
        """``loaded`` has this push among its layers, read by a thread of its own."""
        self._keep(push.digest, pushed_data(loaded))

    def data(self, wanted: Push | None) -> dict[str, Any]:
        """The values of it; empty for none."""
        digest = "" if wanted is None else wanted.digest
        if digest != self._digest:
            layer = None if wanted is None else self._parse(LAYER, wanted.toml.encode("utf-8"), "pushed")
            self._keep(digest, layer.data if isinstance(layer, Layer) else {})
        return self._data

    def is_in(self, loaded: Loaded | None, wanted: Push | None) -> bool:
        """What was loaded has exactly this as its pushed layer."""
        data = self.data(wanted)
        if loaded is None:
            return False
        if loaded is not self._loaded:
            self._loaded, self._as_wanted = loaded, pushed_data(loaded) == data
        return self._as_wanted

    def _keep(self, digest: str, data: dict[str, Any]) -> None:
        self._digest, self._data, self._loaded = digest, data, None


def pushed_data(loaded: Loaded) -> dict[str, Any]:
    return next((layer.data for layer in loaded.layers if layer.kind == "pushed"), {})
