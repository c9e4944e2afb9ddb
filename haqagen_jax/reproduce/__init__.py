"""Every table of the paper: trained, scored, and laid beside what was published."""
