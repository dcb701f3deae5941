"""Define the clients for DynamoDB, Secrets Manager, SQS and EventBridge."""

from typing import Any

from outcomes.aws.calls import NEVER, Answer, Service
from outcomes.aws.failures import ServiceError

type Item = dict[str, dict[str, Any]]
"""An item in DynamoDB's JSON: `{"value_usd": {"N": "12.50"}}`."""


class DynamoDB(Service):
    """The DynamoDB API: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/. Binary values are Base64."""

    name = "dynamodb"
    target = "DynamoDB_20120810"
    content_type = "application/x-amz-json-1.0"
    endpoint_variable = "AWS_ENDPOINT_URL_DYNAMODB"


class SecretsManager(Service):
    """The Secrets Manager API: https://docs.aws.amazon.com/secretsmanager/latest/apireference/"""

    name = "secretsmanager"
    target = "secretsmanager"
    content_type = "application/x-amz-json-1.1"
    endpoint_variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER"

    def versions(self, secret: str, until: float = NEVER) -> list[Answer]:
        """Read the current version of a secret and, if it was ever rotated, the previous one.

        Raises the errors of `call`.
        """
        found = [self.version(secret, stage, until) for stage in ("AWSCURRENT", "AWSPREVIOUS")]
        return [version for version in found if version is not None]

    def version(self, secret: str, stage: str, until: float = NEVER) -> Answer | None:
        """Read the version AWSCURRENT or AWSPREVIOUS of a secret.

        Return None for AWSPREVIOUS if the secret was never rotated. Raises the errors of `call`.
        """
        try:
            return self.call("GetSecretValue", {"SecretId": secret, "VersionStage": stage}, until=until)
        except ServiceError as error:
            if stage == "AWSPREVIOUS" and error.code == "ResourceNotFoundException":
                return None
            raise


class SQS(Service):
    """The SQS API: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/"""

    name = "sqs"
    target = "AmazonSQS"
    content_type = "application/x-amz-json-1.0"
    endpoint_variable = "AWS_ENDPOINT_URL_SQS"


class EventBridge(Service):
    """The EventBridge API: https://docs.aws.amazon.com/eventbridge/latest/APIReference/"""

    name = "events"
    target = "AWSEvents"
    content_type = "application/x-amz-json-1.1"
    endpoint_variable = "AWS_ENDPOINT_URL_EVENTBRIDGE"
