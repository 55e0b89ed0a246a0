"""The page of a service: the signature's inputs with people's units, and nothing that a policy would forbid."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from tidemill.base.errors import NotFound
from tidemill.serving import Form, FormField, Reason, Service, ServiceSpec, service_page
from tidemill.serving.page import page_file

SIGNATURE = {
    "inputs": [
        {"name": "wght", "datatype": "INT64", "shape": [-1, 1]},
        {"name": "origin", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "new", "datatype": "BOOL", "shape": [-1, 1]},
    ],
    "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
}
NOW = datetime(2030, 1, 1, tzinfo=UTC)
SERVICE = Service(
    id="s",
    namespace_id="n",
    namespace="default",
    spec=ServiceSpec(name="fuel"),
    generation=1,
    observed_generation=1,
    ready=True,
    reason=Reason.SERVING,
    message="",
    deleting=False,
    created_by="alan",
    created_at=NOW,
    updated_at=NOW,
)
FORM = Form(
    title="Fuel <use>",
    fields=(FormField(column="wght", label="Weight", unit="kg", model_unit="lb", example='9"00'),),
    output_unit="l/100km",
    model_output_unit="mpg",
)


class Elements(HTMLParser):
    """The start tags of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.found if name == tag]

    def asked(self) -> list[dict[str, Any]]:
        """What is asked for as input of the model."""
        return [each for each in self.all("input") if "data-kind" in each]


def page(form: Form = FORM, **more: Any) -> Elements:
    return Elements(service_page(SERVICE, SIGNATURE, form, assets="/assets/serving", **more))


def test_every_input_of_the_signature_is_asked_for_in_the_units_of_the_form() -> None:
    weight, origin, new = page().asked()
    assert weight["name"] == "wght"
    assert float(weight["data-factor"]) == pytest.approx(2.2046226)
    assert (weight["data-kind"], weight["value"]) == ("integer", '9"00')
    assert (origin["type"], origin["data-kind"]) == ("text", "text")
    assert new["type"] == "checkbox"


def test_the_answer_is_turned_into_the_unit_that_people_read() -> None:
    (form, _) = page(token="the-token").all("form")
    assert form["data-url"] == "/serving/default/fuel/v1/models/fuel:predict"
    assert (form["data-inverse"], form["data-unit"]) == ("1", "l/100km")
    assert float(form["data-factor"]) == pytest.approx(235.2145833)
    assert form["data-token"] == "the-token"


def test_no_script_style_or_handler_stands_inside_the_page() -> None:
    found = page()
    assert [each["src"] for each in found.all("script")] == ["/assets/serving/service.js"]
    assert found.all("style") == []
    assert not [
        name for _, attributes in found.found for name in attributes if name.startswith("on") or name == "style"
    ]


def test_what_people_wrote_is_text_and_never_markup() -> None:
    evil = '"><script>alert(1)</script>'
    fields = (FormField(column="wght", label=evil, unit=evil, model_unit=evil, example=evil),)
    found = page(replace(FORM, title=evil, fields=fields, output_label=evil))
    assert len(found.all("script")) == 1


def test_the_columns_of_an_array_model_are_asked_for_one_by_one() -> None:
    signature = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 3]}], "outputs": []}
    text = service_page(SERVICE, signature, Form(), assets="/a")
    assert [each["name"] for each in Elements(text).asked()] == ["x0", "x1", "x2"]
    text = service_page(SERVICE, signature, Form(), assets="/a", columns=("a", "b", "c"))
    assert [each["name"] for each in Elements(text).asked()] == ["a", "b", "c"]


def test_only_the_files_of_the_page_are_given_out() -> None:
    assert page_file("service.js")[1] == "text/javascript"
    assert page_file("service.css")[1] == "text/css"
    for name in ("../render.py", "render.py", "", "service.js/../render.py"):
        with pytest.raises(NotFound):
            page_file(name)


def test_a_degraded_service_says_so_on_its_page() -> None:
    assert 'id="warning"' not in service_page(SERVICE, SIGNATURE, FORM, assets="/a")
    degraded = replace(SERVICE, reason=Reason.NOT_PROVEN, message="the pointer <lies>")
    html = service_page(degraded, SIGNATURE, FORM, assets="/a")
    assert '<p id="warning" role="alert">NotProven: the pointer &lt;lies&gt;</p>' in html


def _luminance(color: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2, definition of relative luminance)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("theme", "paper"), [(1, "#ffffff"), (2, "#121212")], ids=["light", "dark"])
def test_what_is_wrong_can_be_read_in_both_themes(theme: int, paper: str) -> None:
    found = re.search(r"#warning \{ color: light-dark\((#\w{6}), (#\w{6})\)", page_file("service.css")[0].decode())
    assert found is not None
    lighter, darker = sorted((_luminance(found[theme]), _luminance(paper)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5, "WCAG AA"


def test_below_the_answer_people_say_what_they_think_of_it() -> None:
    found = page()
    (_, feedback) = found.all("form")
    assert (feedback["id"], feedback["data-url"]) == ("feedback", "/api/v1/services/fuel/feedback")
    assert "hidden" in feedback
    assert [each["value"] for each in found.all("input") if each.get("name") == "rating"] == list("12345")
    assert [each["maxlength"] for each in found.all("textarea")] == ["2000"]
