"""Run a function like Lambda's runtime: import its handler once, then handle one event after another.

It runs as a process with the function's environment. It reads frames (a length of 8 bytes, then JSON) from standard
input and writes frames to standard output; the handler's output goes to standard error. It imports nothing of the
stack, and ends when its input ends.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import importlib
import importlib.machinery
import io
import json
import marshal
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from types import CodeType
from typing import Any, BinaryIO, cast

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESPONSE_BYTES = 6_291_556

type Frame = dict[str, Any]


class Context:
    """The second argument of a handler: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    identity = None
    client_context = None

    def __init__(self, request_id: str, timeout: float) -> None:
        self.aws_request_id = request_id
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = os.environ["LOCAL_FUNCTION_ARN"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the handler may still run, in milliseconds."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class HashedLoader(importlib.machinery.SourceFileLoader):
    """Compiles a file again when its content has changed. Python compares times, and would miss quick edits."""

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 (importlib's signature)
        source = self.get_data(self.path)
        header = MAGIC_NUMBER + source_hash(self.path.encode() + source)
        compiled = cache_from_source(self.path, optimization="hashed")
        with suppress(OSError, EOFError, ValueError):
            cached = self.get_data(compiled)
            if cached.startswith(header):
                return cast("CodeType", marshal.loads(cached[len(header) :]))  # noqa: S302 (our own file)
        code = self.source_to_code(source, self.path)
        self.set_data(compiled, header + marshal.dumps(code))  # set_data does nothing if the file cannot be written
        return code


class Console(io.TextIOWrapper):
    """Replaces standard output, and drops metric lines (CloudWatch's embedded metric format)."""

    _line = ""

    def write(self, text: str) -> int:
        """Write complete lines, except metric lines. Keep an incomplete line until it is complete."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if not line.startswith('{"_aws":'):
                super().write(f"{line}\n")
        return len(text)


def import_edited_files_anew(folders: list[str]) -> None:
    """Make imports from these folders detect edits by the content of files."""

    def finder(path: str) -> importlib.machinery.FileFinder:
        if not any(path == folder or path.startswith(folder + os.sep) for folder in folders):
            raise ImportError(path)
        return importlib.machinery.FileFinder(path, (HashedLoader, importlib.machinery.SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.clear()


def load_handler(name: str) -> Callable[[Any, Context], Any]:
    """Import `module.function`."""
    module, _, function = name.rpartition(".")
    return cast("Callable[[Any, Context], Any]", getattr(importlib.import_module(module.replace("/", ".")), function))


def error_frame(error: Exception) -> Frame:
    """Return an exception in the format of Lambda's error reports, and as text for the console."""
    text = traceback.format_exception_only(error) if isinstance(error, SyntaxError) else _own_traceback(error)
    return {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}, "log": "".join(text).rstrip()}


def _own_traceback(error: Exception) -> list[str]:
    """Format the traceback without the frames of this file and the import system."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    return [*traceback.format_list(frames), *traceback.format_exception_only(error)]


def answer(handler: Callable[[Any, Context], Any], request: Frame) -> bytes:
    """Call the handler with one event, and return its result or exception as a frame."""
    timeout = float(request["timeout"])
    # The stack kills a handler that takes too long. This timer kills the process if the stack has ended.
    signal.setitimer(signal.ITIMER_REAL, timeout + 1)
    try:
        result = json.dumps(handler(request["event"], Context(request["id"], timeout)), ensure_ascii=False).encode()
    except Exception as error:  # noqa: BLE001 (whatever a handler raises is a function error, as on Lambda)
        return json.dumps(error_frame(error)).encode()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if len(result) > MAX_RESPONSE_BYTES:
        message = f"the response has {len(result)} bytes, Lambda takes {MAX_RESPONSE_BYTES}"
        too_large = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        return json.dumps({"error": too_large, "log": message}).encode()
    return b'{"result":' + result + b"}"


def write(stream: BinaryIO, frame: bytes) -> None:
    stream.write(len(frame).to_bytes(8) + frame)
    stream.flush()


def read(stream: BinaryIO) -> Frame | None:
    """Read one frame. Return None if the stack has ended."""
    length = int.from_bytes(stream.read(8))
    return json.loads(stream.read(length)) if length else None


def main() -> None:
    """Handle the frames on standard input until it ends."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout = Console(os.fdopen(1, "wb", closefd=False), line_buffering=True)

    import_edited_files_anew(os.environ["PYTHONPATH"].split(os.pathsep))
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001 (an import may raise anything, and the stack reports it)
        write(answers, json.dumps(error_frame(error)).encode())
        return
    write(answers, b'{"ready":true}')
    while request := read(requests):
        write(answers, answer(handler, request))


if __name__ == "__main__":
    main()
