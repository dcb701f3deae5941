"""Run the stack: moto, the functions and the API of template.yaml."""

import asyncio
import gc
import hmac
import json
import logging
import os
import shlex
import signal
import socket
import time
from base64 import b64encode
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import web
from outcomes.events.webhooks import PREFIX

from local import delivery, demo, issuer, reference
from local.aws import Aws
from local.data import JOURNAL, STACK, State, named
from local.demo import DEMO_USER
from local.engine import start
from local.environment import REGION
from local.gateway import LOOPBACK, Gateway
from local.lambdas import Function, Spec, specs
from local.openapi import api
from local.session_cookies import mint
from local.template import Template, capabilities, load
from ops.errors import StackError

log = logging.getLogger("local")

HOST = "127.0.0.1"
# maximum size of a header or request line; it is above API Gateway's limit, so that the gateway refuses larger ones
MAX_PARSED_BYTES = 2**16
# Logical ids of the secrets in the template.
SESSION_SECRET_ID = "SessionSecret"  # noqa: S105
ERASURE_SECRET_ID = "ErasureSecret"  # noqa: S105
STATEMENT_SECRET_ID = "StatementSecret"  # noqa: S105


@dataclass(frozen=True)
class Settings:
    """The settings of a stack.

    data: the folder where data is stored between runs. port: 0 means any free port.
    parameters: template parameters, which override all other values. off: capabilities to switch off.
    oidc_issuer, oidc_audience: an OpenID Connect issuer other than the stack itself, and the audience of its tokens.
    engine: what answers calls of DynamoDB, "moto" or "dynamodb".
    core: whether to switch off all capabilities and the event bus. events_url: the URL to which events are posted; if
    empty, they are not posted.
    allowed_hosts: host names of the API in addition to the loopback. aws_secret: the secret that must be sent with
    calls to moto.
    """

    template: Path
    data: Path
    port: int
    key: str
    session_secret: str
    aws_secret: str
    erasure_secret: str = ""
    dashboard_origins: str = ""
    events_url: str = ""
    allowed_hosts: frozenset[str] = frozenset()
    oidc_issuer: str = ""
    oidc_audience: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    core: bool = False
    engine: str = "moto"

    @property
    def webhook_secret(self) -> str:
        """Return the secret that signs events, derived from the session secret."""
        made = hmac.digest(self.session_secret.encode(), b"webhooks", "sha256")
        return PREFIX + b64encode(made).decode()

    @property
    def secrets(self) -> dict[str, str]:
        """Return the texts of the template's secrets by logical id."""
        statements = hmac.digest(self.erasure_secret.encode(), b"statements", "sha256").hex()
        return {
            SESSION_SECRET_ID: self.session_secret,
            ERASURE_SECRET_ID: self.erasure_secret,
            STATEMENT_SECRET_ID: statements,
        }


def local_parameters(settings: Settings, port: int) -> dict[str, str]:
    """Return the values of template parameters that a local stack needs, such as its own origins."""
    # API Gateway's own answers only allow the first origin, so DASHBOARD_ORIGINS comes first.
    own_origins = f"http://{HOST}:{port},http://localhost:{port}"
    known = capabilities(settings.template)
    if unknown := sorted(settings.off - set(known)):
        raise StackError(f"there is no capability {', '.join(unknown)}, only {', '.join(known)}")
    return {name: "Off" for name in known if settings.core or name in settings.off} | {
        "AcceptPlainCookies": "true",
        "DashboardOrigins": ",".join(filter(None, [settings.dashboard_origins, own_origins])),
        "EventBusName": "" if settings.core and not settings.events_url else "default",
        "KeyFingerprints": sha256(settings.key.encode()).hexdigest(),
    }


def issuer_parameters(settings: Settings, port: int) -> dict[str, str]:
    """Return the parameters for OpenID Connect.

    They name the issuer in the settings or, by default, the stack's own issuer. The core has no issuer.
    """
    if not settings.oidc_issuer and settings.core:
        return {}
    return {
        "OidcIssuer": settings.oidc_issuer or f"http://{HOST}:{port}",
        "OidcAudience": settings.oidc_audience or issuer.AUDIENCE,
        "OidcCookie": issuer.COOKIE,
    }


def _naming(spec: Spec, url: str) -> Spec:
    """Return a function that names the stack's own address as the issuer of statements, where their keys are found."""
    return replace(spec, variables=spec.variables | {"ISSUER": url}) if "ISSUER" in spec.variables else spec


