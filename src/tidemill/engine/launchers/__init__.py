"""Launchers: how a step becomes a process, how its end is told, and how it is stopped."""

from tidemill.engine.launchers.memory import MemoryLauncher
from tidemill.engine.launchers.model import Exited, Launcher, LaunchRequest, Limits
from tidemill.engine.launchers.process import ProcessLauncher
from tidemill.engine.launchers.zygote_client import ZygoteClient

__all__ = ["Exited", "LaunchRequest", "Launcher", "Limits", "MemoryLauncher", "ProcessLauncher", "ZygoteClient"]
