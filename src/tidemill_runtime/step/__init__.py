"""Runs one step of a notebook: `python -m tidemill_runtime.step --executor_input JSON --program JSON`.

Standard library only; pandas, numpy, skops and the like are imported when a value needs them.
"""
