"""Pixels in files: formats, bit depths, sizes, streams of rows; numpy alone."""
