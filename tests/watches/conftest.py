"""Give tests the template's tables, and a clock that only a test advances."""

from tests.statements.conftest import clock

__all__ = ["clock"]
