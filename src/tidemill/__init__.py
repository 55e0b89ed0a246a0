"""Tidemill takes a model from a notebook to an approved, served and traceable prediction service."""

__version__ = "0.1.0"
__all__ = ["__version__"]
