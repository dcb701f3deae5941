"""Test the bundles of the elements: their sizes, imports and modules, the manifest, and custom themes."""

import base64
import gzip
import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browsers import leave_and_return
from tests.dashboard.conftest import ROOT, VIEWPORT, Open, assert_fits
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import Recorded

SOURCES = ROOT / "dashboard"
SERVED = SOURCES / "public"
NAMES = ("value-delivered.js", "outcome-keys.js")
LATER = ("value-delivered-more.js", "value-delivered-review.js", "outcome-keys-more.js")
OF_A_PAGE = ("verify.js",)  # this bundle has no custom element
MODULES = sorted(SOURCES.glob("src/*/*.*"))
MANIFEST = SOURCES / "custom-elements.json"
ELEMENTS = {
    declared["tagName"]: declared
    for module in json.loads(MANIFEST.read_text())["modules"]
    for declared in module["declarations"]
}


@pytest.mark.parametrize(("name", "limit"), [(NAMES[0], 23_000), (NAMES[1], 8_000)], ids=NAMES)
def test_a_bundle_is_small(name: str, limit: int) -> None:
    assert len(gzip.compress((SERVED / name).read_bytes(), 9)) <= limit


def test_the_bundles_are_made_of_these_sources() -> None:
    """`make check` makes them again, which takes three seconds, and compares every byte."""
    files = [file for folder in ("feed", "keys", "shared") for file in sorted((SOURCES / "src" / folder).iterdir())]
    made_of = sha256(b"".join(file.read_bytes() for file in files)).digest()
    for name in (*NAMES, *LATER):
        hash_ = base64.urlsafe_b64encode(made_of).decode()[:4]
        assert f'"{hash_}"' in (SERVED / name).read_text(), f"{name} is out of date: run make dashboard"


@pytest.mark.parametrize("name", [*NAMES, *LATER, *OF_A_PAGE])
def test_a_bundle_loads_nothing_else_and_makes_no_markup_from_strings(name: str) -> None:
    foreign = r"(?:^|;)import\b|\bimport\(|innerHTML|insertAdjacentHTML|document\.write|https?://(?!www\.w3\.org)"
    # Only these imports are allowed: the first file loads the others, and after a failure again by another URL.
    text = re.sub(
        rf'import\("./{Path(name).stem}-(more|review).js"\)|import\((?=\w\))', "", (SERVED / name).read_text()
    )
    assert re.findall(foreign, text, re.MULTILINE) == []


@pytest.mark.parametrize("tag", ELEMENTS)
def test_the_manifest_describes_each_element(tag: str, page: Page, open_feed: Open, open_keys: Open) -> None:
    element = ELEMENTS[tag]
    {"value-delivered": open_feed, "outcome-keys": open_keys}[tag]()
    look = """tag => {
        const { observedAttributes, prototype } = customElements.get(tag)
        return [observedAttributes, Object.getOwnPropertyNames(prototype)]
    }"""
    attributes, members = page.evaluate(look, tag)
    looks = (SOURCES / "src/shared/styles.css").read_text()

    assert [attribute["name"] for attribute in element["attributes"]] == attributes
    assert {member["name"] for member in element.get("members", [])} == {
        member for member in members if member != "constructor" and not member.endswith("Callback")
    }
    assert {property_["name"]: property_["default"] for property_ in element["cssProperties"]} == dict(
        re.findall(r"var\((--value-delivered-\w+), (.*)\);", looks)
    )
    # The elements have no events, parts or slots. If you add one, describe it in the manifest and list it here.
    assert re.findall(r'dispatchEvent|\bpart: "|::part|\bslot\b', "".join(map(Path.read_text, MODULES))) == []
    assert element.keys().isdisjoint({"events", "cssParts", "slots"})


def test_the_manifest_names_the_files_that_pages_load() -> None:
    package = json.loads((SOURCES / "package.json").read_text())
    assert package["customElements"] == MANIFEST.name
    for module in json.loads(MANIFEST.read_text())["modules"]:
        [declared], [exported] = module["declarations"], module["exports"]
        assert (SOURCES / module["path"]).stem == declared["tagName"] == exported["name"]
        assert exported["declaration"] == {"name": declared["name"], "module": module["path"]}
    assert sorted([*ELEMENTS, *(Path(name).stem for name in (*LATER, *OF_A_PAGE))]) == sorted(
        path.stem for path in SERVED.glob("*.js")
    )


