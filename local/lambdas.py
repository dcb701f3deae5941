"""Run the template's functions, each in up to MAX_WORKERS processes, which are replaced when the code is edited."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from local import runtime
from local.environment import REGION, AwsEndpoint
from local.template import Template
from ops.errors import StackError

log = logging.getLogger("local")

MAX_WORKERS = 4  # maximum processes of a function; further concurrent events wait
INIT_SECONDS = 20.0

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_EVENT_BYTES = 6_291_556

type File = tuple[str, int, int]
type Code = tuple[frozenset[File], ...]


class FunctionError(Exception):
    """The function returned no result: it raised an error, crashed, timed out, or its response was too large."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message


class _Raised(FunctionError):
    """An exception of the handler, with its traceback for the console."""

    def __init__(self, error_type: str, message: str, text: str) -> None:
        super().__init__(error_type, message)
        self.text = text


class EventTooLarge(Exception):
    """The event is larger than Lambda's limit."""


@dataclass(frozen=True)
class Spec:
    """A function of the template. folders: the folders of its code and layers. timeout: in seconds."""

    name: str
    arn: str
    handler: str
    timeout: float
    memory: int
    folders: tuple[Path, ...]
    variables: dict[str, str]

    def environment(self, aws: AwsEndpoint) -> dict[str, str]:
        """Return all environment variables of a worker.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
        """
        return {
            **self.variables,
            **aws.variables,
            "AWS_ACCESS_KEY_ID": self.name,  # `local.aws` evaluates this function's role
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory),
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "LAMBDA_TASK_ROOT": str(self.folders[0]),
            "LANG": "en_US.UTF-8",
            "LOCAL_FUNCTION_ARN": self.arn,
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(map(str, self.folders)),
            "PYTHONUTF8": "1",
            "TZ": ":UTC",
            "_HANDLER": self.handler,
        }


def specs(template: Template) -> dict[str, Spec]:
    """Return the template's functions by ARN. Raises StackError if a function cannot run here."""
    return {
        template.arn(logical_id): _spec(template, logical_id, properties)
        for logical_id, properties in template.resources("AWS::Lambda::Function").items()
    }


def _spec(template: Template, logical_id: str, properties: dict[str, Any]) -> Spec:
    layers = {
        template.arn(layer_id): _folder(template, layer_id, layer.get("Content", {}))
        for layer_id, layer in template.resources("AWS::Lambda::LayerVersion").items()
    }
    folders = [_folder(template, logical_id, properties.get("Code", {}))]
    for arn in template.resolve(properties.get("Layers", [])):
        if arn not in layers:
            raise StackError(f"{logical_id}: the local stack has no layer {arn}")
        # Lambda imports from a layer's python/, into which `sam build` puts the layer's content.
        folders.append(layers[arn] / "python" if (layers[arn] / "python").is_dir() else layers[arn])
    variables = template.resolve(properties.get("Environment", {}).get("Variables", {}))
    return Spec(
        name=template.name(logical_id),
        arn=template.arn(logical_id),
        handler=template.resolve(properties.get("Handler", "")),
        timeout=float(template.resolve(properties.get("Timeout", 3))),
        memory=int(template.resolve(properties.get("MemorySize", 128))),
        folders=tuple(folders),
        variables={name: str(value) for name, value in variables.items()},
    )


def _folder(template: Template, logical_id: str, code: dict[str, Any]) -> Path:
    folder = (template.folder / str(code.get("S3Key", ""))).resolve()
    if code.get("S3Bucket") != "local" or not folder.is_dir():
        raise StackError(f"{logical_id}: its code must be a folder beside the template ({code.get('S3Key', 'none')})")
    return folder


