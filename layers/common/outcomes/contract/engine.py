"""pydantic's engine, without the packages around it.

pydantic makes the engine's schemas from models, which takes longer than all else that starting a function does; here,
the rules of a body say them directly (see `rules`). The engine's own package, pydantic_core, loads typing_extensions
and a type for each kind of schema, which takes ten times as long as the engine itself. So its extension module is
loaded alone, under its own name: whoever imports the package later, as tests do, gets the same one.
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
