"""Codecs: how a variable becomes a file and comes back as it was; the narrowest one that loses nothing is taken."""

from tidemill_runtime.step.codecs.choose import load_together, load_value, save_together, save_value
from tidemill_runtime.step.codecs.contract import Codec, NotCarried, Scene

__all__ = ["Codec", "NotCarried", "Scene", "load_together", "load_value", "save_together", "save_value"]
