"""The import of an existing table of outcomes: its files, its plan, and its writes."""
