"""The page of an evidence pack: one file without scripts, for people and for paper."""

from __future__ import annotations

import json
from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;
border-bottom:1px solid #e4e4e4;overflow-wrap:anywhere}th{width:13rem;font-weight:600}
code,pre{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
.passed,.approved{color:#0a6b2d}.failed,.rejected{color:#a11515}
""".strip()


def evidence_page(document: dict[str, Any]) -> str:
    """The document as HTML; every value is escaped, nothing is loaded from elsewhere."""
    review, origin, pipeline = document["review"], document["model_version"], document["pipeline"]
    title = f"{review['version']} for {review['service']} in {review['environment']}: {review['state']}"
    parts = [
        f'<h1 class="{_text(review["state"])}">{_text(title)}</h1>',
        _section("Review", _table(review)),
        _section("Approvals", _approvals(document["approvals"], document["automatic_in_words"])),
        _section("Checks", "".join(_check(check) for check in document["checks"])),
        _section("Model version", _table(_flat(origin)) if origin else "<p>none: a pipeline version alone</p>"),
        _section("Pipeline version", _table(pipeline) if pipeline else "<p>none: the run is of no project</p>"),
        _section("Policy", _table({**document["policy"], "digest": document["policy_digest"]})),
        _section("Live pointer", "".join(_table(move) for move in document["pointer_moves"]) or "<p>not moved</p>"),
        _section(
            "Signatures",
            f"<p>Signed with the key <code>{_text(document['public_key_sha256'])}</code>; VERIFY.txt says how to "
            "check it. review.json is the signed document, and names the digest of this page.</p>",
        ),
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _section(title: str, body: str) -> str:
    return f"<h2>{_text(title)}</h2>{body}"


def _approvals(approvals: list[dict[str, Any]], automatic: str | None) -> str:
    said = "" if automatic is None else f"<p>{_text(automatic)}</p>"
    if not approvals:
        return said or "<p>none</p>"
    names = ("approver", "approved_at", "package_digest")
    return said + "".join(_table({name: approval[name] for name in names}) for approval in approvals)


def _check(check: dict[str, Any]) -> str:
    evidence = json.dumps(check["evidence"], indent=1, sort_keys=True, ensure_ascii=False)
    return (
        f'<h3 class="{_text(check["state"])}">{_text(check["name"])}: {_text(check["state"])}</h3>'
        f"<p>{_text(check['summary'])}</p><details><summary>Evidence</summary><pre>{_text(evidence)}</pre></details>"
    )


def _table(values: dict[str, Any]) -> str:
    rows = "".join(f"<tr><th>{_text(name)}</th><td>{_value(value)}</td></tr>" for name, value in values.items())
    return f"<table>{rows}</table>"


def _flat(origin: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in origin.items():
        if name in ("model_version", "run"):
            flat.update({f"{name} {inner}": entry for inner, entry in value.items()})
        else:
            flat[name] = value
    return flat


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict | list):
        return f"<code>{_text(json.dumps(value, sort_keys=True, ensure_ascii=False))}</code>"
    return _text(value)


def _text(value: Any) -> str:
    return escape(str(value), quote=True)
