"""The plain page at `/` that names the addresses of a site."""

from __future__ import annotations

from html import escape

ADDRESSES = (
    ("/api/v1", "the control API; its description is at /api/v1/openapi.json (token)"),
    ("/serving/NAMESPACE/SERVICE/v1 and /v2", "predictions"),
    ("/api/v1/services/SERVICE/page", "the form of a service, for people; tidemill service page SERVICE signs you in"),
    ("/api/v1/healthz", "whether the site answers"),
)


def front_page() -> str:
    """HTML that names each address and what is there."""
    rows = "\n".join(f"<dt><code>{escape(path)}</code></dt><dd>{escape(text)}</dd>" for path, text in ADDRESSES)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Tidemill</title></head>
<body><h1>Tidemill</h1>
<p>This site takes models from a notebook to approved, traceable predictions.
On the command line: <code>tidemill --help</code>.</p>
<dl>
{rows}
</dl></body></html>
"""
