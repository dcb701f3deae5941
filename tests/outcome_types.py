"""The outcome types of a deployment that sets no others."""

from pathlib import Path

from ops.template import default_outcome_types, parse_yaml

TYPES = tuple(default_outcome_types(parse_yaml((Path(__file__).parents[1] / "template.yaml").read_text())))
