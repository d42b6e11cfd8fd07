"""Map grids, and the lookup table (GLT) that places a swath on a grid."""
