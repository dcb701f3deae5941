"""Import an existing table of outcomes: read its file, plan the import, and write the outcomes."""

MAX_ROUND = 99  # an import reads each row once for each round
