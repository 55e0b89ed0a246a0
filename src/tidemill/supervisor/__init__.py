"""The processes of a site: started, watched, restarted and drained by one supervisor that owns their sockets."""
