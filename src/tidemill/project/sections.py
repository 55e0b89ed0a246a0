"""The sections of a project file that something on the site follows; all others are compared with what was applied."""

from __future__ import annotations

from tidemill.project.gate_section import GateSection
from tidemill.project.live import Section
from tidemill.project.monitor_section import MonitorSection
from tidemill.project.notify_section import NotifySection
from tidemill.project.service_section import ServiceSection
from tidemill.project.trigger_section import TriggerSection

SECTIONS: tuple[Section, ...] = (ServiceSection(), GateSection(), MonitorSection(), TriggerSection(), NotifySection())
