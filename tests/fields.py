"""The fields of outcomes that releases after the first one added: null in an outcome that does not have them."""

from outcomes.contract.outcome_fields import LATER

ADDED = LATER[1:]
UNSET = dict.fromkeys(ADDED)
