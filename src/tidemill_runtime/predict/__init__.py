"""The predictor: one model package served over HTTP by a raw ASGI application."""
