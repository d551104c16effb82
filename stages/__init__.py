"""The command line: one thin module for each stage, and `python -m stages` (`dcgan`) for all of them."""
