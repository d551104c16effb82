"""Files, errors, parameters, progress, compilation and parallel work; it has no influence on results."""
