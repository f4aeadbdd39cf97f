"""A model as a folder that runs where Tropism is not: `bundle` writes it, `runner` is the script that goes with it."""
