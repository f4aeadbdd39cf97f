"""Identity, events, contracts, errors, clock, plugins: what every floor may use. No third-party I/O."""
