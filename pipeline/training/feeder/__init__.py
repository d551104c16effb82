"""Feeds a training: threads that make batches ahead, pictures on the device, copies beside the computation."""
