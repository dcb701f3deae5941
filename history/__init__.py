"""Import an existing table of outcomes: read its file, plan the import, and write the outcomes."""
