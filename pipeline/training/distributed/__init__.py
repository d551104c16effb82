"""Training in several processes that `torchrun` starts: shares of a batch, averages, and batch norm over all shares."""
