"""The ground floor: ids, errors, clock, home, database, events and canonical JSON."""
