"""Policies that bind: what every review of a service in a gated environment is held to, whatever it asks for."""

from tidemill.gate.bound.bind import bind_policies, binding_policy

__all__ = ["bind_policies", "binding_policy"]
