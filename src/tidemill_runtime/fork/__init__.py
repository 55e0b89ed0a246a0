"""Warm fork: a zygote that has imported a lock's libraries forks a process for each step and predictor."""
