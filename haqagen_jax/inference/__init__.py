"""From NIR arrays to color arrays: the sliding window of Sec. 3.3."""
