"""The tables of classes, pairs and matches that a search writes and removal reads."""
