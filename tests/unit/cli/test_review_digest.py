"""An approver names the package by as many digits as commands print, or by all."""

from __future__ import annotations

import pytest

from tidemill.cli.review_commands import whole_digest

SHOWN = "sha256:" + "edc75f79bb78" + "0" * 52


@pytest.mark.parametrize("given", [None, "edc75f79bb78", "sha256:edc75f79bb7800", SHOWN])
def test_the_shown_digest_is_named(given: str | None) -> None:
    assert whole_digest(given, SHOWN) == SHOWN


@pytest.mark.parametrize("given", ["", "edc75f79bb7", "edc75f79bb79", "sha256:", "EDC75F79BB78"])
def test_what_is_not_its_beginning_is_sent_as_it_is_and_refused_by_the_gate(given: str) -> None:
    assert whole_digest(given, SHOWN) == given != SHOWN
