"""The revisions. What a released one does is never changed."""
