"""Where images come from, one file a kind: each has ``open_source``, which ``data prepare KIND`` finds by its name."""
