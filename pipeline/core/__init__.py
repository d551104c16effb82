"""Files, errors, parameters, progress and parallel work: code that decides no byte of a result."""
