"""Test the exit code of a command after the reader of its output has stopped reading."""

import os
import subprocess
import sys

import pytest

COMMAND = """
import sys
from ops.command import exit_code
sys.exit(exit_code(lambda: print(sys.argv[1] * int(sys.argv[2])), if_interrupted="Run it again."))
"""


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
