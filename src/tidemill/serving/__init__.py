"""Services: a live model version behind an address, its revisions, and the gateway in front."""
