"""Rollouts: a new revision gets its requests by steps, under guards, and loses them when it is worse."""

from tidemill.serving.rollout.plan import RolloutPlan

__all__ = ["RolloutPlan"]
