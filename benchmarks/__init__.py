"""Speed beside the peers, as ratios from one run."""
