"""What a record of the prediction log holds: the wire contract between predictors and the recorder."""

from __future__ import annotations

FIELDS = ("id", "time_ns", "status", "latency_us", "protocol", "inputs", "outputs", "error", "request_id")
"""The values of one record, in this order; a frame carries lists, not objects, to be quick."""

# A V1 request and its reply may stand in `inputs` and `outputs` as they travelled (`{"instances": [...]}` and
# `{"predictions": [...], "id": ...}`); everything else has its instances, or tensors by name, and a list per output.
