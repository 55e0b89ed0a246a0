"""The beats of the story, in their order."""

from __future__ import annotations

from tidemill.cli.demo.beat import Beat
from tidemill.cli.demo.broken_canary import broken_in_a_canary
from tidemill.cli.demo.go_live import approved_by_another, notebook_to_review
from tidemill.cli.demo.in_mlflow import same_runs
from tidemill.cli.demo.one_click import one_prediction
from tidemill.cli.demo.pushed import code_and_data
from tidemill.cli.demo.said_and_measured import feedback, health
from tidemill.cli.demo.shuffled_labels import worse_challenger
from tidemill.cli.demo.worse_and_better import new_years

FIVE: tuple[Beat, ...] = (notebook_to_review, approved_by_another, new_years, broken_in_a_canary, one_prediction)
FIVE_MORE: tuple[Beat, ...] = (worse_challenger, code_and_data, feedback, health, same_runs)
