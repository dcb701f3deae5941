"""Test the exit codes of all commands: after wrong usage, and after the reader of their output has stopped reading."""

import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

import pytest
from outcomes_client._cli import COMMANDS

ROOT = Path(__file__).parents[2]
COMMAND = """
import sys
from ops.command import exit_code
sys.exit(exit_code(lambda: print(sys.argv[1] * int(sys.argv[2])), if_interrupted="Run it again."))
"""
CLIENT = "outcomes_client.__main__"
WRONG = "--no-such-option"


def modules() -> list[str]:
    """Return the modules that `make` runs."""
    folders = "bench|docs|history|local|ops|release|smoke|tests"
    return sorted({*re.findall(rf" -m ((?:{folders})\b[\w.]*)", (ROOT / "Makefile").read_text())})


def run(module: str, *arguments: str, output: TextIO, monkeypatch: pytest.MonkeyPatch) -> tuple[object, str]:
    """Run a module in this process. Return its exit code, and what it says on standard error."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    errors = StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        command: Any = import_module(f"{module}.__main__" if (ROOT / module.replace(".", "/")).is_dir() else module)
        try:
            code = command.main([*arguments]) if module == CLIENT else command.main()
        except SystemExit as ended:
            code = ended.code
    return code, errors.getvalue()


@pytest.mark.parametrize("module", modules())
def test_wrong_usage_fails_with_one_line(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output = StringIO()
    code, said = run(module, *[WRONG] * 4, output=output, monkeypatch=monkeypatch)
    assert (code in {1, 2}, said.count("\n"), output.getvalue()) == (True, 1, ""), (code, said)
    assert re.match("error: .", said)


def test_wrong_usage_of_each_command_of_the_client_names_its_help(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in [[], *([name] for name in COMMANDS)]:
        output = StringIO()
        code, said = run(CLIENT, *command, WRONG, output=output, monkeypatch=monkeypatch)
        assert (code, output.getvalue()) == (2, "")
        assert re.search(r"^Try 'outcomes .*-h' for help.\n\nError: .*\n\Z", said, re.MULTILINE), said


@pytest.mark.parametrize("module", [CLIENT, *modules()])
def test_a_closed_output_is_no_error(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with suppress(BrokenPipeError), os.fdopen(writer, "w") as output:
        code, said = run(module, *["--help"] * 4, output=output, monkeypatch=monkeypatch)
        assert (bool(code), "Traceback" in said or "Broken pipe" in said) == (True, False), (code, said)


@pytest.mark.parametrize("size", [1, 100_000])  # one byte is only written when the output is flushed at the end
def test_a_closed_output_ends_the_command_with_one_line(size: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", COMMAND, "x", str(size)]
    try:
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "error: the output was closed before the end. Run it again.\n")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_full_disk_ends_the_command_with_one_line(size: int) -> None:
    command = [sys.executable, "-c", COMMAND, "x", str(size)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device. Run it again.\n")
