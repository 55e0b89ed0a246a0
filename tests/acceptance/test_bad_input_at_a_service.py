"""Bad input around a decision and a service: who may approve what, which rows are answered, whose tokens count."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.acceptance.command_line import CommandLine
from tests.acceptance.refusals import refused, write_notebook

PROJECT = """\
[project]
name = "line"
notebook = "line.ipynb"
requirements = ["scikit-learn>=1.5"]

[model]
name = "line"
output = "train.model"
sample = "{sample}"

[gate]
approvals = 1

[service]
name = "line"
"""
CELLS = (
    ("imports", "import numpy\nfrom sklearn.linear_model import LinearRegression"),
    ("step:rows", "X = numpy.arange(40.0).reshape(20, 2)\ny = X.sum(axis=1)"),
    ("step:train prev:rows", "model = LinearRegression().fit(X, y)"),
)
OTHER_DIGEST = f"sha256:{'a' * 64}"


@dataclass(frozen=True, kw_only=True)
class Story:
    """A site with one service; what was said to each who wanted to approve its first version; the approver's token."""

    line: CommandLine
    review: str
    approver: str
    refusals: dict[str, str]

    @property
    def url(self) -> str:
        """The address of the site."""
        return str(self.line.json("status")["url"])

    def ask(self, body: bytes | object, *, token: str | None = None) -> httpx.Response:
        """The reply to a V1 request, with a token of the service unless another is given."""
        secret = self.line("service", "token", "line").strip() if token is None else token
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        return httpx.post(
            f"{self.url}/serving/default/line/v1/models/line:predict", content=content, headers=headers, timeout=30
        )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A service whose first version was approved by the third who tried; its wanted port was busy."""
    folder = tmp_path_factory.mktemp("line")
    write_notebook(folder / "line.ipynb", *CELLS)
    (folder / "tidemill.toml").write_text(PROJECT.format(sample="rows.X"))
    line = CommandLine(folder=folder, home=tmp_path_factory.mktemp("site") / "home")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        line("up", "--detach", "--port", str(busy.getsockname()[1]))
        assert str(busy.getsockname()[1]) not in line.json("status")["url"]
    try:
        yield _decided(line)
    finally:
        line("down")


def _decided(line: CommandLine) -> Story:
    line("run")
    line("deploy")
    opened = line.json("review", "open")
    review = str(opened["id"])
    author = token_of(line, opened["opened_by"], "approver")
    viewer, approver = token_of(line, "vera", "viewer"), token_of(line, "ada", "approver")
    approve = ("review", "approve", review)
    said = {
        "viewer": refused(line, *approve, token=viewer, status=4),
        "author": refused(line, *approve, token=author, status=4),
        "other digest": refused(line, *approve, "--digest", OTHER_DIGEST, token=approver, status=5),
        "unapproved": refused(line, "predict", "line", "x0=1", "x1=2", status=3),
    }
    line(*approve, token=approver)
    said["twice"] = refused(line, *approve, token=approver, status=5)
    line("deploy")  # waits until it answers
    return Story(line=line, review=review, approver=approver, refusals=said)


def token_of(line: CommandLine, person: str, role: str) -> str:
    """A new token of a person."""
    return str(line.json("token", "create", "--person", person, "--role", role)["secret"])


def test_the_author_and_people_without_the_role_cannot_approve(story: Story) -> None:
    assert "made line@1 and may not approve it → ask another person" in story.refusals["author"]
    assert "vera may not approve here" in story.refusals["viewer"]


def test_an_approval_is_of_the_digest_that_was_looked_at(story: Story) -> None:
    assert f"not {OTHER_DIGEST}" in story.refusals["other digest"]


def test_an_approval_counts_once_and_a_decision_stands(story: Story) -> None:
    assert "this review is approved → tidemill review open" in story.refusals["twice"]
    words = ("review", "reject", story.review, "--reason", "too late")
    refused(story.line, *words, token=story.approver, status=5, says="it cannot become rejected")
    (review,) = [each for each in story.line.json("review", "list") if each["id"] == story.review]
    assert [each["approver"] for each in review["approvals"]] == ["ada"]
    assert review["state"] == "approved"


def test_nothing_answers_before_the_approval(story: Story) -> None:
    assert "no model version is approved for line in production" in story.refusals["unapproved"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["x0=1"], "instance 0 has no column 'x1'; the columns are x0, x1"),
        (["x0=heavy", "x1=2"], "column 'x0' is str 'heavy', the model takes FP64"),
        (["x0=NaN", "x1=2"], "column 'x0' is str 'NaN'"),
        (["x0=1", "x1=2", "x2=3"], "has the unknown column 'x2'"),
        (["x0"], "'x0' is not COLUMN=VALUE"),
        ([], "give one row as COLUMN=VALUE, or rows with --data"),
        (["--data", "[1"], "--data: not JSON"),
        (["--data", "[]"], '"instances" is empty'),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_column(story: Story, words: list[str], says: str) -> None:
    refused(story.line, "predict", "line", *words, status=2, says=says)


@pytest.mark.parametrize(
    "body", [{"instances": [{"x0": 1}]}, {"instances": [{"x0": "heavy", "x1": 2}]}, b"{bad", [], {"instances": []}]
)
def test_a_bad_body_over_http_is_400_and_the_service_goes_on(story: Story, body: Any) -> None:
    reply = story.ask(body)
    assert (reply.status_code, list(reply.json())) == (400, ["error"])
    assert story.ask({"instances": [{"x0": 1, "x1": 2}]}).json()["predictions"] == [pytest.approx(3)]


@pytest.mark.parametrize("token", ["", "tm_wrong", "a.b.c"])
def test_a_wrong_prediction_token_is_401(story: Story, token: str) -> None:
    assert story.ask({"instances": [{"x0": 1, "x1": 2}]}, token=token).status_code == 401


def test_a_wrong_token_of_the_site_is_401_or_status_4(story: Story) -> None:
    for headers in ({}, {"authorization": "Bearer tm_wrong"}):
        reply = httpx.get(f"{story.url}/api/v1/runs", headers=headers)
        assert (reply.status_code, reply.json()["error"]) == (401, "unauthenticated")
    refused(story.line, "predict", "line", "x0=1", "x1=2", token="tm_wrong", status=4, says="not known here")
    refused(story.line, "login", story.url, "--token", "tm_wrong", status=4)
    assert not (story.line.home / "settings.toml").exists()


def test_up_twice_is_one_site(story: Story) -> None:
    assert f"already up at {story.url}" in story.line("up", "--detach")
    assert f"already up at {story.url}" in story.line("up")


def test_a_parameter_a_rollback_and_a_lineage_that_are_none_are_refused(story: Story) -> None:
    before = len(story.line.json("runs", "list"))
    refused(story.line, "run", "-p", "alpha=1", status=2, says="has no parameter 'alpha'")
    refused(story.line, "service", "rollback", "line", status=5, says="had no version before this one")
    refused(story.line, "service", "rollback", "line", "--to", "line@9", status=3, says="no model version line@9")
    refused(story.line, "lineage", story.review, status=3, says="there is no prediction")
    refused(story.line, "score", "line", "none.parquet", "out.parquet", status=3, says="there is no such file")
    assert len(story.line.json("runs", "list")) == before


def test_a_pickle_from_elsewhere_is_not_read(story: Story, tmp_path: Path) -> None:
    mark = tmp_path / "foreign-code-ran"
    # a pickle that makes a file when it is read
    (tmp_path / "rows.pkl").write_bytes(b"cbuiltins\nopen\n(V" + str(mark).encode() + b"\nVw\ntR.")
    train = ("step:train prev:rows", 'size = len(open("rows.pkl", "rb").read())\nmodel = LinearRegression().fit(X, y)')
    write_notebook(tmp_path / "line.ipynb", *CELLS[:2], train)
    (tmp_path / "tidemill.toml").write_text(PROJECT.format(sample="import-rows-pkl.artifact"))
    there = CommandLine(folder=tmp_path, home=story.line.home)
    there("run")
    refused(there, "review", "open", status=2, says="import-rows-pkl.artifact: was brought in from elsewhere")
    assert not mark.exists()
    assert [each["label"] for each in there.json("model", "list", "line")] == ["line@1"]
