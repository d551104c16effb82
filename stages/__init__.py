"""The command line: one short module for each command; `python -m stages` (`dcgan`) runs any of them."""
