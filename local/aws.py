"""Serve the AWS services that functions call: moto over HTTP, with the template's tables, buckets and secrets."""

import asyncio
import hmac
import json
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from aiohttp import web
from botocore.exceptions import BotoCoreError, ClientError

from local import moto_backend
from local.engine import Engine
from local.environment import AwsEndpoint
from local.journal import Journal
from local.persistence import Persistence
from local.roles import Asked, Role, roles
from local.sockets import listening_socket
from local.template import Template
from ops.errors import StackError, one_line

# Properties of AWS::DynamoDB::Table that are also parameters of CreateTable.
TABLE_PROPERTIES = {
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
    "StreamSpecification",
}

READS = {"BatchGetItem", "DescribeTable", "GetItem", "ListTables", "Query", "Scan", "TransactGetItems"}
"""Calls after which an engine's streams have no more records."""

CLOSE_SECONDS = 1.0
"""Maximum seconds for requests that are in progress when serving ends."""

log = logging.getLogger("local")

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([\w-]+)/([\w-]+)/aws4_request")


class Aws:
    """Serves moto over HTTP from a thread of this process. Every acknowledged write has been written to a journal.

    moto's own server would be slower. It closes the connection after each answer, starts a thread for each request and
    uses two web frameworks, which together takes three times as long as moto itself.
    """

    def __init__(self, journal: Path, secret: str, port: int = 0, also: Sequence[str] = ()) -> None:
        """Start serving on the loopback interface and the addresses in `also`. Raises StackError if the port is taken.

        secret: callers must send this as their session token; without it, any page in a browser could call the port.
        """
        self.persistence = Persistence(moto_backend.backend("dynamodb"), Journal(journal))
        self._listeners = [listening_socket("127.0.0.1", port)]
        self.port = self._listeners[0].getsockname()[1]
        self._listeners += [listening_socket(address, self.port) for address in also]
        self.endpoint = AwsEndpoint(f"http://127.0.0.1:{self.port}", secret)
        self._roles: dict[str, Role] = {}
        self._engine: Engine | None = None
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()], daemon=True)
        self._thread.start()

    async def _serve(self) -> None:
        # 0 turns off aiohttp's size limit of requests, which a batch of items can exceed
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, handle_signals=False, shutdown_timeout=CLOSE_SECONDS
        )
        await runner.setup()
        for listener in self._listeners:
            await web.SockSite(runner, listener).start()
        await self._stopped.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        """Answer one request at a time, and only after its writes are in the journal.

        moto checks a condition and writes in two steps, so two concurrent requests could both pass a condition.
        """
        body = await request.read()
        token = request.headers.get("X-Amz-Security-Token", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(token, self.endpoint.secret.encode()):
            text = '{"__type":"com.amazon.coral.service#UnrecognizedClientException"}'
            return web.Response(status=403, headers={"Content-Type": moto_backend.JSON}, text=text)
        if refused := self._refused(request, body):
            log.error("its role does not allow %s: %s", _signed(request)[0], "; ".join(map(str, refused)))
            error = {
                "__type": "com.amazon.coral.service#AccessDeniedException",
                "message": f"not authorized: {refused[0]}",
            }
            return web.Response(status=400, headers={"Content-Type": moto_backend.JSON}, text=json.dumps(error))
        with self.persistence.lock:
            try:
                status, headers, content = self._answered(request, body)
                self.persistence.write()
            except OSError as error:
                log.error("cannot write to the journal: %s", error.strerror or error)
                text = '{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}'
                return web.Response(status=500, headers={"Content-Type": moto_backend.JSON}, text=text)
        content = content.encode() if isinstance(content, str) else content
        return web.Response(status=status, headers={name: str(value) for name, value in headers.items()}, body=content)

    def _answered(self, request: web.Request, body: bytes) -> tuple[int, Mapping[str, Any], str | bytes]:
        """Answer by the engine, if there is one and the call is of DynamoDB, or by moto. May raise OSError."""
        operation = request.headers.get("X-Amz-Target", "").removeprefix(moto_backend.TARGET)
        if not self._engine or operation == request.headers.get("X-Amz-Target"):
            return _answered_by_moto(request, body)
        answer = self._engine.answer(operation, body)
        if operation not in READS:
            self._read_streams(self._engine)
        return answer

    def _read_streams(self, engine: Engine) -> None:
        """Add to the journal what the streams of the engine's tables have since the last call. May raise OSError."""
        for table in self.persistence.streams:
            self.persistence.add(table, engine.new_records(table))
        self.persistence.write()
        engine.keep_checkpoints()

    def _refused(self, request: web.Request, body: bytes) -> list[Asked]:
        """Return what the caller's role does not allow. Only functions have roles here, and their names as keys."""
        caller, _, service = _signed(request)
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if operation and caller in self._roles:
            return self._roles[caller].refused(service, operation, json.loads(body))
        return []

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()
        for listener in self._listeners:
            listener.close()
        self.persistence.close()

    def create(self, template: Template, secrets: dict[str, str], engine: Engine | None = None) -> dict[str, str]:
        """Create the template's tables, buckets and secrets, and restore the tables' items from the journal.

        `secrets` contains secret texts by logical id. Any other secret has the template's text, else a random text.
        engine: holds the tables' items in place of moto, whose tables stay empty.
        Returns the tables' names by logical id. Raises StackError if AWS would reject a resource, if the journal cannot
        be used, or if its keys do not match the tables.
        """
        dynamodb, secrets_manager = self.endpoint.client("dynamodb"), self.endpoint.client("secretsmanager")
        tables: dict[str, str] = {}
        logical_id = ""
        try:
            for logical_id in template.resources("AWS::DynamoDB::Table"):
                tables[logical_id] = template.name(logical_id)
                _create_table(dynamodb, template, logical_id)
            for logical_id in template.resources("AWS::S3::Bucket"):
                self.endpoint.client("s3").create_bucket(Bucket=template.name(logical_id))
            for logical_id, properties in template.resources("AWS::SecretsManager::Secret").items():
                text = secrets.get(logical_id) or template.resolve(properties.get("SecretString")) or token_urlsafe(48)
                secret = secrets_manager.create_secret(Name=template.name(logical_id), SecretString=text)
                template.arns[logical_id] = secret["ARN"]
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"{logical_id}: {one_line(error)}") from error
        self.persistence.restore(tables.values())
        if engine:
            for logical_id in tables:
                engine.create(*_properties(template, logical_id))
            with self.persistence.lock:
                self._read_streams(engine)
            self._engine = engine
        self._roles = roles(template)
        return tables


