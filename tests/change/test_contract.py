"""`make contract` writes what repeats the contract, and refuses a template or a word that does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.errors import StackError
from ops.template import parse_yaml
from release.contract import __main__ as contract
from release.contract import blocks, models, openapi
from release.contract.source import ROOT, template, words

BASE = """
openapi: 3.1.0
info: {title: Small, version: "1"}
x-operations:
  listThings:
    summary: List things
    parameters:
      - {name: kinds, description: Only these, schema: {type: array, items: Kind}}
      - {name: cursor, schema: {type: string}}
    x-answer:
      description: Things
      headers: [Fresh-For]
      schema: {members: {things: {type: array, items: Kind}, next_cursor: Kind or null}}
      examples: {none: {things: [], next_cursor: null}}
    x-errors: {500: [Failed], 503: []}
  makeThing:
    summary: Make a thing
    parameters: [{name: id, schema: Kind, example: a}]
    x-security: [Session]
    x-body: {schema: {type: object, properties: {name: {type: string}}}, examples: {one: {name: x}}}
    x-answer: {description: Made}
    x-errors: {404: [Not found]}
x-refusals:
  400: {description: The request breaks the contract, with-details: true}
  404: {description: There is no such thing}
  415: {description: No JSON}
  429: {description: Too many requests, retry-after: [Too many requests]}
  500: {description: Unknown}
  503: {description: Throttled, retry-after: [Busy]}
x-details: {Invalid name: {field: name, message: must be a name}}
x-security: [Key]
x-body: At most 131072 bytes.
components:
  schemas:
    Kind:
      members:
        name: {type: string}
        more?: Kind
    Fault: {type: object}
"""
ANSWERED = {"x-amazon-apigateway-integration": {"uri": {"Fn::Sub": ["", {"Function": {"Ref": "Things.Alias"}}]}}}
API = {
    "DefinitionBody": {
        "paths": {
            "/api/things": {"get": {"operationId": "listThings", **ANSWERED}, "options": {}},
            "/api/things/{id}": {"post": {"operationId": "makeThing", **ANSWERED}},
        }
    },
    "GatewayResponses": {
        "THROTTLED": {
            "StatusCode": 429,
            "ResponseTemplates": {"application/json": '{"error":"Too many requests"}'},
        }
    },
}


def test_every_file_is_what_make_contract_writes() -> None:
    differ = [
        str(path.relative_to(ROOT))
        for path, text in blocks.texts("", contract.values()).items()
        if path.read_text() != text
    ]
    assert differ == [], "run make contract"


def test_the_generator_and_each_template_are_small() -> None:
    files = [*(ROOT / "release/contract").glob("*.py")], [*(ROOT / "release/contract/templates").rglob("*.*")]
    generator, templates = ([len(file.read_text().splitlines()) for file in each] for each in files)
    assert (sum(generator) < 500, max(templates) <= 150) == (True, True)


def test_a_small_contract_gives_the_document_that_this_folder_keeps() -> None:
    kept = Path(__file__).with_name("small.yaml").read_text()
    resources = {"OutcomesApi": {"Properties": API}, "Things": {"Properties": {"CodeUri": "functions/things/"}}}
    assert openapi.merged(yaml.safe_load(BASE), {"Resources": resources}) == yaml.safe_load(kept)


@pytest.mark.parametrize("read", [openapi.read, parse_yaml])
def test_a_text_with_a_comma_needs_quotes_in_braces(read: Callable[[str], Any]) -> None:
    assert read('{a: "b, c", d: null, e: ""}') == {"a": "b, c", "d": None, "e": ""}
    with pytest.raises(yaml.YAMLError, match=r"'c' has no value: .*\n.*line 2"):
        read("x:\ny: {a: b, c}")


def test_words_of_a_field_that_a_schema_lacks_are_a_fault() -> None:
    said = {"usual": words()["models"]["usual"], "Total": {"schema": "Tally", "fields": {"invented": "A word."}}}
    with pytest.raises(ValueError, match="fields that no schema has: invented"):
        models.described(said, openapi.document())


@pytest.mark.parametrize(
    ("template", "text", "fault"),
    [
        (
            "# make contract: a\nnew\n# end of make contract\n",
            "x = 1\n",
            r"has the blocks \[\], but its template \['a'\]",
        ),
        ("", "// make contract: a\nold\n// end of make contract\n", r"has the blocks \['a'\], but its template \[\]"),
    ],
)
def test_a_block_is_in_the_file_and_in_its_template(template: str, text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        blocks.with_blocks(text, template, Path("a.py"))


def test_a_number_is_written_into_each_equal_sentence() -> None:
    text = "at most 7 rows, and at most 7 rows. Or 7."
    assert blocks.with_numbers(text, ["at most <MAX_PAGE> rows"], Path("a.md")) == text.replace("most 7", "most 50")


@pytest.mark.parametrize(
    ("text", "fault"),
    [("at most a few rows", "has nothing for"), ("at most 7 rows, at most 8 rows", "'at most [78] rows', ")],
)
def test_a_sentence_that_is_missing_or_that_says_two_numbers_is_a_fault(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        blocks.with_numbers(text, ["at most <MAX_PAGE> rows"], Path("a.md"))


def test_a_sentence_with_an_unknown_limit_is_a_fault() -> None:
    with pytest.raises(KeyError, match="MAX_INVENTED"):
        blocks.with_numbers("at most 7", ["at most <MAX_INVENTED>"], Path("a.md"))


def test_a_replacement_that_replaces_nothing_is_a_fault() -> None:
    made_of = blocks.templates().from_string('{{ "x = 1" | instead("y", "z") }}')
    with pytest.raises(ValueError, match="replaces 'y', which the text lacks"):
        made_of.render()


def routes() -> list[models.Json]:
    return openapi.routes(openapi.base(), template())


@pytest.mark.parametrize("operations", words()["parameters"])
def test_a_table_of_parameters_has_each_that_can_be_invalid(operations: str) -> None:
    elsewhere = {"Invalid userId", "Invalid If-None-Match", "Invalid JSON"}  # pages describe them for several calls
    errors = {each for route in routes() if route["operation"] in operations.split() for each in route["errors"][400]}
    named = {f"Invalid {name}" for names in words()["parameters"][operations] for name in names.split(", ")}
    assert named - elsewhere == errors - elsewhere


def test_the_table_of_errors_has_each_error_of_a_function() -> None:
    found = {
        f"{status} {error}" for route in routes() for status, errors in route["errors"].items() for error in errors
    }
    assert {each for each in found - words()["errors"].keys() if each[:3] not in ("400", "500")} == set()


def made(monkeypatch: pytest.MonkeyPatch, texts: Any) -> None:
    monkeypatch.setattr(contract, "values", dict)
    monkeypatch.setattr(blocks, "texts", texts)


def test_the_command_names_a_file_that_differs_and_writes_it_only_without_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("old")
    monkeypatch.setattr(contract, "ROOT", tmp_path)
    made(monkeypatch, lambda folder, _: {} if folder else {page: "new"})

    with pytest.raises(StackError, match="not what `make contract` writes: run it"):
        contract.make(check=True)
    assert (capsys.readouterr().out, page.read_text()) == ("page.md\n", "old")
    assert (contract.make(check=False), page.read_text()) == (0, "new")
    assert contract.make(check=True) == 0


def test_the_command_says_a_fault_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> dict[Path, str]:
        raise ValueError("words.yaml lacks a word")

    made(monkeypatch, faulty)
    with pytest.raises(StackError, match="yaml lacks a word"):
        contract.make(check=False)
