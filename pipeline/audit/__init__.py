"""Show what was removed, and measure how right it was."""
