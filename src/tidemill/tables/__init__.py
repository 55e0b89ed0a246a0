"""What is found out of tables, each question in a process of its own: the server reads none of them itself."""

from tidemill.tables.ask import Ask, TablesProblem, ask_apart

__all__ = ["Ask", "TablesProblem", "ask_apart"]
