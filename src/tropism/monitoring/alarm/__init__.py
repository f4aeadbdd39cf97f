"""One alarm for all features of a task, with a stated time between false ones. Reads counts."""
