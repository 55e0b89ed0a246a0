"""`tidemill demo`: the whole story on real data, by the public commands and addresses only."""

from tidemill.cli.demo.command import add_to

__all__ = ["add_to"]
