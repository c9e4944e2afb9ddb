"""Files and numpy: pairs on disk, preprocessing, augmentation, streams."""