@pytest.mark.parametrize("tag", ELEMENTS)
def test_every_custom_property_and_attribute_is_documented(tag: str) -> None:
    manual = (SOURCES / "README.md").read_text()
    for kind in ("attributes", "cssProperties"):
        assert {one["name"] for one in ELEMENTS[tag][kind] if f"`{one['name']}`" not in manual} == set()


def test_elements_take_the_pages_theme_have_a_gap_fit_on_a_phone_and_may_be_repeated(
    open_feed: Open, ledger: Ledger
) -> None:
    ledger.record("Work", value_usd=123456789)
    page = open_feed()
    page.evaluate("import('/outcome-keys.js')")
    page.evaluate("document.querySelector('main').append(document.createElement('outcome-keys'))")
    page.locator("outcome-keys").evaluate("keys => { keys.setAttribute('endpoint', '/api/keys') }")
    for element in ELEMENTS:
        for name, value in (("accent", "rgb(1, 2, 3)"), ("surface", "rgb(4, 5, 6)")):
            script = "(element, [name, value]) => element.style.setProperty(`--value-delivered-${name}`, value)"
            page.locator(element).evaluate(script, [name, value])
        expect(page.locator(f"{element} .card")).to_have_css("background-color", "rgb(4, 5, 6)")
    expect(page.locator(".plot .running")).to_have_css("stroke", "rgb(1, 2, 3)")
    expect(page.get_by_role("button", name="New key")).to_have_css("background-color", "rgb(1, 2, 3)")

    expect(page.locator(".rows li")).to_be_visible()  # until all first answers are there, only the skeleton is
    page.set_viewport_size({"width": 320, "height": 800})
    for element in ELEMENTS:
        assert_fits(page, element)
    gap = "([feed, keys]) => keys.getBoundingClientRect().top - feed.getBoundingClientRect().bottom"
    assert page.locator("main > :not(h1)").evaluate_all(gap) == 24

    moving = "document.querySelector('value-delivered').shadowRoot.getAnimations().length"
    page.locator(".rows summary").focus()  # loads the second file, whose styles move
    page.locator(".rows li").evaluate("row => row.classList.add('new')")
    assert page.evaluate(moving) == 0  # the viewer has asked for reduced motion
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) == 1

    page.evaluate("import('/value-delivered.js?again')")
    page.evaluate("document.body.append(document.querySelector('value-delivered').cloneNode())")
    expect(page.locator(".rows li")).to_have_count(2)

    page.set_viewport_size(VIEWPORT)
    hidden = "feed => { const other = feed.cloneNode(); other.hidden = true; feed.replaceWith(other) }"
    page.locator("value-delivered").last.evaluate(hidden)  # in a panel that is not shown yet
    shown = page.locator("value-delivered").last
    expect(shown.locator(".card")).to_have_attribute("data-state", "ready")
    shown.evaluate("feed => { feed.hidden = false }")
    expect(shown.locator(".parts [open]")).to_have_count(2)


@pytest.mark.at_noon
def test_the_second_file_is_loaded_late_and_after_a_failure(open_feed: Open, page: Page, recorded: Recorded) -> None:
    recorded.has("Work")
    second = (SERVED / LATER[0]).read_text()
    late = second.replace(re.findall(r'"([\w-]{4})"', second)[-1], "late")
    body, asked = "", []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=body, content_type="text/javascript") if body else route.abort()

    page.route(f"**/{LATER[0]}*", answer)
    open_feed(reload=True)
    expect(page.locator(".total")).to_have_text("$1,200.50")
    assert asked == []
    page.locator(".rows summary").click()
    row = page.locator(".rows li")
    again = row.get_by_role("button", name="Try again")
    fault = "A file of this page could not be loaded."
    expect(row.get_by_role("alert")).to_have_text(fault)
    page.get_by_role("button", name="Download").press("Enter")
    expect(page.locator(".download .fault")).to_have_text(f"Not downloaded. {fault}")
    page.get_by_label("Search").fill("nowhere")
    said = page.get_by_role("status").filter(has_text=re.compile("file|match"))
    expect(said).to_have_text(f"Not loaded yet. {fault}")
    body = late
    again.press("Enter")
    expect(row.get_by_role("alert")).to_have_text("This page is out of date. Reload it.")
    expect(row.locator("summary")).to_be_focused()
    body = second
    again.press("Enter")
    expect(row.get_by_role("button", name="Confirm")).to_be_visible()
    expect(row.locator(".past li")).to_have_count(1)
    leave_and_return(page)
    expect(said).to_have_text("0 matches in 1 of 1")
    assert len(asked) == len(set(asked)) >= 4
