"""Serving, beside the KServe SDK."""
