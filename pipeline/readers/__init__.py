"""How encoded pictures are read out of a container: LMDB, folder, zip, tar, parquet, pickles, MATLAB files."""
