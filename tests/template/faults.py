"""Plant faults in a template, and run tests on it."""

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

# In a fault's path, the second name is an attribute of the resource if it is listed here, and a property if it is not.
ATTRIBUTES = {"Condition", "DeletionPolicy", "DependsOn", "UpdatePolicy", "UpdateReplacePolicy"}


def the(path: str, change: Any = None) -> Plant:
    """Return a fault that replaces, changes or deletes the value at a path such as `Resource/Property/0/Name`.

    In a path, `*` stands for any name, and `~1` for a slash. In an Fn::If, a path leads to the value for a true
    condition.
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
    if isinstance(place, dict) and "Fn::If" in place and step != "Fn::If":
        place = place["Fn::If"][1]
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
    """Return a fault that allows a function one more action."""
    return the(f"{function}FunctionRole/{RIGHTS}", plus({"Effect": "Allow", "Action": action, "Resource": resource}))


def always(function: str, statement: int, condition: str = "Condition", policy: int = 0) -> Plant:
    """Return a fault that removes the condition from a policy statement, so that it always allows."""
    return the(f"{function}FunctionRole/Policies/{policy}/PolicyDocument/Statement/{statement}/{condition}")


def planted_in(promise: Promise, templates: Mapping[str, Any], plant: Plant) -> dict[str, Any]:
    """Return `templates`, but with a fault in the first template that is a parameter of the test `promise`.

    Fails if the fault's path does not exist in this template.
    """
    name = _first_wanted(promise, templates)
    template = templates[name]
    if isinstance(template, Deployment):
        template = template.with_resources(plant(template.document["Resources"]))
    else:
        template = template | {"Resources": plant(template["Resources"])}
    return {**templates, name: template}


def _first_wanted(promise: Promise, templates: Mapping[str, Any]) -> str:
    wanted = inspect.signature(promise).parameters
    return next((name for name in templates if name in wanted), "deployed")


def keep(promise: Promise, templates: Mapping[str, Any]) -> None:
    """Run all cases of a parametrized test, as pytest does."""
    wanted = inspect.signature(promise).parameters
    given = dict(templates)
    if "api" in wanted:
        given["api"] = templates[_first_wanted(promise, templates)].one("AWS::ApiGateway::RestApi")["Body"]
    for case in cases(promise):
        promise(**{name: given[name] for name in wanted if name in given}, **case)


def cases(promise: Promise) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each case of a parametrized test."""
    marks = [mark.args for mark in getattr(promise, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(values for _, values in marks)):
        case: dict[str, Any] = {}
        for (names, _), value in zip(marks, values, strict=True):
            case |= {names: value} if isinstance(names, str) else dict(zip(names, value, strict=True))
        yield case
