"""Offer the outcome routes to models as tools of the Model Context Protocol (MCP)."""
