"""The `tidemill` command: thin verbs and nouns over the API."""

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit status."""
    from tidemill.cli.app import run  # so that importing the package costs nothing

    run()
