"""Measures of generated pictures, one module each; none of them needs a download."""
