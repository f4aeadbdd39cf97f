"""A reference, a detector and how far it has come, kept between two looks."""
