"""Windows: what the predictions of a revision look like over time, computed from the log in a process of its own."""

from tidemill.monitoring.windows.model import Finding, Window, WindowState

__all__ = ["Finding", "Window", "WindowState"]
