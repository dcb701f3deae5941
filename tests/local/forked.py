"""Fork processes from a process that has already loaded `python -m local`. They start ten times as fast."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO


class Forked:
    """A forked process that runs `python -m module` with arguments. Its methods are those of `subprocess.Popen`."""

    def __init__(
        self, module: str, *arguments: str, cwd: Path, env: Mapping[str, str], stdout: IO[str], stderr: IO[str]
    ) -> None:
        """Start the process. stdout, stderr: open files whose `name` is a path."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.local.loaded", __name__])
        files = stdout.name, stderr.name
        self._process = context.Process(target=_run, args=([module, *arguments], cwd, dict(env), files))
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        self._process.join(seconds)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"process {self.pid} still runs after {seconds} seconds")
        return code


def _run(command: list[str], cwd: Path, env: dict[str, str], files: tuple[str, str]) -> None:
    for descriptor, file in enumerate(files, 1):
        opened = os.open(file, os.O_WRONLY)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
