"""Figures: what the processes of a site and its machine use, now and over time, and the metrics for Prometheus."""

from tidemill.figures.board import Board
from tidemill.figures.health import HealthLimits
from tidemill.figures.measures import MEASURES, Measure
from tidemill.figures.model import MachineFigures, ProcessFigures, Sample
from tidemill.figures.watch import HealthWatch

__all__ = ["MEASURES", "Board", "HealthLimits", "HealthWatch", "MachineFigures", "Measure", "ProcessFigures", "Sample"]
