"""What people touch: the HTTP interface, the SDK, the command line, replays. Errors become status codes here only."""