async def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM. Raises StackError if the template cannot run here."""
    stopped = _stop_signal()
    port = listener.getsockname()[1]
    url = f"http://{HOST}:{port}"
    with _reading(settings.template):
        parameters = local_parameters(settings, port) | issuer_parameters(settings, port)
        template = load(settings.template, parameters, settings.parameters)
    async with AsyncExitStack() as cleanup:
        engine = start(settings.engine, settings.data, cleanup)
        aws = Aws(settings.data / JOURNAL, settings.aws_secret)
        cleanup.callback(aws.close)
        tables = aws.create(template, settings.secrets, engine)
        with _reading(settings.template):
            functions = {arn: Function(_naming(spec, url), aws.endpoint) for arn, spec in specs(template).items()}
            rest_api = api(template)
            gateway = Gateway(rest_api, functions)
            sources, schedules = delivery.sources(template), delivery.schedules(template)
        for function in functions.values():
            cleanup.push_async_callback(function.close)
        events = aws.persistence.bus_events
        delivery.listen(events if settings.events_url else None)
        for source in sources:
            _run_in_background(cleanup, delivery.read(source, functions, aws.persistence))
        for schedule in schedules:
            _run_in_background(cleanup, delivery.tick(schedule, functions))
        if settings.events_url:
            post = delivery.post(settings.events_url, settings.webhook_secret, events, aws.persistence)
            _run_in_background(cleanup, post)

        cookie_of = cache(partial(_cookie, settings))
        cookie = cookie_of(DEMO_USER)
        dashboard = demo.routes(settings.template.parent / "dashboard/public", cookie_of)
        documents = reference.routes(settings.template.with_name("openapi.yaml"), rest_api, cookie)
        runner = web.AppRunner(
            gateway.app(
                *dashboard,
                *documents,
                *issuer.routes(url, settings.session_secret),
                hosts=LOOPBACK | settings.allowed_hosts,
            ),
            access_log=None,
            auto_decompress=False,  # API Gateway passes compressed bodies on unchanged
            handle_signals=False,
            max_field_size=MAX_PARSED_BYTES,
            max_line_size=MAX_PARSED_BYTES,
            shutdown_timeout=2,
        )
        await runner.setup()
        cleanup.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()

        state = _state(settings, template, url, aws, tables)
        state.write(settings.data / STACK)
        cleanup.callback(state.remove, settings.data / STACK)
        page = f"\nDashboard   {state.url}/  (make seed{named(settings.data)} fills it)" if dashboard else ""
        page += f"\nReference   {state.url}/docs" if documents else ""
        refused = [said for rule, said in template.broken_rules.items() if rule != "ConfigurationIsGiven"]
        page += "".join(f"\nNot on AWS  {said}" for said in refused)
        print(
            f"{page}{banner(settings, state, cookie)}"
            f"{_events_banner(settings, sources)}Edits to functions/ and layers/ apply from the next request on.\n",
            flush=True,
        )
        _enable_garbage_collection()
        await stopped.wait()


async def run_aws(settings: Settings, port: int, containers: str | None) -> None:
    """Serve only the AWS services until SIGINT or SIGTERM, for functions that `sam local start-api` runs.

    containers: the address to which the containers connect; None for the loopback.
    """
    stopped = _stop_signal()
    parameters = local_parameters(settings, settings.port)
    with _reading(settings.template):
        template = load(settings.template, parameters, settings.parameters)
    async with AsyncExitStack() as cleanup:
        also = [containers] if containers else []
        engine = start(settings.engine, settings.data, cleanup)
        aws = Aws(settings.data / JOURNAL, settings.aws_secret, port, also)
        cleanup.callback(aws.close)
        tables = aws.create(template, settings.secrets, engine)
        state = _state(settings, template, f"http://{HOST}:{settings.port}", aws, tables)
        state.write(settings.data / STACK)
        cleanup.callback(state.remove, settings.data / STACK)
        addresses = " and ".join([HOST, *also])
        print(sam_banner(settings, state, aws, parameters, addresses, _cookie(settings, DEMO_USER)), flush=True)
        _enable_garbage_collection()
        await stopped.wait()


def _enable_garbage_collection() -> None:
    """Turn on garbage collection, except for objects that already exist."""
    gc.freeze()
    gc.enable()


def _run_in_background(cleanup: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine until the stack ends."""

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    task = asyncio.create_task(work)
    task.add_done_callback(_log_failure)
    cleanup.push_async_callback(end)


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("events are no longer delivered, or schedules kept", exc_info=error)


