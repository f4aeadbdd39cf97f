"""Files of rows, read a part at a time: CSV, JSON lines, Parquet, Arrow. Any may be larger than memory."""
