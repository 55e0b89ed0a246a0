"""The checks of a review, and the contract of one; more come as plug-ins of the entry-point group `tidemill.checks`."""

from tidemill.gate.checks.contract import ENTRY_POINTS, Champion, Check, CheckContext
from tidemill.gate.checks.select import find_checks, required_checks

__all__ = ["ENTRY_POINTS", "Champion", "Check", "CheckContext", "find_checks", "required_checks"]
