"""Map grids, and the lookup table (GLT) that puts a swath on one."""
