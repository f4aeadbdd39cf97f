"""Protocols of others, spoken byte for byte over the same predictions."""