def _create_table(dynamodb: Any, template: Template, logical_id: str) -> None:
    properties, time_to_live = _properties(template, logical_id)
    dynamodb.create_table(**properties)
    if time_to_live:
        dynamodb.update_time_to_live(TableName=properties["TableName"], TimeToLiveSpecification=time_to_live)


def _properties(template: Template, logical_id: str) -> tuple[dict[str, Any], Any]:
    """Return the parameters of CreateTable, and the specification of a time to live."""
    properties = template.resolve(
        {
            key: value
            for key, value in template.resources("AWS::DynamoDB::Table")[logical_id].items()
            if key in TABLE_PROPERTIES | {"TimeToLiveSpecification"}
        }
    )
    for index in properties.get("GlobalSecondaryIndexes", []):
        index.pop("OnDemandThroughput", None)  # moto enforces no limits, and boto3 refuses numbers in strings
    time_to_live = properties.pop("TimeToLiveSpecification", None)
    if "StreamSpecification" in properties:
        properties["StreamSpecification"]["StreamEnabled"] = True
    return {"TableName": template.name(logical_id), **properties}, time_to_live


def _signed(request: web.Request) -> tuple[str, str, str]:
    """Return the access key, region and service that a signature names, or empty texts without one."""
    signed = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    return (signed[1], signed[2], signed[3]) if signed else ("", "", "")


def _answered_by_moto(request: web.Request, body: bytes) -> tuple[int, Mapping[str, Any], str | bytes]:
    """Return status, headers and body of moto's answer. The request's signature names the service to call."""
    if request.headers.get("X-Amz-Target", "").startswith(moto_backend.TARGET):
        return moto_backend.answer(request.headers, body)
    _, region, service = _signed(request)
    if not service:
        return 403, {"Content-Type": moto_backend.JSON}, '{"__type":"MissingAuthenticationTokenException"}'
    url = f"https://{service}.{region}.amazonaws.com{request.raw_path}"
    # The Host header is left out, because moto would derive the service from it.
    headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    return moto_backend.answer_any(request.method, url, headers, body) or (404, {}, "")
