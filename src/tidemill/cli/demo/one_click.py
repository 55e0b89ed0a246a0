"""The fifth beat: from one prediction to its row, its data and its approver."""

from __future__ import annotations

import json

import httpx

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.cars import DATA
from tidemill.cli.demo.go_live import APPROVER
from tidemill.cli.demo.shell import Shell


def one_prediction(shell: Shell, _port: int) -> Told:
    """A prediction of the version that nobody approved by hand still names data, code and a person."""
    prediction = shell.seen["prediction"]
    page = f"/predictions/{prediction}"
    if httpx.get(f"{shell.url()}{page}").status_code != httpx.codes.OK:
        raise RunFailed("the page does not answer", place=page)
    found = shell.json("lineage", prediction)
    review = found["review"]
    if (
        not review["automatic"]["passed"]
        or review["automatic"]["approved_by"] != [APPROVER]
        or not found["code_commit"]
    ):
        raise RunFailed("the chain is not whole", place=f"lineage {prediction}")
    row = json.dumps(found["prediction"]["inputs"][0]).strip("{}").replace('"', "")
    return Told(
        happened=(
            f"one click: {row} → {found['prediction']['outputs'][0][0]:.1f} mpg by {found['model_version']['label']}, "
            f"approver {APPROVER}, {DATA} {found['data_versions'][DATA][4:16]}, commit {found['code_commit'][:8]}"
        ),
        look=f"tidemill lineage {prediction}",
        page=page,
    )
