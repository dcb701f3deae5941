"""Make the copy of the API's functions when the package is built, also in editable mode."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # type: ignore[import-not-found]  # there while it builds


class CopiedFunctions(BuildHookInterface):  # type: ignore[misc]  # for the same reason
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        runpy.run_path(str(Path(self.root) / "copied_functions.py"))["write"]()
