"""What a run is told: dataclasses, their checks, and the files of configs/."""
