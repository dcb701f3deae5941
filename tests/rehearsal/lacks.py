"""List what the emulator lacks, with reasons, and the tests that check it in the transformed template instead."""

from collections.abc import Callable
from string import punctuation
from typing import Any, NamedTuple


class Lack(NamedTuple):
    """One thing that the emulator lacks.

    instead: the tests that check it. change: takes it out of the template. check: the check of the smoke test that
    fails because of it. If it never fails, the rehearsal does, because the emulator no longer lacks it.
    """

    what: str
    reason: str
    instead: str = ""
    change: Callable[[Any], None] | None = None
    check: str | None = None


def _without_code_deploy(template: Any) -> None:
    del template["Globals"]["Function"]["DeploymentPreference"]


def _without_association(template: Any) -> None:
    del template["Resources"]["FirewallAssociation"]


def _of_one_metric(template: Any) -> None:
    for alarm in template["Resources"].values():
        if alarm.get("Properties", {}).pop("Metrics", None):
            alarm["Properties"] |= {"Namespace": "Rehearsal", "MetricName": "Any", "Statistic": "Sum", "Period": 60}


def _unescaped(template: Any) -> None:
    api = template["Resources"]["OutcomesApi"]["Properties"]
    api["BinaryMediaTypes"] = [each.replace("~1", "/") for each in api["BinaryMediaTypes"]]


def _of_letters_and_digits(template: Any) -> None:
    for secret in template["Resources"].values():
        if (generated := secret["Properties"].get("GenerateSecretString", {})).pop("ExcludePunctuation", False):
            generated["ExcludeCharacters"] = punctuation


LACKS = [
    Lack(
        "CodeDeploy, and so canaries",
        "the emulator has no CodeDeploy: functions change at once",
        "tests/template/test_deployment.py",
        _without_code_deploy,
    ),
    Lack(
        "the firewall's association with the API",
        "the emulator makes a firewall, but cannot associate it",
        "tests/template/test_production.py",
        _without_association,
    ),
    Lack(
        "alarms of several metrics",
        "the emulator knows no metric math: the alarms watch one metric instead",
        "tests/template/test_monitoring.py",
        _of_one_metric,
    ),
    Lack(
        "`~1` for a slash in BinaryMediaTypes",
        "the emulator takes it as it is, and would pass bodies as text: they are set without the escape",
        "tests/template/test_api.py",
        _unescaped,
    ),
    Lack(
        "secrets without punctuation",
        "the emulator knows only ExcludeCharacters, which take the place of ExcludePunctuation",
        "tests/template/test_webhooks.py",
        _of_letters_and_digits,
    ),
    Lack(
        "gateway responses",
        "the emulator does not read them in the API's document: they are set by calls after each deployment",
        "tests/template/test_api.py",
    ),
    Lack(
        "an authorizer's context in gateway responses",
        "the emulator inserts none, so what a paused key is told is no JSON",
        "tests/auth/test_agent_keys.py",
        check="a paused agent key is told so",
    ),
    Lack(
        "preflights",
        "the emulator's mock integrations do not run their templates",
        "tests/template/test_api.py",
        check="a preflight names our origin only",
    ),
    Lack(
        "the limit of 10 MiB for a body",
        "it is API Gateway's own, which the template cannot change: only AWS shows it",
        check="a body above 10 mib is refused",
    ),
    Lack(
        "the id of a request in the authorizer's event",
        "the emulator leaves it out, and the authorizer logs it when the platform reads",
        "tests/auth/test_authorizer.py",
        check="a key does not read without naming a user",
    ),
    Lack(
        "updating an API in its place",
        "the emulator makes another one, with another address: only AWS shows it",
    ),
    Lack(
        "names of tables that no earlier stack had",
        "the emulator derives them from the stack's name, so the stack after the deletion has another name",
        "tests/template/test_data.py",
    ),
    Lack(
        "access logs",
        "the emulator writes none: the smoke test runs without their group, so that it does not wait for lines",
        "tests/template/test_monitoring.py",
    ),
    Lack(
        "permissions of roles",
        "the emulator allows every call",
        "tests/template/test_roles.py",
    ),
    Lack(
        "transforming the previous template again in a change set",
        "the emulator keeps it transformed, so `make end-key` modifies the API's deployment instead of making another",
        "tests/ops/test_end_key.py",
    ),
    Lack(
        "change sets that import, and so `make adopt`",
        "the emulator has none",
        "tests/ops/test_adopt.py",
    ),
    Lack(
        "hosts of your own, with certificates",
        "they need a domain",
        "tests/template/test_capabilities.py",
    ),
]


def adapt(template: Any) -> Any:
    """Take out of a template what the emulator lacks. Raises KeyError if the template no longer has it."""
    for lack in LACKS:
        if lack.change:
            lack.change(template)
    return template
