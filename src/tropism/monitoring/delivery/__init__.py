"""Alerts on their way out: read from the table `notices_out`, sent to channels, tried again until they arrive.

`rounds.Delivery` sends; `channels.open_channels` makes channels of addresses; `signature.verify` is for receivers.
Nothing is imported here: `signature` needs the standard library alone, and stays as quick to load.
"""
