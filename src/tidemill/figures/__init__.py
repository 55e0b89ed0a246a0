"""Figures: what the processes of a site and its machine use, now and over time."""

from tidemill.figures.board import Board
from tidemill.figures.model import MachineFigures, ProcessFigures, Sample

__all__ = ["Board", "MachineFigures", "ProcessFigures", "Sample"]
