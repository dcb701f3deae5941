"""`make contract` writes what repeats the contract, and refuses a template or a word that does not fit."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from release.contract import __main__ as contract
from release.contract import awaiting, blocks, models, openapi, pages
from release.contract.source import ROOT, words

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
components:
  schemas:
    Kind:
      members:
        name: {type: string}
        more?: Kind
    Fault: {type: object}
"""
API = {
    "DefinitionBody": {
        "paths": {
            "/api/things": {"get": {"operationId": "listThings", "security": []}, "options": {}},
            "/api/things/{id}": {"post": {"operationId": "makeThing", "security": []}},
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
    differ = [str(path.relative_to(ROOT)) for path, text in contract.texts().items() if path.read_text() != text]
    assert differ == [], "run make contract"


def test_a_small_contract_gives_the_document_that_this_folder_keeps() -> None:
    kept = Path(__file__).with_name("small.yaml").read_text()
    assert openapi.merged(yaml.safe_load(BASE), API) == yaml.safe_load(kept)


SCHEMAS: dict[str, Any] = {
    "Instant": {"type": "string", "format": "date-time"},
    "OutcomeType": {"type": "string"},
    "Status": {"enum": ["open", "closed"]},
    "Money": {"type": "object", "required": ["usd"], "properties": {"usd": {"type": "number"}}},
}


@pytest.mark.parametrize(
    ("schema", "python", "reads", "typescript", "typescript_reads"),
    [
        ({"type": "string"}, "str", "text", "string", "text"),
        ({"const": "UTC"}, "str", "text", "string", "text"),
        ({"type": ["integer", "null"]}, "int | None", "or_none(whole)", "number | null", "PURE orNull(whole)"),
        ({"type": "number"}, "Decimal", "amount", "string", "amount"),
        ({"type": "string", "format": "date"}, "date", "day", "string", "text"),
        ({"allOf": [{"$ref": "#/Instant"}]}, "datetime", "instant", "string", "instant"),
        ({"$ref": "#/OutcomeType"}, "str", "text", "OutcomeType", "text as Read<models.OutcomeType>"),
        ({"$ref": "#/Status"}, "str", "text", "OutcomeStatus", "text as Read<models.OutcomeStatus>"),
        (
            {"enum": ["a", "b", None]},
            "str | None",
            "or_none(text)",
            '"a" | "b" | null',
            'PURE orNull(text as Read<"a" | "b">)',
        ),
        ({"type": "object"}, "dict[str, Any]", "metadata", "Metadata", "metadata"),
        ({"$ref": "#/Money"}, "Total", "total", "{ usd: string }", "total"),
        (
            {"anyOf": [{"type": "array", "items": {"$ref": "#/Money"}}, {"type": "null"}]},
            *(
                "list[Total] | None",
                "or_none(list_of(total))",
                "{ usd: string }[] | null",
                "PURE orNull(PURE list(total))",
            ),
        ),
    ],
)
def test_a_value_has_these_types_and_readers(
    schema: dict[str, Any], python: str, reads: str, typescript: str, typescript_reads: str
) -> None:
    said: dict[str, Any] = {"Total": {"schema": "Money", "python": ""}, "One": {"python": "", "typescript": ""}}
    one = {"type": "object", "required": ["value"], "properties": {"value": schema}}
    document = {"components": {"schemas": SCHEMAS | {"One": one}}, "paths": {}}
    made = {model.name: model for model in models.described(said, document)}
    imported = '{% import "models.macro" as t with context %}'
    made_of = blocks.templates().from_string(
        imported + "{{ t.python(v) }};{{ t.read(v) }};{{ t.typescript(v) }};{{ t.read_plain(v) }}"
    )
    text = made_of.render(models=made, v=made["One"].fields[0].given).replace("/* @__PURE__ */", "PURE")
    assert text.split(";") == [python, reads, typescript, typescript_reads]


def test_a_model_has_the_fields_of_its_schema_required_ones_first_and_without_those_of_its_base() -> None:
    text = {"type": "string"}
    few: dict[str, Any] = {
        "required": ["id", "old"],
        "properties": {"more": text, "id": text, "old": text, "all": {"type": "array", "items": text}},
    }
    many = {"required": ["from", "id", "old", "more"], "properties": few["properties"] | {"from": text}}
    said: dict[str, Any] = {"Few": {"older": ["old"]}, "Many": {"base": "Few", "older": ["old"], "without": ["all"]}}
    document = {"components": {"schemas": {"Few": few, "Many": many}}, "paths": {}}
    few_made, many_made = models.described(said, document)
    assert [(each.name, each.given.or_none, each.default) for each in few_made.fields] == [
        ("id", False, ""),
        ("old", True, ""),
        ("more", True, "None"),
        ("all", False, "field(default_factory=list)"),
    ]
    assert [each.ours for each in many_made.own] == ["start", "more"]
    assert ([each.name for each in many_made.overridden], many_made.kw_only) == (["more"], True)
    with pytest.raises(ValueError, match="fields that no schema has: invented"):
        models.described({"Few": {"fields": {"invented": "A word."}}}, document)


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


def test_only_the_blocks_of_a_file_are_written() -> None:
    text = "a\n    # make contract: one\n    old\n    # end of make contract\nb\n"
    template = "    # make contract: one\n    new\n    # end of make contract\n"
    assert blocks.with_blocks(text, template, Path("a.py")) == text.replace("old", "new")


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


def test_a_rule_of_the_async_client_that_changes_nothing_is_a_fault() -> None:
    with pytest.raises(ValueError, match="The blocking client has nothing that matches"):
        awaiting.texts({awaiting.BLOCKING: "x = 1"})


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        ({"parameters": {"exportOutcomes": [[["invented"], "", "a rule"]]}}, "different parameters of exportOutcomes"),
        ({"errors": [[400, ["Invalid JSON"], "no JSON", "no"]]}, r"different errors: \[.*\(404, 'Not found'\)"),
    ],
)
def test_words_that_lack_a_part_of_the_contract_are_a_fault(
    part: dict[str, object], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = words() | part
    monkeypatch.setattr(pages, "words", lambda: said)
    with pytest.raises(ValueError, match=fault):
        pages.values(openapi.document())


def test_the_command_names_a_file_that_differs_and_writes_it_only_without_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("old")
    monkeypatch.setattr(contract, "ROOT", tmp_path)
    monkeypatch.setattr(contract, "texts", lambda: {page: "new"})

    assert (contract.main(check=True), page.read_text()) == (1, "old")
    assert capsys.readouterr() == ("page.md\n", "These files are not what `make contract` writes: run it.\n")
    assert (contract.main(check=False), page.read_text()) == (0, "new")
    assert contract.main(check=True) == 0


def test_the_command_says_a_fault_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty() -> dict[Path, str]:
        raise ValueError("words.yaml lacks a word")

    monkeypatch.setattr(contract, "texts", faulty)
    assert contract.main(check=False) == 1
    assert capsys.readouterr().err == "words.yaml lacks a word\n"
