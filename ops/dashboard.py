"""List the names and media types of the files of the dashboard's pages."""

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/value-delivered-more.js": ("value-delivered-more.js", "text/javascript; charset=utf-8"),
    "/value-delivered-review.js": ("value-delivered-review.js", "text/javascript; charset=utf-8"),
    "/value-delivered.js": ("value-delivered.js", "text/javascript; charset=utf-8"),
    "/outcome-keys-more.js": ("outcome-keys-more.js", "text/javascript; charset=utf-8"),
    "/outcome-keys.js": ("outcome-keys.js", "text/javascript; charset=utf-8"),
    "/verify.html": ("verify.html", "text/html; charset=utf-8"),
    "/verify.js": ("verify.js", "text/javascript; charset=utf-8"),
}
"""File and content type by URL path."""
