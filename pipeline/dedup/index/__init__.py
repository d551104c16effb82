"""The index that finds equal pictures and pairs of pictures with similar codes."""
