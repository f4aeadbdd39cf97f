"""Learners: a small contract (fit, predict, export, optionally update) and its members, found by entry point.

`base` holds the contract, `fitting.fit_model` fits a member by name, `model.Model` is what serves, and
`artifact` stores and loads it without ever running stored code.
"""