@contextmanager
def _reading(template: Path) -> Iterator[None]:
    """Replace the errors that a malformed template causes with StackError, whose message is one line."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        why = f"missing {error}" if isinstance(error, KeyError) else error
        raise StackError(f"{template.name}: the local stack cannot read it: {why}") from error


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _state(settings: Settings, template: Template, url: str, aws: Aws, tables: dict[str, str]) -> State:
    return State(
        pid=os.getpid(),
        url=url,
        aws_url=aws.endpoint.url,
        aws_secret=aws.endpoint.secret,
        key=settings.key,
        session_secret=settings.session_secret,
        tables=tables,
        off=template.switched_off,
        parameters=template.texts,
    )


def _cookie(settings: Settings, user_id: int) -> str:
    return mint("next-auth", user_id, settings.session_secret, int(time.time())).cookie


def banner(settings: Settings, state: State, cookie: str) -> str:
    """Return a text with the URL, the credentials and example calls. cookie: the demo user's cookie."""
    url = f"{state.url}/api/outcomes"
    type_ = settings.parameters.get("OutcomeTypes", "deal_closed").partition(",")[0]
    # The deal and its idempotency key are those of README, so that whoever pastes both records one deal.
    deal = {"title": "Renewed Acme for a year", "valueUsd": 12500.5, "userId": DEMO_USER, "agentId": 7}
    bounds = {"name": "Negotiator", "agentId": 7, "maxValueUsd": 20000}
    credential = f"Authorization: Bearer {state.key}"
    record = _curl(url, credential, "Idempotency-Key: renewal-4711", body={"outcomeType": type_} | deal)
    read = _curl(f"{url}?limit=5", f"Cookie: {cookie}")
    make_key = f"""
Make a key with limits for an agent of user {DEMO_USER}:
{_curl(f"{state.url}/api/keys", f"Cookie: {cookie}", body=bounds)}
"""
    off = f"Off         {', '.join(state.off)}\n" if state.off else ""
    return f"""
URL         {url}
Bearer key  {state.key}
Cookie      {cookie}  (user {DEMO_USER})
{off}
Record an outcome:
{record}

List the outcomes of user {DEMO_USER}:
{read}
{"" if "AgentKeys" in state.off else make_key}
Outcomes, the key and the sessions are kept in {settings.data}; make reset{named(settings.data)} deletes them.
"""


def _events_banner(settings: Settings, sources: list[delivery.Source]) -> str:
    if not sources:
        return ""
    if settings.events_url:
        return f"Each event is posted to {settings.events_url}, signed with {settings.webhook_secret}.\n"
    return "Each event is logged; EVENTS_URL=http://... posts it there.\n"


def _curl(url: str, *headers: str, body: dict[str, Any] | None = None) -> str:
    """Return a curl command. With a body, it is a POST."""
    sent = [] if body is None else ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return shlex.join(["curl", "-i", url, *(part for header in headers for part in ("-H", header)), *sent])


def sam_banner(
    settings: Settings, state: State, aws: Aws, parameters: dict[str, str], addresses: str, cookie: str
) -> str:
    """Return a text that explains how to start the API in containers. addresses: where the AWS services are served."""
    endpoint = f"http://host.docker.internal:{aws.port}"
    # The containers inherit the shell's region and credentials, so these must not be real.
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    shell = {"AWS_DEFAULT_REGION": REGION} | {name: aws.endpoint.variables[name] for name in names}
    assignments = " ".join(f"{name}={value}" for name, value in shell.items())
    overrides = [f"{name}={value}" for name, value in (parameters | {"AwsEndpointUrl": endpoint}).items()]
    sam = f".tools/sam/bin/sam local start-api --port {settings.port} --parameter-overrides {shlex.join(overrides)}"
    return f"""
DynamoDB and Secrets Manager: {aws.endpoint.url}, and {endpoint} for containers.
Served only on {addresses}, to callers with the session token below. For containers that connect elsewhere:
.venv/bin/python -m local --data {shlex.quote(str(settings.data))} aws --bind ADDRESS

Serve the API in a second terminal, once `make build` is done:
{assignments} {sam}
{banner(settings, state, cookie)}"""
