"""The command line: one thin module per stage, and `python -m stages` (`dcgan`) as the umbrella."""
