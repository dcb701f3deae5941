"""The running stack: moto, the functions and the API, put together from template.yaml."""

import asyncio
import errno
import json
import logging
import os
import secrets
import shlex
import signal
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from aiohttp import web

from local.aws import Aws
from local.errors import StackError
from local.gateway import MAX_HEADER_BYTES, Gateway
from local.lambdas import Function, specs
from local.openapi import api
from local.session_cookies import mint
from local.state import State
from local.template import load

log = logging.getLogger("local")

HOST = "127.0.0.1"
DEMO_USER = 42
SESSION_SECRET_ID = "SessionSecret"  # noqa: S105 (the logical id of the secret in the template)


@dataclass(frozen=True)
class Settings:
    """How to run. `port` 0 takes a free one; `parameters` wins over everything else that a parameter could be."""

    template: Path
    state_file: Path
    port: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    session_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    dashboard_origins: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def listening_socket(port: int) -> socket.socket:
    """A socket bound to the port, before anything else is started. Raises StackError when the port is not to be had."""
    try:
        return socket.create_server((HOST, port), backlog=128)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise StackError(f"port {port} {reason}; choose another: make run PORT={port % 65535 + 1}") from error


def local_parameters(settings: Settings, port: int) -> dict[str, str]:
    """What the local stack has for parameters of the template."""
    # Answers that API Gateway makes by itself can be read from the first origin only: the one somebody asked for.
    own_origins = f"http://{HOST}:{port},http://localhost:{port}"
    return {
        "AcceptPlainCookies": "true",
        "DashboardOrigins": ",".join(filter(None, [settings.dashboard_origins, own_origins])),
        "KeyFingerprints": sha256(settings.key.encode()).hexdigest(),
    }


async def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM. Raises StackError when something of the template cannot run here."""
    stopped = _stop_signal()
    port = listener.getsockname()[1]
    template = load(settings.template, local_parameters(settings, port), settings.parameters)
    async with AsyncExitStack() as cleanup:
        aws = Aws()
        cleanup.callback(aws.close)
        tables = aws.create(template, {SESSION_SECRET_ID: settings.session_secret})
        functions = {arn: Function(spec, aws.url) for arn, spec in specs(template).items()}
        for function in functions.values():
            cleanup.push_async_callback(function.close)
        gateway = Gateway(api(template), functions)
        await asyncio.gather(*(function.warm() for function in functions.values()))

        runner = web.AppRunner(
            gateway.app(),
            access_log=None,
            auto_decompress=False,  # API Gateway passes compressed bodies on as they are
            handle_signals=False,
            max_field_size=2 * MAX_HEADER_BYTES,  # what is too large, the gateway answers
            max_line_size=2 * MAX_HEADER_BYTES,
            shutdown_timeout=2,
        )
        await runner.setup()
        cleanup.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()

        state = _state(settings, f"http://{HOST}:{port}", aws, tables)
        state.write(settings.state_file)
        cleanup.callback(state.remove, settings.state_file)
        print(banner(state), flush=True)
        await stopped.wait()


async def run_aws(settings: Settings, port: int) -> None:
    """Serve only the tables and the secret until SIGINT or SIGTERM, for functions that `sam local start-api` runs."""
    stopped = _stop_signal()
    parameters = local_parameters(settings, settings.port)
    template = load(settings.template, parameters, settings.parameters)
    async with AsyncExitStack() as cleanup:
        # Containers come in over Docker's bridge, not over the loopback.
        aws = Aws("0.0.0.0", port)  # noqa: S104
        cleanup.callback(aws.close)
        tables = aws.create(template, {SESSION_SECRET_ID: settings.session_secret})
        state = _state(settings, f"http://{HOST}:{settings.port}", aws, tables)
        state.write(settings.state_file)
        cleanup.callback(state.remove, settings.state_file)
        print(sam_banner(state, aws, parameters), flush=True)
        await stopped.wait()


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _state(settings: Settings, url: str, aws: Aws, tables: dict[str, str]) -> State:
    return State(
        pid=os.getpid(),
        url=url,
        aws_url=aws.url,
        key=settings.key,
        session_secret=settings.session_secret,
        tables=tables,
    )


def banner(state: State) -> str:
    """What a newcomer needs, ready to paste."""
    url = f"{state.url}/api/outcomes"
    cookie = mint("next-auth", DEMO_USER, state.session_secret, int(time.time())).cookie
    outcome = json.dumps(
        {"outcomeType": "deal_closed", "title": "Renewed Acme for a year", "valueUsd": 12500.5, "userId": DEMO_USER}
    )
    record = [
        "curl",
        "-i",
        url,
        "-H",
        f"Authorization: Bearer {state.key}",
        "-H",
        "Content-Type: application/json",
        "-d",
        outcome,
    ]
    read = ["curl", "-i", f"{url}?limit=5", "-H", f"Cookie: {cookie}"]
    return f"""
URL         {url}
Bearer key  {state.key}
Cookie      {cookie}  (user {DEMO_USER})

Record an outcome:
{shlex.join(record)}

List the outcomes of user {DEMO_USER}:
{shlex.join(read)}

Edits to functions/ and layers/ count from the next request on. Data lasts until Ctrl-C.
"""


def sam_banner(state: State, aws: Aws, parameters: dict[str, str]) -> str:
    """How to start the API in containers on top of this."""
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    endpoint = f"http://host.docker.internal:{aws.port}"
    sam = ["sam", "local", "start-api", "--parameter-overrides", *overrides, f"AwsEndpointUrl={endpoint}"]
    return f"""
DynamoDB and Secrets Manager at {aws.url}, for functions in containers at {endpoint}.

Serve the API on top of it, once `sam build` is done:
{shlex.join(sam)}
{banner(state)}"""
