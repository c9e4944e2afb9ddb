"""From NIR arrays to colour arrays: the sliding window of Sec. 3.3."""
