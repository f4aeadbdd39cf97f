"""Trains candidates on matured history, in time order, and stores the best as an artifact."""
