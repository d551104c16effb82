"""The tables of pairs that a search writes and removal reads."""
