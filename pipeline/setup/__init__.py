"""Set up a project: check that everything is there for a run, and add a set of one's own pictures."""
