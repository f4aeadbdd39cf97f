"""Makes a trained model smaller or faster, and shows that it stayed as good.

`base` holds the contract of a technique, each technique has a module, `targets` says which ones are tried for which
kind of machine, `quality` and `latency` judge, and `optimising` registers what passes.
"""
