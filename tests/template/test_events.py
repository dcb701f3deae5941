"""Events: what there is of them when a bus is named, and that there is nothing when none is."""

from .conftest import Deployment

TABLE = "AWS::DynamoDB::Table"
HEARD = {"OutcomesTable", "KeysTable"}


def test_without_a_bus_there_is_nothing_of_events(deployed: Deployment) -> None:
    for name, table in deployed.of(TABLE).items():
        assert "StreamSpecification" not in table, name


def test_with_a_bus_what_happens_to_outcomes_and_keys_is_streamed(complete: Deployment) -> None:
    streams = {name: table.get("StreamSpecification") for name, table in complete.of(TABLE).items()}

    assert {name for name, stream in streams.items() if stream} == HEARD
    for name in HEARD:
        # A correction is told by what it changed, that a key was revoked by what is left.
        assert streams[name] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}, name
