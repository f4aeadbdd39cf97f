"""The learn path: observe, decide, train, gate, release. It never imports serving."""
