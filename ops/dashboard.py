"""What the dashboard's page consists of."""

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/value-delivered.js": ("value-delivered.js", "text/javascript; charset=utf-8"),
    "/outcome-keys.js": ("outcome-keys.js", "text/javascript; charset=utf-8"),
}
"""Path to file and content type."""
