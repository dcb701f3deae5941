"""The YAML of a template as text, and what it says."""

import json
from functools import lru_cache
from typing import Any

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor
from yaml import CSafeLoader


class _Loader(CSafeLoader):
    """YAML with the short forms of intrinsics, read by libyaml: ten times as fast as what SAM reads it with."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def parse_yaml(text: str) -> Any:
    """Read YAML with or without short forms of intrinsics, each time into values of the caller's own.

    Raises yaml.YAMLError.
    """
    return json.loads(_in_json(text))


@lru_cache(maxsize=8)
def _in_json(text: str) -> str:
    # Through JSON: what YAML anchors share must not be changed in several places at once. And a stack and its tests
    # read the same text again and again, JSON ten times as fast.
    return json.dumps(yaml.load(text, _Loader), default=str)  # noqa: S506 (a safe one)
