"""Renders the page of a service from its signature and the form in its spec; no script or style stands inside."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import Any

from tidemill.base.errors import NotFound
from tidemill.serving.model import Form, FormField, Reason, Service
from tidemill.serving.units import SAME, conversion

FILES = {"service.js": "text/javascript", "service.css": "text/css"}
FEEDBACK = "/api/v1/services"
RATINGS = {1: "useless", 2: "far off", 3: "so-so", 4: "close", 5: "right"}
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{assets}/service.css">
<script src="{assets}/service.js" defer></script>
</head>
<body>
<main>
<h1>{title}</h1>
{warning}<form id="prediction" data-url="{url}" data-token="{token}" {numbers} data-unit="{unit}">
{fields}
<button type="submit">Predict</button>
</form>
<section aria-live="polite">
<p id="answer" hidden><span>{label}:</span> <output id="value"></output></p>
<p id="trace" hidden>Prediction id: <code id="id"></code></p>
<p id="problem" role="alert" hidden></p>
</section>
<form id="feedback" data-url="{feedback_url}" hidden>
<fieldset>
<legend>Was this right?</legend>
{ratings}
</fieldset>
<label>It should have been <input type="text" name="value" maxlength="200"><span class="unit">{unit}</span></label>
<label class="wide">What else? <textarea name="comment" rows="3" maxlength="2000"></textarea></label>
<button type="submit">Send</button>
<p id="thanks" role="status" hidden>Thank you, it is kept with the prediction.</p>
</form>
</main>
</body>
</html>
"""


def service_page(
    service: Service,
    signature: dict[str, Any],
    form: Form,
    *,
    assets: str,
    token: str = "",
    columns: tuple[str, ...] = (),
) -> str:
    """The HTML of a service's page.

    `signature` is that of `model.json`; `columns` names the columns of an array model. `assets` is the address below
    which `page_file` is served. `token` is a prediction token for a service that asks for one.
    """
    title = escape(form.title or service.name)
    known = {field.column: field for field in form.fields}
    fields = "\n".join(
        _input(known.get(name, FormField(column=name)), datatype) for name, datatype in _columns(signature, columns)
    )
    back = conversion(form.model_output_unit, form.output_unit) or SAME
    url = f"{service.path}/v1/models/{service.name}:predict"
    return _PAGE.format(
        title=title,
        warning=_warning(service),
        assets=escape(assets),
        url=escape(url),
        token=escape(token),
        numbers=f'data-factor="{back.factor!r}" data-offset="{back.offset!r}" data-inverse="{int(back.inverse)}"',
        unit=escape(form.output_unit or form.model_output_unit),
        feedback_url=escape(f"{FEEDBACK}/{service.name}/feedback"),
        ratings="\n".join(_rating(number) for number in RATINGS),
        fields=fields,
        label=escape(form.output_label or "Prediction"),
    )


def page_file(name: str) -> tuple[bytes, str]:
    """A file that the page asks for, and its content type; `NotFound` for any other name."""
    if name not in FILES:
        raise NotFound(f"there is no file {name[:80]!r}")
    return resources.files(__package__).joinpath(name).read_bytes(), FILES[name]


def _rating(number: int) -> str:
    return f'<label><input type="radio" name="rating" value="{number}">{number}, {RATINGS[number]}</label>'


def _warning(service: Service) -> str:
    if service.reason not in (Reason.NOT_PROVEN, Reason.FAILED):
        return ""
    return f'<p id="warning" role="alert">{escape(service.reason.value)}: {escape(service.message)}</p>\n'


def _columns(signature: dict[str, Any], columns: tuple[str, ...]) -> list[tuple[str, str]]:
    """The name and the datatype of every column, as the predictor names them."""
    found: list[tuple[str, str]] = []
    for item in signature["inputs"]:
        width = 1
        for size in item["shape"][1:]:
            width *= int(size)
        found += [(item["name"], item["datatype"])] * width
    if len(columns) == len(found):
        return [(name, datatype) for name, (_, datatype) in zip(columns, found, strict=True)]
    if len({name for name, _ in found}) != len(found):
        return [(f"x{place}", datatype) for place, (_, datatype) in enumerate(found)]
    return found


def _input(field: FormField, datatype: str) -> str:
    to_model = conversion(field.unit, field.model_unit) or SAME
    label = escape(field.label or field.column)
    unit = escape(field.unit or field.model_unit)
    name = escape(field.column)
    shown = f'<span class="unit">{unit}</span>' if unit else ""
    numbers = (
        f'data-factor="{to_model.factor!r}" data-offset="{to_model.offset!r}" data-inverse="{int(to_model.inverse)}"'
    )
    if datatype == "BOOL":
        control = f'<input type="checkbox" name="{name}" data-kind="bool">'
    elif datatype == "BYTES":
        control = f'<input type="text" name="{name}" data-kind="text" value="{escape(field.example)}" required>'
    else:
        kind = "integer" if datatype in _INTEGERS else "number"
        control = (
            f'<input type="number" step="any" name="{name}" data-kind="{kind}" {numbers} '
            f'value="{escape(field.example)}" required>'
        )
    return f"<label>{label} {control}{shown}</label>"
