"""Where state lives: tables, lake, blobs, kv and journal. Each stands alone; none imports another."""
