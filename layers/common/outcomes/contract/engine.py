"""Load pydantic's validation engine, an extension module, without the Python packages around it.

Importing pydantic takes longer than the rest of a function's start, so `rules` writes the engine's schemas directly.
Importing the package pydantic_core takes ten times as long as its extension module alone, so only the extension module
is loaded. It is registered in `sys.modules`, so that a later import of the package, as in tests, uses the same module.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING

_NAME = "pydantic_core._pydantic_core"


def _extension() -> ModuleType:
    if _NAME not in sys.modules:
        package = PathFinder.find_spec("pydantic_core")
        spec = package and PathFinder.find_spec(_NAME, package.submodule_search_locations)
        if not spec or not spec.loader:
            raise ModuleNotFoundError(f"No module named {_NAME!r}", name=_NAME)
        sys.modules[_NAME] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[_NAME])
    return sys.modules[_NAME]


if TYPE_CHECKING:
    from pydantic_core import SchemaValidator, ValidationError
else:
    SchemaValidator, ValidationError = _extension().SchemaValidator, _extension().ValidationError

__all__ = ["SchemaValidator", "ValidationError"]
