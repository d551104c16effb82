"""Several steps in one call: `dcgan dedup`."""
