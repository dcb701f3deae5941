"""List the outcome types of a deployment that does not set the parameter OutcomeTypes."""

from pathlib import Path

from ops.template import default_outcome_types, parse_yaml

TYPES = tuple(default_outcome_types(parse_yaml((Path(__file__).parents[1] / "template.yaml").read_text())))
