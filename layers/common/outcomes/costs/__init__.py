"""Store and read the costs of agents by UTC day and source, with earlier versions and stored sums of months."""
