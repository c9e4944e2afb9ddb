"""Inspection of a data set: counts, sizes, depths, histograms, registration, duplicates, faults."""
