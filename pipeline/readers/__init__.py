"""Read encoded pictures from a container: LMDB, folder, zip, tar, parquet, pickles, MATLAB files."""
