"""Scores files of any size with one version of a model: `tropism score`."""
