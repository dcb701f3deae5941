"""How faults are planted in a template, and tests run on it."""

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

from .conftest import Deployment

type Resources = dict[str, Any]
type Plant = Callable[[Resources], Resources]
type Promise = Callable[..., None]

# What a path names beside the properties of a resource.
ATTRIBUTES = {"Condition", "DeletionPolicy", "DependsOn", "UpdatePolicy", "UpdateReplacePolicy"}


def the(path: str, change: Any = None) -> Plant:
    """Let what a path such as `Resource/Property/0/Name` names be another, or what a function makes of it; or be gone.

    `*` stands for any name, ~1 for a slash.
    """
    resource, *steps = path.split("/")
    if steps and steps[0] not in ATTRIBUTES:
        steps.insert(0, "Properties")

    def plant(resources: Resources) -> Resources:
        planted = resources | {name: deepcopy(resources[name]) for name in resources if fnmatchcase(name, resource)}
        places = list(_places(planted, [resource, *steps]))
        assert places, f"there is no {path}"
        for place, key in places:
            if change is None:
                del place[key]
            else:
                place[key] = change(place[key]) if callable(change) else change
        return planted

    return plant


def _places(place: Any, steps: list[str]) -> Iterator[tuple[Any, Any]]:
    step, *rest = steps
    if isinstance(place, list):
        keys: list[Any] = [int(step)]
    elif "*" in step:
        keys = [name for name in place if fnmatchcase(name, step)]
    else:
        keys = [step.replace("~1", "/")]
    for key in keys:
        yield from _places(place[key], rest) if rest else [(place, key)]


def plus(item: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda items: [*items, item]


def without(id_: str) -> Callable[[list[Any]], list[Any]]:
    return lambda metrics: [metric for metric in metrics if metric["Id"] != id_]


def instead(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


RIGHTS = "Policies/0/PolicyDocument/Statement"
OUTCOMES = {"Fn::GetAtt": ["OutcomesTable", "Arn"]}


def may(function: str, action: str, resource: Any = OUTCOMES) -> Plant:
    """Allow a function one more action."""
    return the(f"{function}FunctionRole/{RIGHTS}", plus({"Effect": "Allow", "Action": action, "Resource": resource}))


def always(function: str, statement: int, condition: str = "Condition") -> Plant:
    """Allow what a function may do by a statement whatever its condition."""
    return the(f"{function}FunctionRole/{RIGHTS}/{statement}/{condition}")


def keep(promise: Promise, templates: Mapping[str, Any], plant: Plant | None = None) -> None:
    """Run each case of a test as pytest does. A fault is planted into the first of the templates that it asks for."""
    wanted = inspect.signature(promise).parameters
    name = next((name for name in templates if name in wanted), "deployed")
    template = templates[name]
    if plant and isinstance(template, Deployment):
        template = template.with_resources(plant(template.document["Resources"]))
    elif plant:
        template = template | {"Resources": plant(template["Resources"])}
    given = {**templates, name: template}
    if "api" in wanted:
        given["api"] = template.one("AWS::ApiGateway::RestApi")["Body"]
    for case in cases(promise):
        promise(**{name: given[name] for name in wanted if name in given}, **case)


def cases(promise: Promise) -> Iterator[dict[str, Any]]:
    """List the arguments by which a test is parametrized."""
    marks = [mark.args for mark in getattr(promise, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(values for _, values in marks)):
        case: dict[str, Any] = {}
        for (names, _), value in zip(marks, values, strict=True):
            case |= {names: value} if isinstance(names, str) else dict(zip(names, value, strict=True))
        yield case
