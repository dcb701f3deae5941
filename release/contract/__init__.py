"""make contract: write from the layer's tables and from words.yaml what else states the contract."""
