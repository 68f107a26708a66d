"""Reports as HTML pages: of a comparison, and of a placement on cores."""
