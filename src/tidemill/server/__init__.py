"""The control API: a FastAPI app that mounts the slices' routes behind one authentication."""
