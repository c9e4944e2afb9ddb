"""What a data set holds: counts, sizes, depths, histograms, registration, duplicates, faults."""