class Worker:
    """A process that has imported the handler and handles one event at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a worker needs pipes")
        self._process = process
        self._requests, self._answers = process.stdin, process.stdout

    @classmethod
    async def start(cls, spec: Spec, aws: AwsEndpoint) -> "Worker":
        """Start a process. Raises FunctionError if the function's code cannot be imported."""
        process = await asyncio.create_subprocess_exec(
            # With -P, the function cannot import from the runtime's folder.
            *(sys.executable, "-P", runtime.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=spec.environment(aws),
            cwd=spec.folders[0],
            # in a separate session, Ctrl-C only reaches the stack, which stops its workers
            start_new_session=True,
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(INIT_SECONDS):
                await worker._read(spec)
        except BaseException as error:
            await worker.stop()
            if isinstance(error, TimeoutError):
                raise FunctionError("Runtime.InitError", f"no import within {INIT_SECONDS:g} seconds") from error
            raise
        return worker

    async def ask(self, spec: Spec, event: bytes, request_id: str) -> Any:
        """Pass an event to the handler and return its result.

        Raises FunctionError. The worker may be reused only while it `is_alive`.
        """
        frame = b'{"id":%b,"timeout":%b,"event":%b}' % (
            json.dumps(request_id).encode(),
            str(spec.timeout).encode(),
            event,
        )
        try:
            async with asyncio.timeout(spec.timeout):
                self._requests.write(len(frame).to_bytes(8) + frame)
                await self._requests.drain()
                return (await self._read(spec))["result"]
        except TimeoutError as error:
            await self.stop()
            message = f"{request_id} Task timed out after {spec.timeout:.2f} seconds"
            log.error("%s: %s", spec.name, message)
            raise FunctionError("Sandbox.Timedout", message) from error
        except ConnectionError as error:
            await self.stop()
            raise _died(spec) from error
        except asyncio.CancelledError:
            await self.stop()  # otherwise this event's result would be taken for the result of the next event
            raise

    @property
    def is_alive(self) -> bool:
        """Return whether the worker can handle another event."""
        return self._process.returncode is None

    async def stop(self) -> None:
        """Kill the process and its child processes."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._requests.close()
        await self._process.wait()

    async def _read(self, spec: Spec) -> dict[str, Any]:
        try:
            length = int.from_bytes(await self._answers.readexactly(8))
            frame: dict[str, Any] = json.loads(await self._answers.readexactly(length))
        except asyncio.IncompleteReadError as error:
            await self.stop()
            raise _died(spec) from error
        if "error" in frame:
            raise _Raised(frame["error"]["errorType"], frame["error"]["errorMessage"], frame["log"])
        return frame


def _died(spec: Spec) -> FunctionError:
    log.error("%s: the process ended before it answered", spec.name)
    return FunctionError("Runtime.ExitError", "Runtime exited")


class Function:
    """Invokes a function on idle workers, and starts new ones."""

    def __init__(self, spec: Spec, aws: AwsEndpoint) -> None:
        self.spec = spec
        self._aws = aws
        self._turns = asyncio.Semaphore(MAX_WORKERS)
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._code: Code = ()

    async def invoke(self, event: dict[str, Any], request_id: str, *, expected_error: str = "") -> Any:
        """Return the handler's result for an event, with the code that is now on disk.

        Raises FunctionError and EventTooLarge. An exception with the message `expected_error` is not logged.
        """
        text = json.dumps(event).encode()
        if len(text) > MAX_EVENT_BYTES:
            raise EventTooLarge
        async with self._turns:
            code = await self._replace_edited(request_id)
            self._idle = [worker for worker in self._idle if worker.is_alive]
            worker = self._idle.pop() if self._idle else await self._start()
            self._busy.add(worker)
            try:
                return await worker.ask(self.spec, text, request_id)
            except _Raised as error:
                if error.message != expected_error:
                    log.error("%s: %s", self.spec.name, error.text)
                raise
            finally:
                self._busy.discard(worker)
                if worker.is_alive and code == self._code:
                    self._idle.append(worker)
                else:
                    await worker.stop()

    async def close(self) -> None:
        """Stop all workers."""
        await self._stop_idle()
        await asyncio.gather(*(worker.stop() for worker in self._busy))

    async def _replace_edited(self, request_id: str) -> Code:
        code = tuple(_listed(folder, request_id) for folder in self.spec.folders)
        if code != self._code:
            self._code = code
            await self._stop_idle()
        return code

    async def _stop_idle(self) -> None:
        idle, self._idle = self._idle, []
        await asyncio.gather(*(worker.stop() for worker in idle))

    async def _start(self) -> Worker:
        try:
            return await Worker.start(self.spec, self._aws)
        except FunctionError as error:
            log.error("%s: cannot be imported: %s", self.spec.name, getattr(error, "text", error.message))
            raise


@lru_cache(maxsize=16)
def _listed(folder: Path, _request_id: str) -> frozenset[File]:
    """List a folder once for each request, because authorizer and function share the layer, and listing takes long."""
    return frozenset(_files(folder))


def _files(folder: Path) -> Iterator[File]:
    """Yield path, modification time and size of each file, to detect edits."""
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            with suppress(FileNotFoundError):  # the file was temporary, such as an editor's, and is already deleted
                status = os.stat(os.path.join(path, name))
                yield os.path.join(path, name), status.st_mtime_ns, status.st_size
