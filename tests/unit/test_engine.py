"""Our validation engine is that of pydantic, loaded without the packages around it."""

import subprocess
import sys

from tests.conftest import ROOT


def run(code: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-W", "error", "-c", code],
        env={"PYTHONPATH": str(ROOT / "layers/common")},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_our_engine_is_pydantic_s_own() -> None:
    """`contract.engine` and pydantic_core have the same classes, whichever is loaded first.

    `contract.engine` alone does not load the package pydantic_core.
    """
    ours = "from outcomes.contract.engine import SchemaValidator as ours, ValidationError; import sys;"
    theirs = "import pydantic, pydantic_core;"
    same = "assert pydantic_core.SchemaValidator is ours; assert pydantic_core.ValidationError is ValidationError;"
    works = "assert pydantic.TypeAdapter(int).validate_python('3') == 3"
    assert run(f"{ours} assert 'pydantic_core' not in sys.modules") == ""
    assert run(ours + theirs + same + works) == ""
    assert run(theirs + ours + same + works) == ""


def test_a_missing_engine_is_named_in_the_error() -> None:
    """The option -S of Python hides installed packages."""
    assert "ModuleNotFoundError: No module named 'pydantic_core._pydantic_core'" in run(
        "import outcomes.contract.engine", "-S"
    )
