"""The AWS services that the functions call: moto behind HTTP, with the template's own tables, buckets and secrets."""

import logging
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIEnvironment

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.dynamodb.models import dynamodb_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

import local.tables  # noqa: F401 (makes moto's tables faster)
from local.environment import ACCOUNT, REGION
from local.errors import StackError
from local.journal import Journal
from local.persistence import Persistence
from local.sockets import listening_socket
from local.template import Template

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# What AWS::DynamoDB::Table shares with CreateTable.
TABLE_PROPERTIES = {
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
    "StreamSpecification",
}


JSON = "application/x-amz-json-1.0"

log = logging.getLogger("local")


class QuietHandler(WSGIRequestHandler):
    """A handler that keeps the SDKs' connections open, and the console free of their requests."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Say nothing."""


class Aws:
    """A moto server in a thread of this process. What it has answered to have written outlives it in a journal."""

    def __init__(self, journal: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        """Start serving. Raises StackError when the port is taken."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.persistence = Persistence(dynamodb_backends[ACCOUNT][REGION], Journal(journal))
        app = _one_at_a_time(DomainDispatcherApplication(create_backend_app), self.persistence)
        with listening_socket(host, port) as listener:
            self.port = listener.getsockname()[1]
            self._server = make_server(
                host, self.port, app, threaded=True, request_handler=QuietHandler, fd=listener.fileno()
            )
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.persistence.close()

    def create(self, template: Template, secrets: dict[str, str]) -> dict[str, str]:
        """Create the template's tables, with what the journal has of them, its buckets, and its secrets.

        `secrets` gives the text of secrets by logical id; one that is not in it gets what the template says, else a
        random text. Returns the tables' names by logical id. Raises StackError when AWS would refuse one of them, and
        when the journal does not fit or cannot be used.
        """
        dynamodb = boto3.client("dynamodb", endpoint_url=self.url)
        secrets_manager = boto3.client("secretsmanager", endpoint_url=self.url)
        tables: dict[str, str] = {}
        logical_id = ""
        try:
            for logical_id in template.resources("AWS::DynamoDB::Table"):
                tables[logical_id] = template.name(logical_id)
                _create_table(dynamodb, template, logical_id)
            for logical_id in template.resources("AWS::S3::Bucket"):
                boto3.client("s3", endpoint_url=self.url).create_bucket(Bucket=template.name(logical_id))
            for logical_id, properties in template.resources("AWS::SecretsManager::Secret").items():
                text = secrets.get(logical_id) or template.resolve(properties.get("SecretString")) or token_urlsafe(48)
                secret = secrets_manager.create_secret(Name=template.name(logical_id), SecretString=text)
                template.arns[logical_id] = secret["ARN"]
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"{logical_id}: {' '.join(str(error).split())}") from error
        self.persistence.restore(tables.values())
        return tables


def _create_table(dynamodb: Any, template: Template, logical_id: str) -> None:
    properties = template.resolve(
        {
            key: value
            for key, value in template.resources("AWS::DynamoDB::Table")[logical_id].items()
            if key in TABLE_PROPERTIES | {"TimeToLiveSpecification"}
        }
    )
    time_to_live = properties.pop("TimeToLiveSpecification", None)
    if "StreamSpecification" in properties:
        properties["StreamSpecification"]["StreamEnabled"] = True
    name = template.name(logical_id)
    dynamodb.create_table(TableName=name, **properties)
    if time_to_live:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)


def _one_at_a_time(app: "WSGIApplication", persistence: Persistence) -> "WSGIApplication":
    """Answer no request before what it wrote is kept, and none beside another.

    moto checks a condition and writes in two steps; of two requests at once, both could pass where AWS lets one.
    """

    def locked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with persistence.lock:
            answer = app(environ, start_response)
            try:
                persistence.write()
            except OSError as error:
                log.error("what was written is not kept: %s", error.strerror)
                start_response("500 Internal Server Error", [("Content-Type", JSON)], sys.exc_info())
                return [b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}']
            return answer

    return locked
