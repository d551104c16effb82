"""Files, errors, parameters, progress, compilation and parallel work; nothing here changes a byte of a result."""
