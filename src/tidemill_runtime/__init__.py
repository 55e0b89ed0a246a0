"""What runs inside a Tidemill step or predictor: standard library only, Python 3.9 and newer."""

__version__ = "0.1.0"
__all__ = ["__version__"]
