"""A NIR image as a network wants it; numpy alone."""
