"""Try the recipes of docs/events.md with the example events, as far as possible without AWS."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.moto_backend import EventPattern
from ops.template import parse_yaml
from tests.aws import aws_client, mock_aws

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/events.md").read_text()
GIVEN = {"Bus": "default", "Stack": "outcomes-prod"}
SECTIONS: dict[str, str] = dict(re.findall(r"^### (.*?)\n(.*?)(?=^###|\Z)", PAGE, re.MULTILINE | re.DOTALL))
FILES = {
    title: ROOT / "docs" / re.findall(r"\((examples/recipes/\w+\.yaml)\)", text)[0] for title, text in SECTIONS.items()
}
RECIPES = {title: file.read_text() for title, file in FILES.items()}
EVENTS = {file.stem: json.loads(file.read_text()) for file in (ROOT / "tests/unit/events").glob("*.json")}


def on_the_bus(event: Any, source: str = GIVEN["Stack"]) -> Any:
    """Return the EventBridge event that contains a CloudEvent."""
    return {"version": "0", "detail-type": event["type"], "source": source, "account": "123456789012", "detail": event}


def resources(recipe: str) -> Any:
    return parse_yaml(RECIPES[recipe])["Resources"]


def rule(recipe: str, name: str = "Rule") -> Any:
    return resources(recipe)[name]["Properties"]


def pattern(recipe: str, name: str = "Rule") -> EventPattern:
    text = json.dumps(rule(recipe, name)["EventPattern"]).replace('{"Ref": "Stack"}', json.dumps(GIVEN["Stack"]))
    return EventPattern.load(text)


def test_each_recipe_has_a_section() -> None:
    assert set(FILES.values()) == set((ROOT / "docs/examples/recipes").iterdir())


DISPUTED = EVENTS["outcome.disputed"]
LARGE = DISPUTED | {"data": DISPUTED["data"] | {"value_usd": 1000.01}}
SMALL = DISPUTED | {"data": DISPUTED["data"] | {"value_usd": 1000}}
OUTCOMES = {type_ for type_ in EVENTS if type_.startswith("outcome.")}
PASSED = {
    "A queue": OUTCOMES,
    "A function": {"outcome.disputed"},
    "Slack, or any webhook": {"outcome.recorded", "outcome.disputed"},
    "A warehouse": OUTCOMES,
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_rule_passes_the_documented_events_of_this_stack_only(recipe: str) -> None:
    passed = {type_ for type_, event in EVENTS.items() if pattern(recipe).matches_event(on_the_bus(event))}

    assert passed == PASSED[recipe]
    assert not [each for each in EVENTS.values() if pattern(recipe).matches_event(on_the_bus(each, "outcomes-dev"))]


def test_the_function_is_called_only_above_the_documented_value() -> None:
    assert pattern("A function").matches_event(on_the_bus(LARGE))
    assert not pattern("A function").matches_event(on_the_bus(SMALL))


@pytest.mark.parametrize("recipe", RECIPES)
def test_events_that_a_target_refuses_go_to_a_dead_letter_queue(recipe: str) -> None:
    names = [name for name, each in resources(recipe).items() if each["Type"] == "AWS::Events::Rule"]
    targets = [target for name in names for target in rule(recipe, name)["Targets"]]
    queues = {name for name, each in resources(recipe).items() if each["Type"] == "AWS::SQS::Queue"}
    policy = resources(recipe)["MayPut"]["Properties"]
    [statement] = policy["PolicyDocument"]["Statement"]

    assert {target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] for target in targets} <= queues
    assert {queue["Ref"] for queue in policy["Queues"]} == queues
    rules = [{"Fn::GetAtt": [name, "Arn"]} for name in names]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rules if len(rules) > 1 else rules[0]}}


@pytest.mark.parametrize("recipe", ["A queue", "A function", "A warehouse"])
def test_a_target_gets_the_cloudevent_itself(recipe: str) -> None:
    [target] = rule(recipe)["Targets"]

    assert target["InputPath"] == "$.detail"
    assert "InputTransformer" not in target


def filled_in(template: str, paths: dict[str, str], event: Any) -> str:
    """Fill in an EventBridge input template. A placeholder becomes JSON, or plain text if it is within quotes.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
    """

    def value(name: str) -> Any:
        found = event
        for step in paths[name].removeprefix("$.").split("."):
            found = found[step]
        return found

    def filled(part: re.Match[str]) -> str:
        if part[0].startswith("<"):
            return json.dumps(value(part[1]))
        return re.sub(r"<(\w+)>", lambda name: str(value(name[1])), part[0])

    return re.sub(r'"[^"]*"|<(\w+)>', filled, template)


@pytest.mark.parametrize("title", ['Renewed "Acme" \\ für ein Jahr', "<value>", "*bold* <!channel>"])
def test_slack_gets_a_valid_message_for_any_title(title: str) -> None:
    [target] = rule("Slack, or any webhook")["Targets"]
    transformer = target["InputTransformer"]
    event = DISPUTED | {"data": DISPUTED["data"] | {"title": title}}
    message = json.loads(filled_in(transformer["InputTemplate"], transformer["InputPathsMap"], on_the_bus(event)))

    section, context = message["blocks"]
    assert (message["text"], section["text"]["text"]) == ("outcome.disputed", title)
    assert [element["text"] for element in context["elements"]] == [
        "outcome.disputed",
        "deal_closed",
        "USD 12000",
        event["subject"],
    ]
    # Slack ignores markup in plain text, so an outcome's title cannot notify a channel.
    assert {section["text"]["type"], *(element["type"] for element in context["elements"])} == {"plain_text"}


def test_slack_gets_the_line_of_each_watch_and_digest() -> None:
    [target] = rule("Slack, or any webhook", "Watches")["Targets"]
    transformer = target["InputTransformer"]
    told = {type_: event for type_, event in EVENTS.items() if type_.startswith(("watch.", "digest."))}
    watches = pattern("Slack, or any webhook", "Watches")
    assert {type_ for type_, event in EVENTS.items() if watches.matches_event(on_the_bus(event))} == told.keys()
    for event in told.values():
        message = filled_in(transformer["InputTemplate"], transformer["InputPathsMap"], on_the_bus(event))
        assert json.loads(message) == {"text": event["data"]["text"]}


def test_the_function_handles_each_event_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = resources("A function")
    with mock_aws():
        table = recipe["Seen"]["Properties"]
        names = ("KeySchema", "AttributeDefinitions", "BillingMode")
        aws_client("dynamodb").create_table(TableName="seen", **{name: table[name] for name in names})
        monkeypatch.setenv("SEEN", "seen")
        module: dict[str, Any] = {}
        exec(recipe["Function"]["Properties"]["Code"]["ZipFile"], module)  # noqa: S102 - from our own page
        for event in (DISPUTED, DISPUTED, DISPUTED | {"id": "another"}):
            module["handler"](event, None)

    assert capsys.readouterr().out.splitlines() == [f"outcome.disputed {DISPUTED['subject']} Not mine"] * 2
