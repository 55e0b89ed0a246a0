"""Figures: what the processes of a site and its machine use, now and over time, and the metrics for Prometheus."""

from tidemill.figures.board import Board
from tidemill.figures.measures import MEASURES, Measure
from tidemill.figures.model import MachineFigures, ProcessFigures, Sample

__all__ = ["MEASURES", "Board", "MachineFigures", "Measure", "ProcessFigures", "Sample"]
