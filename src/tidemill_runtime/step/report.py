"""The HTML report of a step: its cells with what they printed and showed; one file, no scripts, no addresses."""

from __future__ import annotations

import html
from typing import Iterable, List, Optional

from tidemill_runtime.step.output import CellRecord

_STYLE = """
body{font:14px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.3rem}section{margin:1.2rem 0;border-left:3px solid #d0d7de;padding-left:1rem}
section.failed{border-color:#cf222e}pre{overflow:auto;padding:.6rem;border-radius:4px;margin:.3rem 0}
pre.source{background:#f6f8fa}pre.error{background:#ffebe9}p.label{color:#57606a;margin:0;font-size:.85rem}
img{max-width:100%}table{border-collapse:collapse}td,th{padding:.15rem .5rem;border:1px solid #d0d7de;text-align:right}
iframe{border:0;width:100%;height:24rem}
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-src 'self'"


def report_html(notebook: str, step: str, records: Iterable[CellRecord], failure: Optional[str]) -> str:
    """The report; HTML that values gave of themselves stands in sandboxed frames, everything else is escaped."""
    title = html.escape(f"{notebook}: {step}")
    body: List[str] = [f"<h1>{title}</h1>"]
    records = list(records)
    for record in records:
        failed = failure is not None and record is records[-1]
        body.append(f"<section{' class=failed' if failed else ''}><p class=label>cell {record.cell}</p>")
        body.append(f"<pre class=source>{html.escape(record.source)}</pre>")
        body += [_part(kind, content) for kind, content in record.parts]
        body.append("</section>")
    if failure is not None:
        body.append(f"<pre class=error>{html.escape(failure)}</pre>")
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{title}</title>'
    )
    return (
        f"<!doctype html><html lang=en><head>{head}<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _part(kind: str, content: str) -> str:
    if kind == "png":
        return f'<img alt="figure" src="data:image/png;base64,{html.escape(content)}">'
    if kind == "html":
        return f'<iframe sandbox title="output" srcdoc="{html.escape(_STYLED + content)}"></iframe>'
    return f"<pre>{html.escape(content)}</pre>"


_STYLED = f"<style>{_STYLE}</style>"
